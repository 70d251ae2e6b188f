"""Somebody's functions of a tree of parameters, asked as a module is."""

from functools import reduce

from common.contract.code import code_of
from common.contract.foreign import foreign
from common.contract.given import rebuilt

import torch

from .module import Net, to_tensor


class Tap(torch.nn.Module):
    """Holds leaves under a name, and names the tensor that passes through.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """

    def forward(self, x):
        """The tensor as it is."""
        return x


class Functions(Tap):
    """A forward pass and its parameters, under their dotted names.

    Args:
        port: the functions.
        arrays: the parameters by name.
        paths: the way to each, if they came as a tree.
    """

    def __init__(self, port, arrays, paths):
        super().__init__()
        # In functions of their own: a bound method would be copied, too.
        self._forward = lambda *args, **told: foreign(
            port.forward, *args, **told
        )
        self._made = lambda flat: rebuilt(flat, paths) if paths else flat
        self._names, self._taps = tuple(arrays), port.taps
        for name, array in arrays.items():
            owner, _, role = name.rpartition(".")
            tensor, part = to_tensor(array), below(self, owner)
            if tensor.is_floating_point():
                part.register_parameter(role, torch.nn.Parameter(tensor))
            else:
                part.register_buffer(role, tensor)

    def forward(self, *args, **kwargs):
        """What the forward pass returns."""
        flat = {n: reduce(getattr, n.split("."), self) for n in self._names}
        told = {"tap": self._tap} if self._taps else {}
        return self._forward(self._made(flat), *args, **kwargs, **told)

    def _tap(self, name, x):
        return below(self, name)(x)


class FunctionsNet(Net):
    """Functions as a network.

    Args:
        port, arrays, paths: as of `Functions`.
        names: of the inputs, if they are called with keywords.
        mode: "eager" or "jit".
    """

    def __init__(self, port, arrays, paths, names, mode):
        super().__init__(Functions(port, arrays, paths), names, mode)
        self._known, self._source = not port.taps, code_of(port.forward)

    def source(self, path):
        """As `common.contract.net.Net.source`."""
        return None if path else self._source

    def record(self, values, inputs, train):
        """As `common.contract.net.Net.record`."""
        if not self._known:
            # Only what is there before it is called can be watched.
            tensors = {n: to_tensor(a) for n, a in values.items()}
            args, kwargs = self._kind.arguments(
                [to_tensor(a) for a in inputs]
            )
            torch.func.functional_call(self.module, tensors, args, kwargs)
            self._known = True
        return super().record(values, inputs, train)


def below(part, path):
    """What stands at a path below a part; it is made, if there is nothing."""
    for name in path.split(".") if path else ():
        if name not in part._modules:
            part.add_module(name, Tap())
        part = part._modules[name]
    return part


def net_of(port, arrays, paths, names, mode):
    """A network to be asked, of functions."""
    return FunctionsNet(port, arrays, paths, names, mode)
