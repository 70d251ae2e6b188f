"""Rounding at random: how far another right implementation may be off.

    moved = noisy(function, 2**-24, seed)(*args)   # in float64
    unknown(function)(*args)                       # what there is no rule for

The function's equations are evaluated one by one, those of slopes in it, too
(jax.grad, jax.vjp), and every result is moved, element by element, by a
normal number as wide as float32's roundings on its way:

    x + y, x - y                u (|x| + |y|): another formula may cancel here
    x * y                       u |result|
    exp(x), x / y, x ** y ...   FEW u |result|: libraries differ in them;
                                exp, and what is made of it, as far as said
    a sum of n terms            LAMBDA sqrt(n) u sum |terms|
    what only moves numbers     not at all

What there is no rule for is moved by sqrt(elements it is given) u max
|result|. A variance is what the function makes of it: E[x^2] - E[x]^2 in
flax, whose rounding is large where the mean is; not so in `jnp.var`.

See: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002, 1997;
     N. J. Higham and T. Mary, A New Approach to Probabilistic Rounding Error
     Analysis, SIAM J. Sci. Comput. 41(5), 2019: sqrt(n) u instead of n u.
"""

from collections import Counter
from math import ceil, prod

import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

import jax
from jax import lax

#: A sum of n terms in sequence errs by 0.24 sqrt(n) u sum |terms| on average
#: if all have one sign: roundings of u / sqrt(3) at partial sums k/n of it.
LAMBDA = 0.25

#: Roundings of a function that is no single operation of IEEE 754.
FEW = 4


def named(text):
    """The primitives whose names stand in a text."""
    return frozenset(text.split())


EXACT = named(
    """
    abs argmax argmin bitcast_convert_type broadcast_in_dim ceil clamp
    complex concatenate conj convert_element_type copy copy_p cummax cummin
    device_put dynamic_slice dynamic_update_slice expand_dims floor gather
    imag iota max min neg nextafter optimization_barrier pad pvary real
    reduce_max reduce_min reduce_precision reduce_window_max
    reduce_window_min reshape rev round scatter scatter-max scatter-min
    scatter_max scatter_min select_and_gather_add select_n
    sharding_constraint sign slice sort split squeeze stop_gradient top_k
    transpose
    """
)

ADDITIONS = named("add add_any sub")

ONE_ROUNDING = named("mul square")

FEW_ROUNDINGS = named(
    """
    acos acosh asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt cos
    cosh cumlogsumexp digamma div erf erf_inv erfc exp exp2 expm1 integer_pow
    lgamma log log1p logistic pow rem rsqrt sin sinh sqrt tan tanh
    """
)

PRODUCTS = named("cumprod reduce_prod")

#: What a relative error of one in exp makes of their results.
OF_EXP = {
    "exp": abs,
    "exp2": abs,
    "expm1": lambda result: abs(result + 1),
    "logistic": lambda result: result * (1 - result),
    "tanh": lambda result: (1 - result**2) / 2,
}

CALLS = named(
    """
    checkpoint closed_call core_call custom_jvp_call custom_vjp_call jit pjit
    remat2
    """
)

LOOPS = named("cond scan while")


class Draws:
    """Random numbers, one tensor after the other, inside a loop as well.

    Bits of a hash (C. Wellons, lowbias32, 2018), counted: of 32 of them
    16 +- sqrt(8) are set, which is as good as normal to five deviations.
    `jax.random` compiles ten times as long, and there is one for each
    equation.
    """

    def __init__(self, unit, seed, exp_roundings):
        self.unit, self._seed = unit, mixed(jnp.asarray(seed, "uint32"))
        self.exp_roundings = exp_roundings

    def seed(self):
        """The next one."""
        self._seed += 0x9E3779B9
        return mixed(self._seed)

    def moved(self, result, width):
        """A result, moved by `unit` times a width."""
        if not is_float(result):
            return result
        bits = mixed(lax.iota("uint32", result.size) ^ self.seed())
        ones = lax.population_count(bits).reshape(result.shape)
        step = (ones.astype(width.dtype) - 16) / 8**0.5 * self.unit * width
        # What is no finite number stays as it is.
        return result + jnp.where(jnp.isfinite(step), step, 0)


