"""Rounding at random: how far another right implementation may be off.

    with noise(2**-24, seed) as found:   # in float64
        outputs = function(*inputs)      # each as float32 might have it
        slopes = torch.autograd.grad(outputs, inputs, cotangents)
    found.unknown                        # what there is no rule for, counted

Every operation's result is moved, element by element, by a normal number as
wide as float32's roundings on its way:

    x + y, x - y                u (|x| + |y|): another formula may cancel here
    x * y                       u |result|
    exp(x), x / y, x ** y ...   FEW u |result|: libraries differ in them;
                                exp, and what is made of it, as far as said
    a sum of n terms            LAMBDA sqrt(n) u sum |terms|; if asked, or as
                                far as one is off that adds up one by one
    a variance                  that of E[x^2] - E[x]^2, as flax has it
    what only moves numbers     not at all

Other operations are taken apart into these; one that cannot be is moved by
sqrt(elements it is given) u max |result|, and named.

See: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002, 1997;
     N. J. Higham and T. Mary, A New Approach to Probabilistic Rounding Error
     Analysis, SIAM J. Sci. Comput. 41(5), 2019: sqrt(n) u instead of n u.
"""

from collections import Counter
from contextlib import contextmanager
from functools import cache
from math import ceil, prod

from torch._decomp import decomposition_table
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

import torch

from .sequence import off_in_sequence

#: A sum of n terms in sequence errs by 0.24 sqrt(n) u sum |terms| on average
#: if all have one sign: roundings of u / sqrt(3) at partial sums k/n of it.
LAMBDA = 0.25

#: Roundings of a function that is no single operation of IEEE 754.
FEW = 4


def named(text):
    """The operations whose names stand in a text."""
    return frozenset(text.split())


EXACT = named(
    """
    _adaptive_max_pool2d _local_scalar_dense _reshape_copy _to_copy
    _assert_async _unsafe_index _unsafe_masked_index abs
    adaptive_max_pool2d alias amax amin aminmax arange argmax argmin argsort as_strided_scatter bernoulli
    broadcast_in_dim bucketize cat ceil channel_shuffle clamp clamp_max
    clamp_min clone collapse collapse_view constant_pad_nd
    convert_element_type copy copysign cummax cummin device_put
    diagonal_backward diagonal_scatter diag_embed dropout embedding empty
    empty_like empty_strided eye fill flip floor fmax fmin frac full
    full_like gather hardtanh hardtanh_backward im2col index
    index_copy index_fill index_select isinf isnan kthvalue lift lift_fresh
    lift_fresh_copy masked_fill masked_scatter masked_select max
    max_pool2d_with_indices max_pool3d_with_indices maximum median min
    minimum mode nan_to_num nanmedian narrow_copy neg new_empty
    new_empty_strided new_full new_ones new_zeros nextafter nonzero normal
    normal_functional ones ones_like permute_copy pixel_shuffle
    pixel_unshuffle rand rand_like randint randn randn_like
    randperm reflection_pad1d reflection_pad2d reflection_pad3d relu relu6
    repeat repeat_interleave replication_pad1d replication_pad2d
    replication_pad3d reshape resize rev roll round scalar_tensor scatter
    select_backward select_scatter set sgn sign slice_backward slice_scatter
    sort split_with_sizes_copy stack threshold threshold_backward topk
    transpose tril tril_indices triu triu_indices trunc uniform
    unfold_copy unique_dim upsample_nearest1d upsample_nearest2d
    upsample_nearest3d view_of where zero zeros zeros_like
    """
)

ONE_ROUNDING = named("mul native_dropout square")

FEW_ROUNDINGS = named(
    """
    acos acosh asin asinh atan atan2 atanh bessel_i0 cos cosh digamma div erf
    erfc erfinv exp exp2 expm1 fmod hypot lgamma log log10 log1p log2 pow
    reciprocal remainder rsqrt sigmoid sin sinh sqrt tan tanh xlogy
    """
)

PRODUCTS = named("cumprod prod")

#: What a relative error of one in exp makes of their results.
OF_EXP = {
    "exp": abs,
    "exp2": abs,
    "expm1": lambda result: (result + 1).abs(),
    "sigmoid": lambda result: result * (1 - result),
    "tanh": lambda result: (1 - result**2) / 2,
}


