"""An Equinox module, over a batch, as a pure function of its leaves."""

import inspect
from functools import partial

import equinox
import jax.numpy as jnp
from common.contract.foreign import foreign
from common.errors import Refused

import jax
import numpy as np

from .calls import arguments, is_float, is_tensor, watched

#: Under what `BatchNorm` keeps its running mean and variance, a pair.
PAIRS = ("batch_state_index", "ema_state_index")


class Kind:
    """What `Net` asks of a module of this kind.

    Differs: the module takes one example; here it is mapped over the first
    axis of every input.

    Args:
        given: the module, or a pair with its state.
        names: of the inputs, if it is called with keywords.

    See: https://docs.kidger.site/equinox/api/nn/stateful/
    """

    def __init__(self, given, names):
        self.module, self.state = (
            given if isinstance(given, tuple) else (given, None)
        )
        if self.state is None and any(found(given, equinox.nn.StateIndex)):
            raise Refused(
                f"{type(given).__name__} has state and came alone: give the"
                " pair that equinox.nn.make_with_state makes"
            )
        self.names, self._batch = names, 1
        self._takes = inspect.signature(type(self.module).__call__).parameters

    def leaves(self):
        """(name, owners, kind, value, trained) of each."""
        modules = dict(found(self.module))
        for name, value in named(self.module):
            if is_float(value):
                owner = holder(name, modules)
                kind = type(modules[owner]).__name__
                yield name, (owner,), kind, value, True
        for name, value in self._kept(self.state):
            owner = holder(name, modules)
            yield name, (owner,), type(modules[owner]).__name__, value, False

    def _kept(self, state):
        """The floats of a state, named by the index that they stand under."""
        for path, index in found(self.module, equinox.nn.StateIndex):
            if state is not None:
                for name, value in named(state.get(index)):
                    if is_float(value):
                        yield kept_name(path, name), value

    def made(self, path):
        """The class of a module, and what it holds."""
        module = dict(found(self.module)).get(path)
        return None if module is None else (type(module), vars(module))

    def run(self, values, inputs, given, draw, train, start):
        """Run the whole, as far as a tape lets it (as in `module_nnx.py`)."""
        if inputs:
            self._batch = inputs[0].shape[0]
        root = replaced(self.module, values)
        root = equinox.nn.inference_mode(root, not train)
        modules = list(found(root))
        paths = {id(module): path for path, module in modules}
        axes = {getattr(m, "axis_name", None) for _, m in modules} - {None}
        tapes = []

        def one(inputs, given, key):
            tape = start(inputs, given, is_state)
            tapes.append(tape)

            def call(module, called, args, kwargs):
                called = partial(called, module)
                if id(module) not in paths:
                    return foreign(called, *args, **kwargs)
                kind = type(module).__name__
                return tape.call(
                    paths[id(module)], kind, called, args, kwargs
                )

            args, kwargs = arguments(tape.inputs, self.names)
            state = self._state(values)
            if state is not None and self.names is None:
                args = (*args, state)
            elif state is not None:
                kwargs["state"] = state
            asked = self._takes.get("key")
            if asked is not None and asked.default is asked.empty:
                kwargs["key"] = key
            with watched({type(module) for _, module in modules}, call):
                returned = foreign(root, *args, **kwargs)
            if state is not None:
                *_, state = jax.tree.leaves(returned, is_leaf=is_state)
            return (*tape.ends(returned), tape.seen), state

        mapped = jax.vmap(
            one, out_axes=(0, None), axis_name=next(iter(axes), None)
        )
        keys = jax.random.split(draw, self._batch)
        (outputs, arrived, seen), state = foreign(mapped, inputs, given, keys)
        afterwards = {**values, **dict(self._kept(state))}
        return outputs, arrived, afterwards, seen, tapes[-1]

    def _state(self, values):
        """The state with other values."""
        if self.state is None:
            return None
        indices = found(self.module, equinox.nn.StateIndex)
        paths = {index.marker: path for path, index in indices}
        # Not by `set`, which ends the old state and holds to its dtypes.
        kept, markers = self.state.tree_flatten()
        kept = [
            replaced(
                jax.tree.map(settled, x),
                values,
                partial(kept_name, paths[marker]),
            )
            for x, marker in zip(kept, markers, strict=True)
        ]
        return equinox.nn.State.tree_unflatten(markers, kept)


def found(node, kind=equinox.Module, path=""):
    """Every module in one, itself the first, by its path.

    Differs: in Equinox a module that stands in two places is two.
    """
    if isinstance(node, kind):
        yield path, node

    def is_leaf(x):
        return x is not node and isinstance(x, equinox.Module)

    parts, _ = jax.tree_util.tree_flatten_with_path(node, is_leaf=is_leaf)
    for keys, part in parts:
        if is_leaf(part):
            name = ".".join([path] * bool(path) + [dotted(keys)])
            yield from found(part, kind, name)


def named(tree):
    """The leaves of a tree by dotted names."""
    for keys, value in jax.tree_util.tree_leaves_with_path(tree):
        yield dotted(keys), value


def kept_name(path, name):
    """What a leaf of the state under an index is called."""
    owner, _, index = path.rpartition(".")
    if index in PAIRS:
        return ".".join([owner] * bool(owner) + [("mean", "var")[int(name)]])
    return f"{path}.{name}".rstrip(".")


def replaced(tree, values, called=str):
    """A tree with the values that its leaves have now.

    Args:
        tree: of leaves.
        values: by name.
        called: what a leaf is called of its dotted path.
    """

    def now(keys, x):
        return values.get(called(dotted(keys)), x)

    return jax.tree_util.tree_map_with_path(now, tree)


def settled(x):
    """A count as wide as integers are now."""
    return jnp.asarray(np.asarray(x)) if is_tensor(x) else x


def holder(name, modules):
    """The path of the innermost module that a name lies in."""
    path = name.rpartition(".")[0]
    while path not in modules:
        path = path.rpartition(".")[0]
    return path


def dotted(keys):
    """A path as one word: "layers.0.weight"."""
    return jax.tree_util.keystr(keys, simple=True, separator=".")


def is_state(x):
    """Whether it is what stateful layers pass on."""
    return isinstance(x, equinox.nn.State)
