"""Calls of modules inside a function that JAX traces: seen, and replaced.

Whatever is seen leaves the function as one of its results, so that nothing of
a trace outlives it; what is no tensor is noted beside.
"""

from collections import Counter, defaultdict
from contextlib import contextmanager
from functools import wraps
from typing import NamedTuple

import jax.numpy as jnp
from common.contract.foreign import foreign
from common.errors import Refused

import jax
import numpy as np


class Note(NamedTuple):
    """What is kept of a call but its tensors.

    Attributes:
        kind: the module's type.
        within: the keys of the calls that were running when it was made.
        inside: how often each path was called by it, and by those.
        asked: the shapes of the tensors that it was called with.
        tree, leaves: of what it returned, a shape for every tensor.
    """

    kind: str
    within: tuple
    inside: Counter
    asked: list
    tree: object
    leaves: list

    def blank(self, held):
        """Zeros as it returned them, and what passed through it."""
        held = iter(held)
        leaves = [
            zeros(x)
            if isinstance(x, jax.ShapeDtypeStruct)
            else next(held, x)
            if x is HELD
            else x
            for x in self.leaves
        ]
        return jax.tree.unflatten(self.tree, leaves)


HELD = object()  # stands for something that is not taken apart


class Tape:
    """Sees the calls of one run; begins where its function is traced.

    A call inside an inner trace (a scan, a vmap, a checkpoint) is passed by:
    its tensors exist there alone, and its caller is the layer.

    Args:
        inputs: of the whole.
        given: key -> tensors that take the place of what is returned; None
            leaves one as it is.
        whole: whether an argument is not to be taken apart.
        taps: keys in `given` whose own tensors arrive, not what they got.

    Attributes:
        notes: key -> `Note`, as each returned.
        seen: the tensors of each, what it was called with and returned.
        arrived: key -> the tensors that each call in `given` was made with.
        touched: path -> the paths of modules that its calls used and that
            do not lie below it.
    """

    def __init__(self, inputs, given, whole, taps=()):
        self.inputs, self.given, self.whole = inputs, given, whole
        self.taps = taps
        self.notes, self.seen, self.arrived = {}, [], {}
        self.touched = defaultdict(set)
        self._counts, self._running = Counter(), []
        self._trace = current_trace()

    def call(self, path, kind, called, args, kwargs):
        """Call a module under its path."""
        above = self._running and self._running[-1][0] == path  # its super()
        if above or current_trace() != self._trace:
            return foreign(called, *args, **kwargs)
        key = path, self._counts[path]
        self._counts[path] += 1
        inputs = tensors(flattened(args, kwargs, self.whole)[0])
        before, within = self._counts.copy(), tuple(self._running)
        self._running.append(key)
        try:
            returned = foreign(called, *args, **kwargs)
        finally:
            self._running.pop()
        flat, tree = jax.tree.flatten(returned, is_leaf=self.whole)
        self.notes[key] = Note(
            kind,
            within,
            self._counts - before,
            self._shapes(inputs),
            tree,
            self._shapes(flat),
        )
        self.seen.append((inputs, tensors(flat)))
        if key not in self.given:
            return returned
        self.arrived[key] = tensors(flat) if key in self.taps else inputs
        return jax.tree.unflatten(tree, exchanged(flat, self.given[key]))

    def touch(self, path):
        """Notice that a module is used, in whichever trace."""
        for above, _ in self._running:
            if not below(path, above) and not below(above, path):
                self.touched[above].add(path)

    def ends(self, returned):
        """The tensors of what the whole returned, and what arrived."""
        leaves = jax.tree.leaves(returned, is_leaf=self.whole)
        return tensors(leaves), self.arrived

    def _shapes(self, flat):
        """Leaves without their values."""
        return [
            jax.ShapeDtypeStruct(x.shape, x.dtype)
            if is_tensor(x) or is_key(x)
            else HELD
            if self.whole(x)
            else x
            for x in flat
        ]


