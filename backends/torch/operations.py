"""What stands between modules: every operation that PyTorch dispatches."""

import sys
from importlib.util import find_spec

from common.contract.operations import (
    INPUTS,
    MOST_NUMBERS,
    Operation,
    Trace,
    site_of,
)
from common.errors import Refused
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

import torch

from .noise import base_name, is_composite, unfused

LIBRARIES = tuple(
    f"{folder}/"
    for name in ("torch", "keras")
    for folder in getattr(find_spec(name), "submodule_search_locations", ())
)


def traced(run, leaves, inputs):
    """Every operation of a run.

    Args:
        run: what computes; of nothing, returns tensors in any tree.
        leaves: the tensors that it uses, by name.
        inputs: the tensors that it is called with.

    Raises:
        Refused: it fills a tensor of which views are about, so that nobody
            knows what was made of what; or makes more than can be kept.
    """
    seen = Watching()
    for name, tensor in leaves.items():
        seen.add("", tensor, given=name)
    for tensor in inputs:
        seen.add("", tensor, given=INPUTS)
    with torch.no_grad(), unfused(), seen:
        returned = tensors(run())
    ends = tuple(seen.at[id(x)] for x in returned if id(x) in seen.at)
    return Trace(tuple(seen.operations), ends)


class Watching(TorchDispatchMode):
    """Keeps a copy of whatever is made.

    Attributes:
        operations: in order.
        at: the identity of a tensor -> the place of what made it last.

    See: https://docs.pytorch.org/docs/stable/notes/extending.html#extending-torch-with-modes
    """

    def __init__(self):
        super().__init__()
        self.operations, self.at = [], {}
        self._alive = []  # or an identity would be given away again
        self._numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if is_composite(func):
            with self:
                return func.decompose(*args, **kwargs)
        given = tensors((args, kwargs))
        returned = func(*args, **kwargs)
        of = tuple(self.at[id(x)] for x in given if id(x) in self.at)
        made = tensors(returned)
        if writes(func):
            for x in made:
                self._refuse_views(x)
        if made:
            site = site_of(frames(), LIBRARIES)
        for x in made:
            self.add(base_name(func), x, of=of, site=site)
        return returned

    def add(self, name, tensor, **rest):
        """Keep a tensor as it is now."""
        self._numbers += tensor.numel()
        if self._numbers > MOST_NUMBERS:
            raise Refused("more is made on the way than can be kept")
        self.at[id(tensor)] = len(self.operations)
        self._alive.append(tensor)
        value = tensor.detach().clone().numpy()
        self.operations.append(Operation(name, value, **rest))

    def _refuse_views(self, tensor):
        own = tensor.untyped_storage().data_ptr()
        for x in self._alive:
            if x is not tensor and x.untyped_storage().data_ptr() == own:
                raise Refused("a tensor is filled of which views are about")


def writes(func):
    """Whether an operation changes what it is given."""
    return any(
        one.alias_info is not None and one.alias_info.is_write
        for one in func._schema.arguments
    )


def frames():
    """Code and offset of whoever is running, the innermost first."""
    frame = sys._getframe(1)
    while frame is not None:
        yield frame.f_code, frame.f_lasti
        frame = frame.f_back


def tensors(tree):
    """Those among the leaves of a tree."""
    return [x for x in tree_flatten(tree)[0] if isinstance(x, torch.Tensor)]
