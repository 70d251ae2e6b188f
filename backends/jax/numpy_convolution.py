"""A convolution of float64 as sums of matrix products, by NumPy.

XLA on a CPU has no library's for float64, as for float32, but loops of its
own, thirty times as slow (0.7.1). What is asked in float64 is what the
mathematics is, not how it is rounded, so NumPy may compute it.

See: https://openxla.org/xla/operation_semantics#convwithgeneralpadding_convolution
"""

from itertools import product
from math import prod

import numpy as np


def convolved(params, x, kernel):
    """What `lax.conv_general_dilated` returns for the same parameters.

    For example y, channel o and place p of the output, its group's channels c
    and places k of the kernel::

        y[n, o, p] = Σ_c Σ_k x[n, c, stride p + dilation k] kernel[o, c, k]

    where x has zeros between its elements and around it, as is asked. The sum
    over k, or the places p, is a loop, whichever are fewer: of a kernel's
    gradient the places are those of the kernel.

    Args:
        params: of the primitive.
        x, kernel: in the axes that `params["dimension_numbers"]` tells.

    Returns:
        an array; None if they are not both float64.
    """
    if {x.dtype, kernel.dtype} != {np.dtype("float64")}:
        return None
    dims = params["dimension_numbers"]
    x = spaced(x.transpose(dims.lhs_spec), params)
    kernel = kernel.transpose(dims.rhs_spec)
    x, kernel = grouped(x, kernel, params)
    strides, dilation = params["window_strides"], params["rhs_dilation"]
    size, places = kernel.shape[3:], []
    for length, k, stride, apart in zip(
        x.shape[3:], size, strides, dilation, strict=True
    ):
        places.append(max(0, (length - (k - 1) * apart - 1) // stride + 1))
    groups, examples = x.shape[:2]
    made = np.zeros((groups, kernel.shape[1], examples, *places))
    if prod(size) <= prod(places):
        for k in product(*map(range, size)):
            window = seen(x, k, dilation, places, strides)
            # Strided it would be no matrix for a library.
            rows = np.ascontiguousarray(kernel[(..., *k)])
            terms = rows @ window.reshape(*window.shape[:2], -1)
            made += terms.reshape(made.shape)
    else:
        rows = kernel.reshape(*kernel.shape[:2], -1)
        for p in product(*map(range, places)):
            window = seen(x, p, strides, size, dilation)
            columns = np.moveaxis(window, 2, -1).reshape(groups, -1, examples)
            made[(..., *p)] = rows @ columns
    made = made.reshape(-1, *made.shape[2:]).swapaxes(0, 1)
    return made.transpose(np.argsort(dims.out_spec))


def spaced(x, params):
    """With zeros between the elements and around; a negative rim is cut."""
    for axis, ((low, high), apart) in enumerate(
        zip(params["padding"], params["lhs_dilation"], strict=True), start=2
    ):
        length = max(0, (x.shape[axis] - 1) * apart + 1)
        rim = max(low, 0), max(high, 0)
        shape = list(x.shape)
        shape[axis] = rim[0] + length + rim[1]
        wide = np.zeros(shape)
        along = [slice(None)] * x.ndim
        along[axis] = slice(rim[0], rim[0] + length, apart)
        wide[tuple(along)] = x
        along[axis] = slice(max(-low, 0), shape[axis] - max(-high, 0))
        x = wide[tuple(along)]
    return x


def grouped(x, kernel, params):
    """A first axis of groups: of features, or else of examples.

    Returns:
        (group, example, in, ...), (group, out, in, ...).
    """
    n, space = x.shape[0], x.shape[2:]
    of_features = params["feature_group_count"]
    of_examples = params["batch_group_count"]
    x = x.reshape(of_examples, n // of_examples, of_features, -1, *space)
    # One of the two counts is 1.
    x = x.swapaxes(1, 2).reshape(
        of_examples * of_features, n // of_examples, -1, *space
    )
    return x, kernel.reshape(len(x), -1, *kernel.shape[1:])


def seen(x, at, apart, count, step):
    """A window's elements: (group, in, example, ...), for a matrix product."""
    along = [
        slice(a * b, a * b + (n - 1) * s + 1, s)
        for a, b, n, s in zip(at, apart, count, step, strict=True)
    ]
    return x[(..., *along)].swapaxes(1, 2)
