"""A function op by op, as JAX runs it, with fewer programs compiled.

    op_by_op(jax.jit(function), *args)

JAX compiles every operation alone, for each shape and dtype: 60 ms for what
takes microseconds then. But copies, choices, comparisons, and one rounding of
IEEE 754 (+ - * / and the root) have the same bits whoever computes them, so
NumPy does. All else is bound as it is, and rounds as JAX rounds it.

Differs: XLA on a CPU takes what is below the smallest normal number for zero
(`ScopedFlushDenormal`), NumPy does not. Where such numbers are, XLA computes.
And what JAX inlines when it traces (`jit(..., inline=True)`, as `jnp.mean`)
is taken apart, where an untraced call compiles it as one: a division by n
becomes a product there, for instance, which differs in the last place.
"""

from collections import Counter

from common.contract.foreign import foreign
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

import jax
import numpy as np

from .noise import CALLS, LOOPS, bodies, bound, named
from .numpy_convolution import convolved

#: What NumPy has as XLA has it.
DTYPES = named("bool uint8 uint32 int8 int32 int64 float32 float64")

#: Compiled as one, wherever they are called.
COMPILED = named("jit pjit")

#: What is compiled as one, by all that it says.
MET = {}


def op_by_op(function, *args):
    """What a function returns, its operations computed one by one.

    Args:
        function: of `jax.jit`, which keeps what was traced. What cannot be
            traced runs as it is.
        args: its arguments.
    """
    if jax.default_backend() != "cpu":
        return foreign(function.__wrapped__, *args)
    try:
        traced = function.trace(*args)
    except Exception:
        # It looks at its numbers; or it is wrong, and raises again.
        return foreign(function.__wrapped__, *args)
    tree = jax.tree.structure(traced.out_info)
    with np.errstate(all="ignore"):
        results = evaluated(traced.jaxpr, jax.tree.leaves(args))
    return jax.tree.unflatten(tree, results)


def evaluated(closed, given):
    """The results of a closed jaxpr; nothing is kept longer than needed."""
    jaxpr = closed.jaxpr
    values = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values |= zip(jaxpr.invars, given, strict=True)
    uses = [*(v for e in jaxpr.eqns for v in e.invars), *jaxpr.outvars]
    left = Counter(var for var in uses if not isinstance(var, Literal))

    def value(var):
        if isinstance(var, Literal):
            return np.asarray(var.val, var.aval.dtype)
        left[var] -= 1
        return values[var] if left[var] else values.pop(var)

    for equation in jaxpr.eqns:
        results = computed(equation, list(map(value, equation.invars)))
        both = zip(equation.outvars, results, strict=True)
        values |= ((var, result) for var, result in both if left[var])
    return list(map(value, jaxpr.outvars))


def computed(equation, given):
    """The results of one equation."""
    name = equation.primitive.name
    if name in COMPILED and is_plain(*bodies(equation)):
        return evaluated(*bodies(equation), given)
    if name in CALLS - COMPILED:
        return evaluated(*bodies(equation), given)
    types = [var.aval.dtype.name for var in equation.outvars]
    types += [x.dtype.name for x in given]
    if name in RULES and DTYPES.issuperset(types):
        arrays = list(map(np.asarray, given))
        result = RULES[name](equation.params, *arrays)
        if result is not None and (
            name in EXACT or not any(map(is_tiny, (*arrays, result)))
        ):
            return [result]
    return foreign(bound, first_of(equation), given)


def first_of(equation):
    """The first equation met that says the same.

    Differs: JAX keeps what it compiled of a loop by the object that says what
    the loop does, and there is a new one whenever a module is traced.
    """
    if equation.primitive.name not in COMPILED | LOOPS or closes(equation):
        return equation
    words = (f"{name}={value}" for name, value in equation.params.items())
    text = "\n".join((equation.primitive.name, *words))
    return MET.setdefault(text, equation)


def closes(equation):
    """Whether it holds arrays, or what is called in it does: unsaid in text."""
    held = jax.tree.leaves(list(equation.params.values()))
    return any(
        getattr(one, "consts", ()) or any(map(closes, one.eqns))
        for one in held
        if isinstance(one, (ClosedJaxpr, Jaxpr))
    )