class Rounding(TorchDispatchMode):
    """What moves every result; made by `noise`.

    Attributes:
        unknown: Counter of the operations that there is no rule for.
    """

    def __init__(self, unit, seed, exp_error, in_sequence):
        super().__init__()
        self._in_sequence = in_sequence
        self.unit, self.unknown = unit, Counter()
        self._exp_roundings = exp_error / unit
        self._draw = torch.Generator().manual_seed(seed)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = base_name(func)
        if is_exact(name, func, args):
            return func(*args, **kwargs)
        if is_composite(func):
            with self:
                return func.decompose(*args, **kwargs)
        for rule in (sum_rule, variance_rule, elementwise_rule):
            width = rule(name, func, args, kwargs)
            if width is not None:
                results = func(*args, **kwargs)
                wide = width(results)
                if self._in_sequence and name in ("mean", "sum"):
                    apart = off_in_sequence(name, args, kwargs, wide)
                    wide = torch.maximum(wide, apart)
                if name in OF_EXP:
                    wide = wide + self._exp_roundings * OF_EXP[name](results)
                return self._moved(results, wide)
        apart = decomposition_table.get(func)
        if apart is not None:
            with self:
                return apart(*args, **kwargs)
        return self._without_rule(func, args, kwargs)

    def _without_rule(self, func, args, kwargs):
        """Move what there is no rule for; named, if not element by element."""
        results = func(*args, **kwargs)
        if torch.Tag.pointwise in func.tags or not floats((args, kwargs)):
            return self._moved(results, rounded(FEW)(results))
        if floats(results):
            self.unknown[func._schema.name] += 1
        given = sum(x.numel() for x in floats((args, kwargs)))

        def width(x):
            if is_float(x) and x.numel():
                return given**0.5 * x.abs().amax()
            return x

        return self._moved(results, tree_map(width, results))

    def _moved(self, results, widths):
        """Each float of the results, moved in place by `unit` times a width."""
        for result, width in zip(
            tree_flatten(results)[0], tree_flatten(widths)[0], strict=True
        ):
            if is_float(result):
                # Drawn in float32, which a CPU does six times as fast.
                both = result.is_complex()
                drawn = torch.complex64 if both else torch.float32
                step = torch.empty_like(result, dtype=drawn)
                step = step.normal_(generator=self._draw).to(result.dtype)
                step *= width
                step *= self.unit
                # What is no finite number stays as it is.
                parts = torch.view_as_real(step) if both else step
                parts.nan_to_num_(0.0, 0.0, 0.0)
                result += step
        return results


@contextmanager
def noise(unit, seed, exp_error=0.0, *, in_sequence=False):
    """Round at random whatever runs inside, forwards and backwards.

    Args:
        unit: the largest relative error of a rounding; 2^-24 in float32.
        seed: of the random numbers; the same one repeats all of them.
        exp_error: how far an exp may be off beside, relative to it.
        in_sequence: whether sums may be added up one by one, too.

    Yields:
        a `Rounding`, whose `unknown` counts the operations without a rule.
    """
    with unfused(), Rounding(unit, seed, exp_error, in_sequence) as rounding:
        yield rounding


def noisy(function, unit, seed, exp_error=0.0):
    """A function that rounds at random, its sums in whatever order."""

    def moved(*args):
        with noise(unit, seed, exp_error, in_sequence=True):
            return function(*args)

    return moved


def unknown(function):
    """A function of the same arguments that counts what has no rule."""

    def counted(*args):
        with noise(2.0**-24, 0) as rounding:
            function(*args)
        return rounding.unknown

    return counted


