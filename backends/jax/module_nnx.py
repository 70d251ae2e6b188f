"""A Flax NNX module as a pure function of its leaves."""

from flax import nnx
from flax.nnx.graph import is_graph_node

import jax

from .calls import Tape, fresh, is_float, is_key, tensors, watched

#: How the names of NNX's own attributes begin.
OWN = ("_pytree__", "_object__")


class Kept(tuple):
    """The path of a node of the module that was an argument of a call."""


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
            elif is_graph_node(node):
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

    def run(self, values, inputs, given, draw, train, note):
        """Run the whole or, if there is a note of its call, a part.

        A variable can be set only in the trace that it was made in, so that
        the module is merged here, of arrays.

        Returns:
            outputs, buffers and the `Tape`.
        """
        root = self._merged(values, draw, train)
        paths = {id(at(root, p)): p for p in self._modules.values()}
        nodes = [at(root, path) for path in self._modules.values()]
        floats = [x.dtype for x in values.values() if is_float(x)]
        for node in nodes:
            # A recurrent cell begins with zeros of this dtype.
            if floats and hasattr(node, "param_dtype"):
                node.param_dtype = floats[0]
        tape = Tape(
            given,
            kept=lambda x: Kept(paths[id(x)]) if id(x) in paths else x,
            whole=is_graph_node,
        )

        def call(module, called, args, kwargs):
            if id(module) not in paths:
                return called(module, *args, **kwargs)
            return tape.call(
                dotted(paths[id(module)]),
                type(module).__name__,
                lambda *a, **k: called(module, *a, **k),
                args,
                kwargs,
            )

        def restored(x):
            return at(root, x) if isinstance(x, Kept) else x

        if note is None:
            part, args, kwargs = root, inputs, {}
            if self.names is not None:
                args, kwargs = (), dict(zip(self.names, inputs, strict=True))
        else:
            place = next(
                path
                for path in self._modules.values()
                if dotted(path) == note.key[0]
            )
            part = at(root, place)
            args, kwargs = note.filled(inputs, draw, restored)
        modules = {type(x) for x in nodes if isinstance(x, nnx.Module)}
        with watched(modules, call):
            outputs = part(*args, **kwargs)
        afterwards = {
            dotted(path): jax.tree.leaves(at(root, path))
            for path in self._variables.values()
        }
        buffers = {name: afterwards[name][0] for name in values}
        return tensors(jax.tree.leaves(outputs)), buffers, tape

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
        return fresh(draw, place, x.shape) if is_key(x) else x

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
