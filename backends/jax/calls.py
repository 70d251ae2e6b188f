"""Calls of modules inside a function that JAX traces: seen, and replaced.

Whatever is seen leaves the function as one of its results, so that nothing of
a trace outlives it; what is no tensor is noted beside.
"""

from collections import Counter
from contextlib import contextmanager
from functools import wraps
from typing import NamedTuple

import jax.numpy as jnp

import jax
import numpy as np

TENSOR = object()  # stands for a tensor among the arguments of a call


class Key(NamedTuple):
    """Stands for random keys among the arguments of a call."""

    shape: tuple


class Note(NamedTuple):
    """How a call was made, but for its tensors.

    Attributes:
        key: its path and which of its calls.
        kind: the module's type.
        tree, leaves: of its arguments, `TENSOR` and `Key` where they were.
        module: what was called, if there is no other way to find it.
    """

    key: tuple
    kind: str
    tree: object
    leaves: list
    module: object = None

    def filled(self, tensors, draw, restored):
        """The arguments with other tensors, fresh keys and what was kept."""
        rest = iter(tensors)
        leaves = [
            next(rest)
            if x is TENSOR
            else fresh(draw, place, x.shape)
            if isinstance(x, Key)
            else restored(x)
            for place, x in enumerate(self.leaves)
        ]
        return jax.tree.unflatten(self.tree, leaves)


class Tape:
    """Sees the calls of one run; begins where its function is traced.

    A call inside an inner trace (a scan, a vmap, a checkpoint) is passed by:
    its tensors exist there alone, and its caller is the layer.

    Args:
        given: key -> tensors that take the place of what is returned; None
            leaves one as it is.
        kept: what stands for an argument that is not to be taken apart, or
            the argument itself.
        whole: whether an argument is such a one.

    Attributes:
        notes: of every call, as each returned.
        seen: the tensors of each, what it was called with and returned.
        arrived: key -> the tensors that each call in `given` was made with.
    """

    def __init__(self, given, kept=lambda x: x, whole=lambda x: False):
        self.given, self.kept, self.whole = given, kept, whole
        self.notes, self.seen, self.arrived = [], [], {}
        self._counts, self._running = Counter(), []
        self._trace = current_trace()

    def call(self, path, kind, called, args, kwargs, module=None):
        """Call a module under its path."""
        above = self._running and self._running[-1] == path  # its super()
        if above or current_trace() != self._trace:
            return called(*args, **kwargs)
        key = path, self._counts[path]
        self._counts[path] += 1
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=self.whole)
        self._running.append(path)
        try:
            returned = called(*args, **kwargs)
        finally:
            self._running.pop()
        flat, shape = jax.tree.flatten(returned, is_leaf=self.whole)
        marks = [self._mark(x) for x in leaves]
        self.notes.append(Note(key, kind, tree, marks, module))
        inputs = tensors(leaves)
        self.seen.append((inputs, tensors(flat)))
        if key not in self.given:
            return returned
        self.arrived[key] = inputs
        rest = iter(self.given[key])
        for place, x in enumerate(flat):
            one = next(rest) if is_tensor(x) else None
            flat[place] = x if one is None else one
        return jax.tree.unflatten(shape, flat)

    def _mark(self, x):
        """What is noted of one argument."""
        if is_tensor(x):
            return TENSOR
        return Key(x.shape) if is_key(x) else self.kept(x)


@contextmanager
def watched(classes, call):
    """Have every call of instances of some classes pass through a function.

    Args:
        classes: that are called.
        call: (instance, its own `__call__`, args, kwargs) -> what it returns.
    """
    own = {}

    def around(called):
        @wraps(called)
        def passed(self, *args, **kwargs):
            return call(self, called, args, kwargs)

        return passed

    try:
        for one in classes:
            if any("__call__" in vars(base) for base in one.__mro__):
                own[one] = vars(one).get("__call__")
                one.__call__ = around(one.__call__)
        yield
    finally:
        for one, before in own.items():
            if before is None:
                del one.__call__
            else:
                one.__call__ = before


def current_trace():
    """Where JAX is: equal within one level of tracing.

    See: https://docs.jax.dev/en/latest/jax.core.html
    """
    return jax.core.get_opaque_trace_state(convention="nnx")


def fresh(draw, place, shape):
    """Random keys that no other place has: one for (), else so many."""
    return jax.random.split(jax.random.fold_in(draw, place), shape)


def is_key(x):
    """Whether it is a random key."""
    return isinstance(x, jax.Array) and jnp.issubdtype(
        x.dtype, jax.dtypes.prng_key
    )


def is_tensor(x):
    """Whether it is an array of numbers."""
    return isinstance(x, (jax.Array, np.ndarray)) and not is_key(x)


def is_float(x):
    """Whether it can be differentiated by."""
    return is_tensor(x) and jnp.issubdtype(x.dtype, jnp.inexact)


def tensors(leaves):
    """Those among the leaves of a tree."""
    return [jnp.asarray(x) for x in leaves if is_tensor(x)]