@contextmanager
def unfused():
    """Attention by its parts: what is fused has no formula here."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def sum_rule(name, func, args, kwargs):
    """Widths of the results if they are sums, else None."""
    terms = TERMS.get(name)
    if terms is None:
        return None
    sizes = func(*absolute(args), **absolute(kwargs))

    def width(results):
        counts = terms(func, args, results)
        if not isinstance(results, (tuple, list)):
            return LAMBDA * counts**0.5 * sizes
        return [
            None if size is None else LAMBDA * count**0.5 * size
            for count, size in zip(counts, sizes, strict=True)
        ]

    return width


def variance_rule(name, func, args, kwargs):
    """Widths of a variance as E[x^2] - E[x]^2, and of its mean, else None."""
    if name not in ("var", "var_mean"):
        return None
    x, dims = args[0], args[1] if len(args) > 1 else kwargs.get("dim")
    if not dims:
        dims = range(x.dim())
    keep = kwargs.get("keepdim", False)
    correction = kwargs.get("correction")
    squares = (x * x).sum(tuple(dims), keepdim=keep)
    n = x.numel() / max(1, squares.numel())
    wide = LAMBDA * n**0.5
    width = wide * squares / (n - (1 if correction is None else correction))
    if name == "var":
        return lambda results: width
    mean = wide * x.abs().mean(tuple(dims), keepdim=keep)
    return lambda results: [width, mean]


def elementwise_rule(name, func, args, kwargs):
    """Widths of results that each depend on a few numbers, else None."""
    if name in ("add", "sub", "rsub"):
        # Another formula may have cancelled: x a + (b - m a) is (x - m) a + b.
        a, b = map(magnitude, args[:2])
        alpha = abs(args[2] if len(args) > 2 else kwargs.get("alpha", 1))
        size = a * alpha + b if name == "rsub" else a + alpha * b
        return lambda results: size
    if name in ("addcmul", "addcdiv"):
        size = func(*absolute(args), **absolute(kwargs))
        return lambda results: FEW * size
    if name in ONE_ROUNDING:
        return rounded(1)
    if name in FEW_ROUNDINGS:
        return rounded(FEW)
    if name in PRODUCTS:
        return rounded(args[0].numel() ** 0.5)
    return None


def reduced(func, args, results):
    """Terms of each sum: numbers that there are for one result."""
    return args[0].numel() / max(1, results.numel())


def along(func, args, results):
    """At most the length of the dimension that is summed along."""
    return args[0].shape[args[1]] if args[0].dim() else 1


def contracted(func, args, results):
    """Terms of a product of matrices: their common length, and one added."""
    return args[-2].shape[-1] + (len(args) - 2)


def window(func, args, results):
    """Numbers in one window of a pooling."""
    dims = args[0].dim() - results.dim() or int(base_name(func)[-2])
    sizes = args[1]
    return prod(sizes) if len(sizes) > 1 else sizes[0] ** dims


def windows(func, args, results):
    """Windows of a pooling that one number is in."""
    sizes, strides = args[2], args[3] or args[2]
    across = max(map(ceil, (k / s for k in sizes for s in strides)))
    return across ** (results.dim() - 2)


def shared(func, args, results):
    """Numbers of the larger side for one of the smaller, and a neighbour."""
    sizes = args[0].numel(), results.numel()
    return 4 * max(sizes) / max(1, min(sizes))


def overlapping(func, args, results):
    """Windows of an adaptive pooling that share a number: two across."""
    return 2 ** (results.dim() - 2)


def convolved(func, args, results):
    """Terms of a convolution: the kernel of one output, and the bias."""
    weight, transposed, groups = args[1], args[6], args[8]
    fan = weight.shape[0] / groups if transposed else weight.shape[1]
    return fan * prod(weight.shape[2:]) + 1


def convolved_backwards(func, args, results):
    """Terms of its slopes in the input, the weight and the bias."""
    grad, given, weight = args[:3]
    transposed, groups = args[7], args[9]
    fan = weight.shape[1] if transposed else weight.shape[0] / groups
    places = min(prod(x.shape[2:]) for x in (grad, given))
    return (
        fan * prod(weight.shape[2:]),
        grad.shape[0] * places,
        grad.shape[0] * prod(grad.shape[2:]),
    )


def arriving(func, args, results):
    """How many numbers arrive at each result: what ones would add up to."""
    return func(*(ones(x) for x in args))


TERMS = {
    **dict.fromkeys(("mean", "nansum", "sum"), reduced),
    **dict.fromkeys(("cumsum", "trace"), along),
    **dict.fromkeys(("bmm", "dot", "mm", "mv", "vdot"), contracted),
    **dict.fromkeys(("addbmm", "addmm", "addmv", "baddbmm"), contracted),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), window),
    **dict.fromkeys(("avg_pool2d_backward", "avg_pool3d_backward"), windows),
    "_adaptive_avg_pool2d": shared,
    "_adaptive_avg_pool3d": shared,
    "_adaptive_avg_pool2d_backward": overlapping,
    "_adaptive_avg_pool3d_backward": overlapping,
    "upsample_bilinear2d_backward": shared,
    "convolution": convolved,
    "convolution_backward": convolved_backwards,
    **dict.fromkeys(
        named(
            """
        col2im embedding_dense_backward index_add index_put
        max_pool2d_with_indices_backward max_pool3d_with_indices_backward
        reflection_pad1d_backward reflection_pad2d_backward
        reflection_pad3d_backward replication_pad1d_backward
        replication_pad2d_backward replication_pad3d_backward scatter_add
        unfold_backward upsample_nearest1d_backward
        upsample_nearest2d_backward upsample_nearest3d_backward
        """
        ),
        arriving,
    ),
}


def base_name(func):
    """What an operation is called in every namespace and overload."""
    name = func._schema.name.partition("::")[2].rstrip("_")
    return "index_put" if name == "_index_put_impl" else name


def is_exact(name, func, args):
    """Whether nothing is computed: numbers are moved, chosen or made."""
    if name == "index_put":
        return len(args) < 4 or not args[3]
    if name in EXACT:
        return "reduce" not in func._overloadname
    aliases = [returned.alias_info for returned in func._schema.returns]
    return any(alias and not alias.is_write for alias in aliases)


@cache
def is_composite(func):
    """Whether it is made of other operations."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(
        func.name(), "CompositeImplicitAutograd"
    )


def rounded(times):
    """Widths of results that were rounded so many times."""

    def width(results):
        return tree_map(
            lambda x: times * x.abs() if is_float(x) else x, results
        )

    return width


def absolute(given):
    """What is given, without signs: for the sum of |terms|."""
    if isinstance(given, dict):
        return {name: magnitude(x) for name, x in given.items()}
    return tree_map(lambda x: x.abs() if is_float(x) else x, given)


def magnitude(x):
    """|x|; what has none, as it is."""
    if isinstance(x, torch.Tensor):
        return x if x.dtype == torch.bool else x.abs()
    return abs(x) if isinstance(x, (int, float)) else x


def ones(x):
    """Ones in the place of numbers."""
    return torch.ones_like(x) if is_float(x) else x


def floats(tree):
    """The floats among a tree's leaves."""
    return [x for x in tree_flatten(tree)[0] if is_float(x)]


def is_float(x):
    """Whether it is a tensor of floats, or complex ones."""
    return isinstance(x, torch.Tensor) and (
        x.is_floating_point() or x.is_complex()
    )
