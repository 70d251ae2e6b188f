"""A Keras 3 model on JAX as a pure function of its leaves."""

from functools import partial

import jax.numpy as jnp
from common.contract.foreign import foreign

import jax

from ..keras_model import (
    arguments,
    callers,
    computed_in,
    holding,
    refuse_unbuilt,
    seeds,
    settings,
    walked,
    weights,
)
from .calls import watched


class Kind:
    """What `Net` asks of a model of this kind.

    Args:
        model: left as it is.
        names: of the inputs, if it is called with keywords.

    See: https://keras.io/api/layers/base_layer/
    """

    #: What computes in a layer. Differs: by then Keras has said outright what
    #: goes without saying at `__call__`: a mask, whether it trains.
    method = "call"

    def __init__(self, model, names):
        refuse_unbuilt(model)
        self.model, self.names = model, names

    def leaves(self):
        """(name, owners, kind, value, trained) of each."""
        for name, owners, kind, variable, trained in weights(self.model):
            yield name, owners, kind, variable._value, trained

    def made(self, path):
        """The class of a layer, and what it was made with."""
        layer = dict(walked(self.model)).get(path)
        return None if layer is None else (type(layer), settings(layer))

    def run(self, values, inputs, given, draw, train, start):
        """Run the whole, as far as a tape lets it (as in `module_nnx.py`)."""
        layers = callers(self.model)
        paths = {id(layer): path for path, layer in layers.items()}
        variables = {name: v for name, _, _, v, _ in weights(self.model)}
        fresh = [
            (
                one,
                jax.random.bits(jax.random.fold_in(draw, n), (2,), "uint32"),
            )
            for n, one in enumerate(seeds(self.model))
        ]
        pairs = [(variables[name], value) for name, value in values.items()]
        tape = start(inputs, given, lambda x: False)

        def call(layer, called, args, kwargs):
            called = partial(called, layer)
            if id(layer) not in paths:
                return foreign(called, *args, **kwargs)
            path, kind = paths[id(layer)], type(layer).__name__
            returned = tape.call(path, kind, called, args, kwargs)
            return behind[path](returned) if path in behind else returned

        dtype = str(jnp.result_type(float))
        classes = {type(layer) for layer in layers.values()}
        with (
            computed_in(self.model, dtype) as behind,
            holding([*pairs, *fresh]) as scope,
            watched(classes, call, self.method),
        ):
            args, kwargs = arguments(self.model, tape.inputs, self.names)
            returned = foreign(self.model, *args, **kwargs, training=train)
        afterwards = {
            name: scope.get_current_value(variables[name]) for name in values
        }
        return *tape.ends(returned), afterwards, tape.seen, tape
