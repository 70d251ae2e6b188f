"""Somebody's JAX module, asked part by part (common/contract/net.py)."""

import importlib
from contextlib import contextmanager
from itertools import count

import jax.numpy as jnp
import optax
from common.contract.code import source_of
from common.contract.foreign import foreign
from common.contract.labels import IGNORED
from common.contract.net import Answer, Call, Leaf
from common.errors import Refused

import jax
import numpy as np

from .calls import Reach, Tape, below, is_float
from .eager import op_by_op
from .noise import noisy, unknown
from .operations import traced

FLOAT32_UNIT = 2.0**-24

#: A base class -> the file here that makes a pure function of its instances.
KINDS = {
    "keras.src.backend.jax.layer.JaxLayer": "module_keras",
    "flax.nnx.module.Module": "module_nnx",
    "flax.linen.module.Module": "module_linen",
    "equinox._module._module.Module": "module_equinox",
    "equinox._module.Module": "module_equinox",  # before 0.13
}


class Net:
    """A module; every run is a pure function of its leaves and inputs.

    Args:
        module: of Flax NNX, Equinox or Keras; a pair with its variables of
            linen, with its state of a stateful Equinox module. Left as it is.
        names: of the inputs, if it is called with keywords.
        mode: "eager", or "jit": each part compiled as one. What stands
            between layers is run op by op in any mode, as elsewhere.
        kind: makes a pure function of it; None: found by its base class.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.vjp.html
    """

    framework = "jax"
    doubles = True

    def __init__(self, module, names=None, mode="eager", kind=None):
        self.mode = mode
        self._kind = (kind or kind_of(module))(module, names)
        self._leaves = list(self._kind.leaves())
        self._notes, self._touched = {}, {}
        self._functions, self._draws = {}, count()

    def leaves(self):
        """As `common.contract.net.Net.leaves`; a tied parameter once.

        Differs: in linen a module that was made outside of another can be
        used by it, as a cell by `RNN`, and its leaves lie outside, too; their
        owners are known once the whole was recorded. So are the types of
        linen's modules; until then one is guessed from its name.
        """
        return [
            Leaf(name, owners, kind, of_leaf(value), trained)
            for name, owners, kind, value, trained in self._owned()
        ]

    def _owned(self):
        """(name, owners, kind, value, trained) of each, nothing copied."""
        kinds = {path: note.kind for (path, _), note in self._notes.items()}
        for name, owners, kind, value, trained in self._leaves:
            users = [
                path
                for path, others in self._touched.items()
                if any(below(o, other) for o in owners for other in others)
            ]
            kind = kinds.get(owners[0], kind)
            owners = tuple(dict.fromkeys((*owners, *users)))
            yield name, owners, kind, value, trained

    def _held(self, path):
        """The names of the leaves of a part, and whether each is trained."""
        return {
            name: trained
            for name, owners, _, _, trained in self._owned()
            if any(below(owner, path) for owner in owners)
        }

    def _draw(self):
        """A random key that no other run has: dropout stays random."""
        return jax.random.key(next(self._draws))

    def record(self, values, inputs, train):
        """As `common.contract.net.Net.record`."""
        with settled((*values.values(), *inputs)):
            return self._record(values, inputs, train)

    def _record(self, values, inputs, train):
        tapes = []

        def whole(values, inputs, draw):
            outputs, _, _, seen, tape = self._kind.run(
                values, inputs, {}, draw, train, Tape
            )
            tapes.append(tape)
            return outputs, seen

        outputs, seen = op_by_op(
            jax.jit(whole), *to_tensors((values, inputs)), self._draw()
        )
        tape = tapes[-1]
        self._notes, self._touched = tape.notes, tape.touched
        calls = [
            Call(*key, note.kind, *map(to_arrays, arrays))
            for (key, note), arrays in zip(
                tape.notes.items(), seen, strict=True
            )
        ]
        return calls, to_arrays(outputs)

    def run(self, asked):
        """As `common.contract.net.Net.run`."""
        with settled((*asked.values.values(), *asked.inputs)):
            return self._run(asked)

    def _run(self, asked):
        held = self._held(asked.part[0] if asked.part else "")
        trained = [name for name, is_trained in held.items() if is_trained]
        buffers = [
            name for name, is_trained in held.items() if not is_trained
        ]
        asks = {
            "trained": {n: asked.values[n] for n in trained},
            "inputs": tuple(asked.inputs),
            "given": dict(asked.given),
        }
        fixed = {n: asked.values[n] for n in buffers}
        cotangents = {
            "outputs": asked.cotangents,
            "arrived": {
                key: asked.arrived_cotangents.get(key) for key in asked.given
            },
        }
        asks, fixed, cotangents = to_tensors((asks, fixed, cotangents))
        backwards = bool(jax.tree.leaves(cotangents))
        function = self._function(asked, backwards)
        given = asks, fixed, self._draw(), cotangents
        without_rule = {}
        if asked.noise is not None:
            without_rule = dict(unknown(function)(*given))
            function = self._noisy(function, asked.exp_error)
            ends, afterwards, slopes = foreign(function, asked.noise, *given)
        elif self.mode == "eager" or asked.given:
            ends, afterwards, slopes = op_by_op(function, *given)
        else:
            ends, afterwards, slopes = foreign(function, *given)
        answer = {
            "unknown": without_rule,
            "outputs": to_arrays(ends["outputs"]),
            "arrived": {
                key: to_arrays(some) for key, some in ends["arrived"].items()
            },
            "buffers": {n: to_array(afterwards[n]) for n in buffers},
        }
        if not backwards:
            return Answer(**answer)
        return Answer(
            **answer,
            input_slopes=to_arrays(slopes["inputs"]),
            slopes={n: to_array(slopes["trained"][n]) for n in trained},
            given_slopes={
                key: to_arrays(some) for key, some in slopes["given"].items()
            },
        )

    def _function(self, asked, backwards):
        """A part as a pure function that is traced once."""
        key, train, taps = asked.part, asked.train, asked.taps

        def start(inputs, given, whole):
            if key is None or not key[0]:
                return Tape(inputs, given, whole, taps)
            return Reach(self._notes, key, inputs, given, whole)

        def part(asks, fixed, draw):
            values = {**asks["trained"], **fixed}
            outputs, arrived, afterwards, *_ = self._kind.run(
                values, asks["inputs"], asks["given"], draw, train, start
            )
            afterwards = {name: afterwards[name] for name in fixed}
            return {"outputs": outputs, "arrived": arrived}, afterwards

        whole = self._notes["", 0].asked if key and key[0] else ()
        shapes = tuple((x.shape, x.dtype.name) for x in whole)
        place = key, train, backwards, taps, shapes
        if place not in self._functions:
            function = differentiated(part) if backwards else forwards(part)
            self._functions[place] = jax.jit(function)
        return self._functions[place]

    def _noisy(self, function, exp_error):
        """A part that rounds at random: (seed, what it is given)."""
        place = function, exp_error
        if place not in self._functions:

            def moved(seed, *given):
                return noisy(function, FLOAT32_UNIT, seed, exp_error)(*given)

            self._functions[place] = jax.jit(moved)
        return self._functions[place]

    def trace(self, values, inputs, train):
        """As `common.contract.net.Net.trace`."""

        def whole(values, inputs):
            outputs, *_ = self._kind.run(
                values, inputs, {}, draw, train, Tape
            )
            return outputs

        with settled((*values.values(), *inputs)):
            draw = self._draw()
            return traced(whole, *to_tensors((dict(values), tuple(inputs))))

    def source(self, path):
        """As `common.contract.net.Net.source`; linen's, once it was called."""
        made = self._kind.made(path)
        if made is None:
            return None
        kind, held = made
        words = ", ".join(
            f"{name}={value!r}"
            for name, value in held.items()
            if is_setting(value) and not name.startswith("_")
        )
        method = getattr(self._kind, "method", "__call__")
        return source_of(kind, method, f"{kind.__name__}({words})")

    def loss(self, function, outputs, labels):
        """As `common.contract.net.Net.loss`."""
        with settled(outputs):
            return self._loss(function, outputs, labels)

    def _loss(self, function, outputs, labels):
        labels = np.asarray(labels)
        if labels.dtype.kind in "iu":
            labels = labels.astype(np.int32)
        labels, outputs = to_tensors(labels), to_tensors(tuple(outputs))

        @jax.jit
        def with_slopes(*outputs):
            value, pull = foreign(
                jax.vjp,
                lambda *outs: foreign(function or usual_loss, *outs, labels),
                *outputs,
            )
            return value, pull(jnp.ones_like(value))

        value, slopes = op_by_op(with_slopes, *outputs)
        return to_array(value), to_arrays(slopes)