class Reach:
    """Reaches one call of the whole, and makes it with other tensors.

    The calls that it was within are made, all others return zeros at once:
    a module is called as it was, whatever else it is called with, and nothing
    that comes before or after it is computed but what stands between modules.

    Args:
        notes: of a run of the whole.
        key: which call.
        inputs: the tensors that it is made with.
        given, whole: as `Tape`'s.
    """

    def __init__(self, notes, key, inputs, given, whole):
        self.notes, self.key, self.whole = notes, key, whole
        self.inputs = [zeros(x) for x in notes["", 0].asked]
        self.seen = []
        self._asked, self._given = inputs, given
        self._counts, self._running = Counter(), []
        self._trace, self._tape, self._returned = current_trace(), None, None

    def call(self, path, kind, called, args, kwargs):
        """Call a module under its path."""
        if self._tape is not None and self._returned is None:
            return self._tape.call(path, kind, called, args, kwargs)
        above = self._running and self._running[-1][0] == path
        if above or current_trace() != self._trace:
            return foreign(called, *args, **kwargs)
        key = path, self._counts[path]
        self._counts[path] += 1
        note = self.notes.get(key)
        if note is None or key in self.notes[self.key].within:
            self._running.append(key)
            try:
                return foreign(called, *args, **kwargs)
            finally:
                self._running.pop()
        flat, rebuilt = flattened(args, kwargs, self.whole)
        if key == self.key:
            flat = exchanged(flat, self._asked)
            self._tape = Tape(self._asked, self._given, self.whole)
            args, kwargs = rebuilt(flat)
            returned = self._tape.call(path, kind, called, args, kwargs)
            self._returned = (returned,)
            leaves = jax.tree.leaves(returned, is_leaf=self.whole)
            return note.blank(filter(self.whole, leaves))
        self._counts += note.inside
        return note.blank(filter(self.whole, flat))

    def touch(self, path):
        """Which modules are used is known from the whole."""

    def ends(self, _):
        """The tensors of what the call returned, and what arrived in it."""
        if self._returned is None:
            raise Refused(
                f"call {self.key[1]} of {self.key[0]!r} was recorded and is"
                " not made now: let it depend on no values"
            )
        return self._tape.ends(*self._returned)


@contextmanager
def watched(classes, call, method="__call__"):
    """Have every call of instances of some classes pass through a function.

    Args:
        classes: that are called.
        call: (instance, its own method, args, kwargs) -> what it returns.
        method: that is called.
    """
    own = {}

    def around(called):
        @wraps(called)
        def passed(self, *args, **kwargs):
            return call(self, called, args, kwargs)

        return passed

    try:
        for one in classes:
            if any(method in vars(base) for base in one.__mro__):
                own[one] = vars(one).get(method)
                setattr(one, method, around(getattr(one, method)))
        yield
    finally:
        for one, before in own.items():
            if before is None:
                delattr(one, method)
            else:
                setattr(one, method, before)


def current_trace():
    """Where JAX is: equal within one level of tracing.

    See: https://docs.jax.dev/en/latest/jax.core.html
    """
    return jax.core.get_opaque_trace_state(convention="nnx")


def arguments(inputs, names):
    """How the whole is called with its inputs."""
    if names is None:
        return tuple(inputs), {}
    return (), dict(zip(names, inputs, strict=True))


def flattened(args, kwargs, whole):
    """The leaves of a call's arguments, and what makes the arguments of them.

    In the order in which they are written: a dict's leaves JAX would sort.
    """
    given = args, tuple(kwargs.values())
    flat, tree = jax.tree.flatten(given, is_leaf=whole)

    def rebuilt(leaves):
        args, values = jax.tree.unflatten(tree, leaves)
        return args, dict(zip(kwargs, values, strict=True))

    return flat, rebuilt


def exchanged(leaves, others):
    """Leaves with other tensors, in order; None leaves one as it is."""
    rest = iter(others)
    found = []
    for x in leaves:
        one = next(rest, None) if is_tensor(x) else None
        found.append(x if one is None else one)
    return found


def zeros(shape):
    """Zeros, or random keys; floats computed in have the dtype of now."""
    dtype = shape.dtype
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), shape.shape)
    if dtype in (jnp.float32, jnp.float64):
        dtype = jnp.result_type(float)
    return jnp.zeros(shape.shape, jax.dtypes.canonicalize_dtype(dtype))


def below(path, above):
    """Whether a path is another's, or below it."""
    return not above or f"{path}.".startswith(f"{above}.")


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
