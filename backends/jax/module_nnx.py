"""A Flax NNX module as a pure function of its leaves."""

from functools import partial

import jax.numpy as jnp
from common.contract.foreign import foreign
from flax import nnx
from flax.nnx.graph import is_graph_node

import jax

from .calls import arguments, is_float, is_key, watched

#: How the names of NNX's own attributes begin.
OWN = ("_pytree__", "_object__")


class Kind:
    """What `Net` asks of a module of this kind.

    Args:
        module: left as it is.
        names: of the inputs, if it is called with keywords.

    See: https://flax.readthedocs.io/en/latest/nnx_basics.html
    """

    def __init__(self, module, names):
        self.module, self.names = module, names
        self._split = {}
        self._owners, self._variables, self._modules = {}, {}, {}
        for path, node, owner in walked(module):
            if isinstance(node, nnx.Variable):
                self._variables.setdefault(id(node), path)
                self._owners.setdefault(id(node), []).append(owner)
            elif isinstance(node, nnx.Module):
                self._modules.setdefault(id(node), path)

    def leaves(self):
        """(name, owners, kind, value, trained) of each."""
        for key, path in self._variables.items():
            variable, owners = at(self.module, path), self._owners[key]
            values = jax.tree.leaves(variable)
            if len(values) == 1 and is_float(values[0]):
                kind = type(at(self.module, owners[0])).__name__
                trained = isinstance(variable, nnx.Param)
                paths = tuple(map(dotted, owners))
                yield dotted(path), paths, kind, values[0], trained

    def made(self, path):
        """The class of a module, and what it holds."""
        for place in self._modules.values():
            if dotted(place) == path:
                module = at(self.module, place)
                return type(module), vars(module)
        return None

    def run(self, values, inputs, given, draw, train, start):
        """Run the whole, as far as a tape lets it.

        A variable can be set only in the trace that it was made in, so that
        the module is merged here, of arrays.

        Args:
            values: of leaves by name.
            inputs, given, draw: tensors, and a random key.
            train: whether in training mode.
            start: (inputs, given, whole) -> a tape.

        Returns:
            outputs, what arrived, all leaves afterwards, what was seen, and
            the tape.
        """
        root = self._merged(values, draw, train)
        nodes = {path: at(root, path) for path in self._modules.values()}
        paths = {id(node): dotted(path) for path, node in nodes.items()}
        for node in nodes.values():
            # A recurrent cell begins with zeros of this dtype; Embed and
            # SimpleCell compute in the one that their weights were made in,
            # said or not (0.12.0).
            if getattr(node, "dtype", None) == jnp.float32:
                node.dtype = jnp.result_type(float)
            if getattr(node, "param_dtype", None) == jnp.float32:
                node.param_dtype = jnp.result_type(float)
        tape = start(inputs, given, is_graph_node)

        def call(module, called, args, kwargs):
            called = partial(called, module)
            if id(module) not in paths:
                return foreign(called, *args, **kwargs)
            kind = type(module).__name__
            return tape.call(paths[id(module)], kind, called, args, kwargs)

        with watched({type(x) for x in nodes.values()}, call):
            args, kwargs = arguments(tape.inputs, self.names)
            returned = foreign(root, *args, **kwargs)
        afterwards = {
            dotted(path): jax.tree.leaves(at(root, path))[0]
            for path in self._variables.values()
            if dotted(path) in values
        }
        return *tape.ends(returned), afterwards, tape.seen, tape

    def _merged(self, values, draw, train):
        """The module with other values and fresh random keys."""
        if train not in self._split:
            copy = nnx.merge(*nnx.split(self.module))
            copy.train() if train else copy.eval()
            self._split[train] = nnx.split(copy)
        graph, state = self._split[train]
        flat = []
        for place, (path, variable) in enumerate(nnx.to_flat_state(state)):
            name = dotted(self._variables[id(at(self.module, path))])
            flat.append((path, replaced(variable, name, values, draw, place)))
        return nnx.merge(graph, nnx.from_flat_state(flat))


def replaced(variable, name, values, draw, place):
    """A variable with its value of now."""

    def one(x):
        if name in values:
            return values[name]
        if not is_key(x):
            return x
        return jax.random.split(jax.random.fold_in(draw, place), x.shape)

    return jax.tree.map(one, variable)


def walked(node, path=(), owner=(), above=()):
    """Every node by every path, as defined: path, node, path of its owner.

    Differs: NNX itself sorts attributes by name.
    """
    yield path, node, owner
    if isinstance(node, nnx.Variable) or id(node) in above:
        return
    owner = path if is_graph_node(node) else owner
    for key, part in parts(node).items():
        held = isinstance(part, (nnx.Variable, list, tuple, dict))
        if held or is_graph_node(part):
            yield from walked(part, (*path, key), owner, (*above, id(node)))


def parts(node):
    """What a module or a container holds."""
    if isinstance(node, (list, tuple)):
        return dict(enumerate(node))
    held = node if isinstance(node, dict) else vars(node)
    return {k: v for k, v in held.items() if not str(k).startswith(OWN)}


def at(root, path):
    """What stands at a path."""
    for key in path:
        root = parts(root)[key]
    return root


def dotted(path):
    """A path as one word: "layers.0.kernel"."""
    return ".".join(map(str, path))