def kind_of(given):
    """What makes a pure function of a module; only that is imported."""
    module = given[0] if isinstance(given, tuple) else given
    for base in type(module).__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        if name in KINDS:
            file = importlib.import_module(f"{__package__}.{KINDS[name]}")
            return file.Kind
    raise Refused(
        f"{type(module).__name__} is no module of JAX's that can be taken;"
        f" these are: {', '.join(KINDS)}"
    )


def is_setting(value):
    """Whether it is a number, a word, or some of them."""
    if isinstance(value, tuple):
        return all(map(is_setting, value))
    return isinstance(value, (bool, int, float, str))


def usual_loss(outputs, labels):
    """Softmax cross-entropy of classes, the mean of squares of targets.

    The mean over labels that are not IGNORED. Differs: optax knows none.

    See: https://optax.readthedocs.io/en/latest/api/losses.html
    """
    if jnp.issubdtype(labels.dtype, jnp.inexact):
        return ((outputs - labels.astype(outputs.dtype)) ** 2).mean()
    counted = labels != IGNORED
    losses = optax.softmax_cross_entropy_with_integer_labels(
        outputs, jnp.where(counted, labels, 0)
    )
    return losses.mean(where=counted)


def forwards(part):
    """A part that only runs: (asks, fixed, draw, cotangents)."""

    def run(asks, fixed, draw, _):
        return *part(asks, fixed, draw), None

    return run


