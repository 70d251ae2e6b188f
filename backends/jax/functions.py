"""Somebody's functions of a tree of parameters, asked as a module is."""

from common.contract.code import code_of
from common.contract.foreign import foreign
from common.contract.given import rebuilt
from common.contract.net import TAP

from .calls import arguments, is_float
from .module import Net


class Kind:
    """What `Net` asks of a module of this kind.

    Args:
        given: the functions, the parameters by name, and the way to each if
            they came as a tree.
        names: of the inputs, if they are called with keywords.
    """

    def __init__(self, given, names):
        (self.port, self.arrays, self.paths), self.names = given, names

    def leaves(self):
        """(name, owners, kind, value, trained) of each."""
        for name, value in self.arrays.items():
            owner = name.rpartition(".")[0]
            trained = is_float(value)
            yield name, (owner,), TAP, value, trained

    def run(self, values, inputs, given, draw, train, start):
        """Run the whole, as far as a tape lets it (as in `module_nnx.py`)."""
        tape = start(inputs, given, lambda x: False)
        flat = {name: values[name] for name in self.arrays}
        params = rebuilt(flat, self.paths) if self.paths else flat

        def tap(name, x):
            return tape.call(name, TAP, lambda x: x, (x,), {})

        told = {"tap": tap} if self.port.taps else {}

        def forward(*args, **kwargs):
            return foreign(self.port.forward, params, *args, **kwargs, **told)

        args, kwargs = arguments(tape.inputs, self.names)
        returned = tape.call("", "Port", forward, args, kwargs)
        return *tape.ends(returned), values, tape.seen, tape


class FunctionsNet(Net):
    """Functions as a network.

    Args:
        port, arrays, paths: as of `Kind`.
        names: of the inputs, if they are called with keywords.
        mode: "eager" or "jit".
    """

    def __init__(self, port, arrays, paths, names, mode):
        super().__init__((port, arrays, paths), names, mode, Kind)
        self._source = code_of(port.forward)

    def source(self, path):
        """As `common.contract.net.Net.source`."""
        return None if path else self._source


def net_of(port, arrays, paths, names, mode):
    """A network to be asked, of functions."""
    return FunctionsNet(port, arrays, paths, names, mode)
