"""What stands between modules: every equation of the function JAX traces."""

from importlib.util import find_spec

from common.contract.operations import (
    INPUTS,
    MOST_NUMBERS,
    Operation,
    Trace,
    site_of,
)
from common.errors import Refused
from jax.extend.core import Literal

import jax
import numpy as np

from .calls import is_tensor
from .noise import CALLS, bodies, bound

LIBRARIES = tuple(
    f"{folder}/"
    for name in ("jax", "jaxlib", "flax", "equinox", "keras", "optax")
    for folder in getattr(find_spec(name), "submodule_search_locations", ())
)


def traced(function, leaves, inputs):
    """Every operation of a run.

    Args:
        function: (leaves, inputs) -> its outputs; it can be traced.
        leaves: arrays by name.
        inputs: arrays.

    Raises:
        Refused: more is made than can be kept.
    """
    closed = jax.make_jaxpr(function)(leaves, inputs)
    flat = jax.tree.leaves((leaves, inputs))
    made = []

    def whole(*given):
        seen = Seen()
        places = [(x, seen.add(x)) for x in given]
        ends = seen.evaluated(closed, places, None)
        made[:] = seen.notes, tuple(at for _, at in ends if at is not None)
        return seen.tensors

    # One compilation takes less than one for each operation.
    values = jax.jit(whole)(*flat)
    notes, ends = made
    names = [*sorted(leaves), *(INPUTS for _ in inputs)]
    operations = [
        Operation(name, np.asarray(value), of, given, site)
        for (name, of, site), value, given in zip(
            notes,
            values,
            names + [None] * (len(values) - len(names)),
            strict=True,
        )
    ]
    return Trace(tuple(operations), ends)


class Seen:
    """Whatever is made while a jaxpr is evaluated.

    Attributes:
        tensors: in order.
        notes: of each the primitive, what it was made of, and where.
    """

    def __init__(self):
        self.tensors, self.notes, self._numbers = [], [], 0

    def add(self, tensor, name="", of=(), site=None):
        """Keep a tensor; its place, None of a random key."""
        if not is_tensor(tensor):
            return None
        self._numbers += tensor.size
        if self._numbers > MOST_NUMBERS:
            raise Refused("more is made on the way than can be kept")
        self.tensors.append(tensor)
        self.notes.append((name, of, site))
        return len(self.tensors) - 1

    def evaluated(self, closed, given, called):
        """The results of a closed jaxpr, each with its place.

        Args:
            closed: the jaxpr.
            given: its arguments, each with its place.
            called: the name and the site of the call whose body it is; None.
        """
        jaxpr = closed.jaxpr
        known = {
            var: (value, None)
            for var, value in zip(jaxpr.constvars, closed.consts, strict=True)
        }
        known |= zip(jaxpr.invars, given, strict=True)

        def found(var):
            return (var.val, None) if isinstance(var, Literal) else known[var]

        for equation in jaxpr.eqns:
            results = self._computed(
                equation, [found(var) for var in equation.invars], called
            )
            known |= zip(equation.outvars, results, strict=True)
        return [found(var) for var in jaxpr.outvars]

    def _computed(self, equation, given, called):
        site = where(equation, called)
        name = equation.primitive.name
        if name in CALLS:
            inside = equation.params.get("name"), site
            return self.evaluated(bodies(equation)[0], given, inside)
        of = tuple(at for _, at in given if at is not None)
        results = bound(equation, [x for x, _ in given])
        return [(x, self.add(x, name, of, site)) for x in results]


def where(equation, called):
    """Whose expression an equation is of.

    What is jitted is traced once, for whoever calls it first: then only the
    frames of the function itself are right, and else the call's site is.
    """
    traceback = equation.source_info.traceback
    frames = zip(*traceback.raw_frames(), strict=True) if traceback else ()
    own = site_of(frames, LIBRARIES)
    if called is None or (own is not None and own.function == called[0]):
        return own
    return called[1]