def differentiated(part):
    """A part with its slopes: Σ cotangent × end by all floats asked with.

    Returns:
        (asks, fixed, draw, cotangents) -> ends, buffers, slopes as `asks`,
        None of integers.
    """

    def run(asks, fixed, draw, cotangents):
        flat, tree = jax.tree.flatten(asks)

        def of_floats(floats):
            both = zip(floats, flat, strict=True)
            merged = [x if one is None else one for one, x in both]
            return part(jax.tree.unflatten(tree, merged), fixed, draw)

        ends, pull, afterwards = foreign(
            jax.vjp,
            of_floats,
            [x if is_float(x) else None for x in flat],
            has_aux=True,
        )
        seeds = {
            "outputs": seeded(ends["outputs"], cotangents["outputs"]),
            "arrived": {
                key: seeded(some, cotangents["arrived"][key])
                for key, some in ends["arrived"].items()
            },
        }
        (slopes,) = pull(seeds)
        return ends, afterwards, jax.tree.unflatten(tree, slopes)

    return run


def seeded(ends, cotangents):
    """A cotangent for every end: of integers there is only one, float0."""

    def seed(end, cotangent):
        if not is_float(end):
            return np.zeros(end.shape, jax.dtypes.float0)
        if cotangent is None:
            return jnp.zeros_like(end)
        return cotangent.astype(end.dtype)

    cotangents = cotangents or (None,) * len(ends)
    return [seed(e, c) for e, c in zip(ends, cotangents, strict=True)]


@contextmanager
def settled(arrays):
    """What JAX computes in, as `train.py: setup` sets it; then as it was.

    Differs: 64-bit types exist only if asked for. Left on, they would be
    what the next module that somebody makes has for weights.
    """
    names = "jax_enable_x64", "jax_default_matmul_precision"
    before = [getattr(jax.config, name) for name in names]
    doubles = any(x.dtype == np.float64 for x in arrays)
    for name, value in zip(names, (doubles, "highest"), strict=True):
        jax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            jax.config.update(name, value)


def to_tensors(tree):
    """Copies, so that nothing changes what is kept."""
    return jax.tree.map(lambda x: jax.device_put(np.array(x)), tree)


def to_array(tensor):
    """A copy in NumPy."""
    return np.array(tensor)


def of_leaf(value):
    """A leaf in NumPy, which has no bfloat16 and does not call it a float."""
    return to_array(
        value.astype(np.float32) if value.dtype == jnp.bfloat16 else value
    )


def to_arrays(tensors):
    """Copies in NumPy; None stays."""
    return tuple(None if x is None else to_array(x) for x in tensors)
