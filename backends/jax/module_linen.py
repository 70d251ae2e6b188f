"""A Flax linen module, with its variables, as a pure function of its leaves."""

import dataclasses
import inspect

import jax.numpy as jnp
from common.contract.foreign import foreign
from common.errors import Refused
from flax import linen

import jax

from .calls import arguments, is_float

#: Names by which a module is told whether it trains, and whether they say so.
FLAGS = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}


class Kind:
    """What `Net` asks of a module of this kind.

    Args:
        given: the module and its variables, by collection.
        names: of the inputs, if it is called with keywords.

    See: https://flax-linen.readthedocs.io/en/latest/
    """

    def __init__(self, given, names):
        if not isinstance(given, tuple):
            raise Refused(
                f"{type(given).__name__} of linen came alone: give the pair"
                " (module, variables)"
            )
        (self.module, variables), self.names = given, names
        self._made = {"": (type(self.module), fields_of(self.module))}
        self.collections = linen.meta.unbox(dict(variables))
        self.flags = {
            name: says
            for name, says in FLAGS.items()
            if name
            in inspect.signature(type(self.module).__call__).parameters
        }
        self._fields = {
            name: says
            for name, says in FLAGS.items()
            if isinstance(getattr(self.module, name, None), bool)
        }

    def leaves(self):
        """(name, owners, kind, value, trained) of each."""
        found = {}
        for collection in self.collections:
            for name, value in self._named(collection):
                if name in found:
                    raise Refused(
                        f"{name} stands in two collections: rename one"
                    )
                owner = name.rpartition(".")[0]
                trained = collection == "params"
                kind = owner.rpartition(".")[2].rpartition("_")[0] or owner
                found[name] = name, (owner,), kind, value, trained
        yield from found.values()

    def _named(self, collection):
        """The floats of a collection, by dotted names."""
        tree = self.collections[collection]
        for path, value in jax.tree_util.tree_leaves_with_path(tree):
            if is_float(value):
                yield dotted(path), value

    def made(self, path):
        """The class of a module, and its fields; None if it was not called."""
        return self._made.get(path)

    def run(self, values, inputs, given, draw, train, start):
        """Run the whole, as far as a tape lets it (as in `module_nnx.py`)."""

        def now(path, x):
            return values.get(dotted(path), x)

        variables = jax.tree_util.tree_map_with_path(
            lambda path, x: now(path[1:], x), self.collections
        )
        tape = start(inputs, given, lambda x: False)

        def call(called, args, kwargs, context):
            module = context.module
            path = ".".join(module.path)
            widen(module)
            if path:
                tape.touch(path)
            if context.method_name != "__call__":
                return foreign(called, *args, **kwargs)
            self._made[path] = type(module), fields_of(module)
            kind = type(module).__name__
            return tape.call(path, kind, called, args, kwargs)

        fields = {name: says == train for name, says in self._fields.items()}
        module = self.module.clone(
            **{n: x for n, x in fields.items() if n not in self.flags}
        )
        args, kwargs = arguments(tape.inputs, self.names)
        flags = {name: says == train for name, says in self.flags.items()}
        with linen.intercept_methods(call):
            returned, changed = foreign(
                module.apply,
                variables,
                *args,
                **kwargs,
                **flags,
                rngs={"params": draw},  # others fall back on it
                mutable=[n for n in variables if n != "params"],
            )
        afterwards = {
            dotted(path[1:]): x
            for path, x in jax.tree_util.tree_leaves_with_path(
                {**variables, **changed}
            )
        }
        return *tape.ends(returned), afterwards, tape.seen, tape


def fields_of(module):
    """What a module was made with."""
    own = [f.name for f in dataclasses.fields(module) if f.init]
    return {
        name: getattr(module, name)
        for name in own
        if name not in ("parent", "name")
    }


def widen(module):
    """Have a module, and those it was given, begin with the dtype of now.

    `RNN` asks its cell for a carry before any method of the cell's that could
    be intercepted, and that carry has the dtype that parameters begin with.
    """
    given = [getattr(module, name) for name in vars(module)]
    for one in (module, *given):
        if isinstance(one, linen.Module) and one.scope is not None:
            own = getattr(one, "dtype", None)
            if hasattr(one, "param_dtype") and own is None:
                object.__setattr__(one, "param_dtype", jnp.result_type(float))


def dotted(path):
    """A path as one word: "block.conv1.kernel"."""
    return ".".join(str(one.key) for one in path)