def is_plain(closed):
    """Whether it has no two roundings, which XLA might make one of.

    Nor a convolution, whose axes XLA may choose by what stands around it.
    """
    names = [equation.primitive.name for equation in closed.jaxpr.eqns]
    roundings = [name for name in names if name not in EXACT]
    plain = set(RULES) - {"conv_general_dilated"}
    return set(names) <= plain and len(roundings) <= 1


def is_tiny(x):
    """Whether any of its floats is below the smallest normal number."""
    if x.dtype.kind != "f":
        return False
    return ((x != 0) & (abs(x) < np.finfo(x.dtype).tiny)).any()


def spread(params, x):
    """Repeated along new axes, and along those of length one."""
    places = dict(zip(params["broadcast_dimensions"], x.shape, strict=True))
    shape = [places.get(axis, 1) for axis in range(len(params["shape"]))]
    return np.broadcast_to(x.reshape(shape), params["shape"])


def counted(params):
    """0, 1, 2, ... along one axis."""
    shape, axis = params["shape"], params["dimension"]
    row = np.arange(shape[axis], dtype=params["dtype"])
    row = row.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return np.broadcast_to(row, shape)


def cut(params, x):
    """Every so many-th element from one place to another."""
    steps = params["strides"] or (1,) * x.ndim
    ends = params["start_indices"], params["limit_indices"], steps
    return x[tuple(map(slice, *ends))]


def padded(params, x, filling):
    """With something around it, and between its elements."""
    if any(low < 0 or high < 0 for low, high, _ in params["padding_config"]):
        return None
    sizes, places = [], []
    for size, (low, high, between) in zip(x.shape, params["padding_config"]):
        last = low + max(0, size + (size - 1) * between)
        sizes.append(last + high)
        places.append(slice(low, last, between + 1))
    result = np.full(sizes, filling)
    result[tuple(places)] = x
    return result


def reshaped(params, x):
    """In another shape, and before that in the order of axes that is told."""
    first = params["dimensions"] or range(x.ndim)
    return x.transpose(first).reshape(params["new_sizes"])


def chosen(params, which, *cases):
    """The second of two where it is said so, the first elsewhere."""
    return np.where(which, *cases[::-1]) if which.dtype == bool else None


def converted(params, x):
    """In another dtype; XLA says what whole number NaN is, NumPy does not."""
    to = np.dtype(params["new_dtype"])
    return None if x.dtype.kind == "f" != to.kind else x.astype(to)


def larger(params, x, y):
    """The larger one; of two zeros the positive one, as LLVM's maximum."""
    return np.where((x == 0) & (y == 0), x + y, np.maximum(x, y))


#: What only moves or chooses, by primitive: (its params, arrays) -> an array,
#: or None if it is one of those that XLA computes.
EXACT = {
    "abs": lambda params, x: abs(x),
    "and": lambda params, x, y: x & y,
    "broadcast_in_dim": spread,
    "concatenate": lambda params, *some: np.concatenate(
        some, params["dimension"]
    ),
    "copy": lambda params, x: x,
    "copy_p": lambda params, x: x,
    "iota": counted,
    "neg": lambda params, x: -x,
    "not": lambda params, x: ~x,
    "or": lambda params, x, y: x | y,
    "pad": padded,
    "reshape": reshaped,
    "rev": lambda params, x: np.flip(x, params["dimensions"]),
    "select_n": chosen,
    "slice": cut,
    "squeeze": lambda params, x: x.squeeze(params["dimensions"]),
    "stop_gradient": lambda params, x: x,
    "transpose": lambda params, x: x.transpose(params["permutation"]),
}

#: The same; and, where no number is tiny, what compares, or rounds once, and
#: a convolution of float64, which is asked for what it means.
RULES = EXACT | {
    "add": lambda params, x, y: x + y,
    "add_any": lambda params, x, y: x + y,
    "conv_general_dilated": convolved,
    "convert_element_type": converted,
    "div": lambda params, x, y: x / y if x.dtype.kind == "f" else None,
    "eq": lambda params, x, y: x == y,
    "ge": lambda params, x, y: x >= y,
    "gt": lambda params, x, y: x > y,
    "integer_pow": lambda params, x: x * x if params["y"] == 2 else None,
    "le": lambda params, x, y: x <= y,
    "lt": lambda params, x, y: x < y,
    "max": larger,
    "mul": lambda params, x, y: x * y,
    "ne": lambda params, x, y: x != y,
    "sqrt": lambda params, x: np.sqrt(x),
    "square": lambda params, x: x * x,
    "sub": lambda params, x, y: x - y,
}
