"""Somebody's functions of a tree of parameters, asked as a Cell is."""

from functools import reduce

from common.contract.code import code_of
from common.contract.given import rebuilt

from mindspore import Parameter, nn

from .module import Net, assign, held, pynative, to_tensor


class Tap(nn.Cell):
    """Holds leaves under a name, and names the tensor that passes through.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Cell.html
    """

    def construct(self, x):
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
        self._forward = lambda *args, **told: port.forward(*args, **told)
        self._made = lambda flat: rebuilt(flat, paths) if paths else flat
        self._leaves, self._taps = tuple(arrays), port.taps
        for name, array in arrays.items():
            owner, _, role = name.rpartition(".")
            leaf = Parameter(to_tensor(array), name=name)
            below(self, owner).insert_param_to_cell(role, leaf, False)

    def construct(self, *args, **kwargs):
        """What the forward pass returns."""
        flat = {n: reduce(getattr, n.split("."), self) for n in self._leaves}
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

    @pynative()
    def record(self, values, inputs, train):
        """As `common.contract.net.Net.record`."""
        if not self._known:
            # Only what is there before it is called can be watched.
            assign(held(self._root), values)
            args, kwargs = self._arguments([to_tensor(a) for a in inputs])
            self._root(*args, **kwargs)
            self._known = True
        return super().record(values, inputs, train)


def below(part, path):
    """What stands at a path below a part; it is made, if there is nothing."""
    for name in path.split(".") if path else ():
        if name not in part._cells:
            part.insert_child_to_cell(name, Tap())
        part = part._cells[name]
    return part


def net_of(port, arrays, paths, names, mode):
    """A network to be asked, of functions."""
    return FunctionsNet(port, arrays, paths, names, mode)