def mixed(bits):
    """Bits of which each depends on all that were given; uint32."""
    bits = (bits ^ (bits >> 16)) * jnp.uint32(0x7FEB352D)
    bits = (bits ^ (bits >> 15)) * jnp.uint32(0x846CA68B)
    return bits ^ (bits >> 16)


def noisy(function, unit, seed, exp_error=0.0):
    """A function that rounds at random.

    Args:
        function: of arrays in any tree; it can be traced.
        unit: the largest relative error of a rounding; 2^-24 in float32.
        seed: of the random numbers; the same one repeats all of them. It
            may be traced, so that one compiled function has many draws.
        exp_error: how far an exp may be off beside, relative to it.

    Returns:
        a function of the same arguments. It can be compiled; its slopes are
        not those of `function` with noise: differentiate inside.
    """

    def moved(*args):
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        draws = Draws(unit, seed, exp_error / unit)
        results = evaluated(closed, jax.tree.leaves(args), draws)
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return moved


def unknown(function):
    """A function of the same arguments that counts what has no rule."""

    def counted(*args):
        return without_rule(jax.make_jaxpr(function)(*args).jaxpr)

    return counted


def without_rule(jaxpr):
    """Counter of the primitives of a jaxpr that there is no rule for."""
    found = Counter()
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name in CALLS | LOOPS:
            for inner in bodies(equation):
                found += without_rule(inner.jaxpr)
        elif not has_rule(name) and any(
            jnp.issubdtype(var.aval.dtype, jnp.inexact)
            for var in equation.outvars
        ):
            found[name] += 1
    return found


def has_rule(name):
    """Whether it is known how far a primitive's result may be off."""
    return name in TERMS or name in (
        EXACT | ADDITIONS | ONE_ROUNDING | FEW_ROUNDINGS | PRODUCTS
    )


def evaluated(closed, given, draws):
    """The results of a closed jaxpr, each equation's moved."""
    jaxpr = closed.jaxpr
    values = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values |= zip(jaxpr.invars, given, strict=True)

    def value(var):
        return var.val if isinstance(var, Literal) else values[var]

    for equation in jaxpr.eqns:
        given = [jnp.asarray(value(var)) for var in equation.invars]
        results = computed(equation, given, draws)
        values |= zip(equation.outvars, results, strict=True)
    return [value(var) for var in jaxpr.outvars]


def computed(equation, given, draws):
    """The results of one equation, moved."""
    name = equation.primitive.name
    if name in CALLS:
        return evaluated(bodies(equation)[0], given, draws)
    if name in LOOPS:
        return looped[name](equation, given, draws)
    results = bound(equation, given)
    if name in EXACT or not any(map(is_float, results)):
        return results
    widths = widths_of(equation, given, results)
    if name in OF_EXP:
        more = map(OF_EXP[name], results)
        widths = [w + draws.exp_roundings * m for w, m in zip(widths, more)]
    return list(map(draws.moved, results, widths))


def bound(equation, given):
    """What an equation's primitive makes of this, as a list."""
    made, params = equation.primitive.get_bind_params(equation.params)
    results = equation.primitive.bind(*made, *given, **params)
    return results if equation.primitive.multiple_results else [results]


def widths_of(equation, given, results):
    """How far each result may be off, in units."""
    name = equation.primitive.name
    if name in TERMS:
        count = TERMS[name](equation, given, results[0])
        sizes = bound(equation, list(map(magnitude, given)))
        return [LAMBDA * count**0.5 * sizes[0]]
    if name in ADDITIONS:
        # Another formula may have cancelled: x a + (b - m a) is (x - m) a + b.
        return [sum(map(magnitude, given))]
    if name in PRODUCTS:
        times = given[0].size ** 0.5
    elif name in ONE_ROUNDING:
        times = 1
    elif name in FEW_ROUNDINGS:
        times = FEW
    else:
        elements = sum(x.size for x in given if is_float(x)) ** 0.5
        return [elements * abs(r).max(initial=0) for r in results]
    return [times * magnitude(result) for result in results]


