"""A Keras 3 model on PyTorch, called with other leaves."""

from contextlib import contextmanager

import keras
from common.contract.foreign import foreign
from keras.src.backend.common.global_state import get_global_attribute
from keras.src.random.seed_generator import global_seed_generator

import torch

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


class Kind:
    """What `Net` asks of a model of this kind.

    Args:
        model: left as it is.
        names: of the inputs, if it is called with keywords.

    See: https://keras.io/api/layers/base_layer/
    """

    #: What computes in a layer.
    method = "call"

    #: Differs: a layer sets attributes as it is called, which `torch.compile`
    #: (2.14.1, Keras 3.15.1) compiles again for each until its limit, after
    #: which it runs op by op: minutes for five layers that stay uncompiled.
    compiles = False

    def __init__(self, model, names):
        refuse_unbuilt(model)
        self.model, self.names = model, names
        self._train, self._behind = False, {}

    def leaves(self):
        """(name, owners, kind, tensor, trained) of each."""
        for name, owners, kind, variable, trained in weights(self.model):
            yield name, owners, kind, variable._value, trained

    def made(self, path):
        """The class of a layer, and what it was made with, in words."""
        layer = dict(walked(self.model))[path]
        words = (f"{n}={x!r}" for n, x in settings(layer).items())
        return type(layer), ", ".join(words)

    @contextmanager
    def computing(self, dtype, train):
        """Compute in a dtype, in training or evaluation: the layers by path."""
        self._train, layers = train, callers(self.model)
        with keras.device("cpu"), computed_in(self.model, dtype) as behind:
            self._behind = {id(layers[path]): f for path, f in behind.items()}
            yield layers

    def arguments(self, inputs):
        """How the whole is called with its inputs."""
        args, kwargs = arguments(self.model, inputs, self.names)
        return args, {**kwargs, "training": self._train}

    def told(self):
        """Whether it trains, which a layer that does not ask passes on."""
        context = get_global_attribute("current_call_ctx")
        return {"training": context.get_value("training")}

    def behind(self, layer):
        """What follows a layer inside of another (`endings`), or None."""
        return self._behind.get(id(layer))

    def caller(self, path):
        """A part as a function of (leaves, args, kwargs).

        Returns:
            what it returns, and the leaves as they are afterwards.
        """
        layer = callers(self.model)[path]
        variables = {name: v for name, _, _, v, _ in weights(self.model)}

        def call(values, args, kwargs):
            # Kept, they would draw the same in every run.
            states = [*seeds(self.model), global_seed_generator().state]
            fresh = [
                (one, torch.randint(2**31 - 1, one.shape)) for one in states
            ]
            pairs = [(variables[name], x) for name, x in values.items()]
            with holding([*pairs, *fresh]) as scope:
                returned = foreign(layer, *args, **kwargs)
            return returned, {
                name: scope.get_current_value(variables[name])
                for name in values
            }

        return call