def bodies(equation):
    """The jaxprs an equation holds, closed; of a call there is one."""
    params = equation.params
    if "branches" in params:
        return params["branches"]
    if "body_jaxpr" in params:
        return [params["body_jaxpr"]]
    inner = params["call_jaxpr" if "call_jaxpr" in params else "jaxpr"]
    if isinstance(inner, ClosedJaxpr):
        return [inner]
    return [ClosedJaxpr(inner, ())]


def scanned(equation, given, draws):
    """A scan whose steps are moved; the seed is carried along."""
    params = equation.params
    body, *_ = bodies(equation)
    first = params["num_consts"]
    last = first + params["num_carry"]
    consts, carry, rows = given[:first], given[first:last], given[last:]

    def step(carried, row):
        inner = Draws(draws.unit, carried[0], draws.exp_roundings)
        results = evaluated(body, [*consts, *carried[1], *row], inner)
        size = params["num_carry"]
        return (inner.seed(), results[:size]), results[size:]

    (_, carry), rows = lax.scan(
        step,
        (draws.seed(), carry),
        rows,
        length=params["length"],
        reverse=params["reverse"],
    )
    return [*carry, *rows]


def repeated(equation, given, draws):
    """A while loop whose steps are moved; when it ends, is not."""
    params = equation.params
    first = params["cond_nconsts"]
    last = first + params["body_nconsts"]
    goes_on = jaxpr_as_fun(params["cond_jaxpr"])

    def step(carried):
        inner = Draws(draws.unit, carried[0], draws.exp_roundings)
        given_now = [*given[first:last], *carried[1]]
        results = evaluated(params["body_jaxpr"], given_now, inner)
        return inner.seed(), results

    return lax.while_loop(
        lambda carried: goes_on(*given[:first], *carried[1])[0],
        step,
        (draws.seed(), given[last:]),
    )[1]


def chosen(equation, given, draws):
    """One of some branches, moved."""

    def branch(body):
        return lambda seed, *rest: evaluated(
            body, rest, Draws(draws.unit, seed, draws.exp_roundings)
        )

    index, *rest = given
    return lax.switch(
        index.astype(int),
        list(map(branch, equation.params["branches"])),
        draws.seed(),
        *rest,
    )


looped = {"cond": chosen, "scan": scanned, "while": repeated}


def reduced(equation, given, result):
    """Terms of each sum: numbers that there are for one result."""
    return given[0].size / max(1, result.size)


def along(equation, given, result):
    """At most the length of the axis that is summed along."""
    return given[0].shape[equation.params["axis"]]


def contracted(equation, given, result):
    """Terms of a product: the sizes of the contracted axes."""
    (axes, _), _ = equation.params["dimension_numbers"]
    return prod(given[0].shape[axis] for axis in axes)


def convolved(equation, given, result):
    """Terms of a convolution: the kernel's numbers for one output."""
    channels = equation.params["dimension_numbers"].rhs_spec[0]
    return given[1].size / given[1].shape[channels]


def window(equation, given, result):
    """Numbers in one window."""
    return prod(equation.params["window_dimensions"])


def windows(equation, given, result):
    """Windows that one number is in."""
    params = equation.params
    sizes, strides = params["window_dimensions"], params["window_strides"]
    return prod(ceil(k / s) for k, s in zip(sizes, strides, strict=True))


def arriving(equation, given, result):
    """How many numbers arrive at each result: what ones would add up to."""
    return bound(equation, list(map(ones, given)))[0]


TERMS = {
    "reduce_sum": reduced,
    "cumsum": along,
    "dot_general": contracted,
    "conv_general_dilated": convolved,
    "reduce_window_sum": window,
    "select_and_scatter_add": windows,
    "scatter-add": arriving,
    "scatter_add": arriving,
}


def magnitude(x):
    """|x| of numbers that can be moved; others as they are."""
    return abs(x) if is_float(x) else x


def ones(x):
    """Ones in the place of numbers that can be moved."""
    return jnp.ones_like(x) if is_float(x) else x


def is_float(x):
    """Whether it holds floats, or complex ones."""
    return jnp.issubdtype(x.dtype, jnp.inexact)
