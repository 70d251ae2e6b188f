"""A `torch.nn.Module`, called with other leaves."""

import copy
from contextlib import contextmanager

from common.contract.foreign import foreign
from common.errors import Refused
from torch.nn import DataParallel
from torch.nn.parallel import DistributedDataParallel

import torch


class Kind:
    """What `Net` asks of a module of this kind; a copy computes for each dtype.

    Args:
        module: left as it is.
        names: of the inputs, if it is called with keywords.

    See: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
    """

    #: What computes in a module.
    method = "forward"

    #: Whether it can be compiled.
    compiles = True

    def __init__(self, module, names):
        for path, one in module.named_modules():
            refuse_wrapper(path, one)
        self.module, self.names = module, names
        self._copies = {}
        self._root = module

    def leaves(self):
        """(name, owners, kind, tensor, trained) of each."""
        found = {}
        for path, module in self.module.named_modules(remove_duplicate=False):
            for own, trained in (
                (module._parameters, True),
                (module._buffers, False),
            ):
                for role, tensor in own.items():
                    if tensor is None:
                        continue
                    name = f"{path}.{role}" if path else role
                    first = name, [], type(module).__name__, tensor, trained
                    found.setdefault(id(tensor), first)[1].append(path)
        for name, owners, *rest in found.values():
            yield name, tuple(owners), *rest

    def made(self, path):
        """The class of a module, and what it was made with, in words."""
        module = self.module.get_submodule(path)
        return type(module), module.extra_repr()

    @contextmanager
    def computing(self, dtype, train):
        """Compute in a dtype, in training or evaluation: the modules by path."""
        if dtype not in self._copies:
            kind = getattr(torch, dtype)
            module = foreign(copy.deepcopy, self.module)
            self._copies[dtype] = module.to("cpu", kind)
        self._root = self._copies[dtype].train(train)
        yield dict(self._root.named_modules())

    def arguments(self, inputs):
        """How the whole is called with its inputs."""
        if self.names is None:
            return tuple(inputs), {}
        return (), dict(zip(self.names, inputs, strict=True))

    def told(self):
        """The keywords that go without saying where a module is called."""
        return {}

    def behind(self, module):
        """What follows a module inside of another, but is none: nothing."""

    def caller(self, path):
        """A part as a function of (leaves, args, kwargs).

        Returns:
            what it returns, and the leaves that are others afterwards; those
            that change in place are what they were given as.
        """
        part, names = (
            self._root.get_submodule(path),
            held_names(self._root, path),
        )

        def call(values, args, kwargs):
            held = {own: values[name] for own, name in names.items()}
            return torch.func.functional_call(
                part, held, args, kwargs, tie_weights=False
            ), {}

        return call


def held_names(root, path):
    """The leaves of a part by its own names, and what the root calls each."""
    named = {}
    for module in (root.named_parameters, root.named_buffers):
        for name, tensor in module(remove_duplicate=False):
            named.setdefault(id(tensor), name)
    part = root.get_submodule(path)
    own = (*part.named_parameters(remove_duplicate=False),)
    own += (*part.named_buffers(remove_duplicate=False),)
    return {name: named[id(tensor)] for name, tensor in own}


def refuse_wrapper(path, module):
    """Refuse what hides the modules inside of it.

    Raises:
        Refused: a compiled, scripted or distributed module.
    """
    kind = type(module).__name__
    if hasattr(module, "_orig_mod"):
        words = (
            "compiled; give the module itself, and mode='jit' to compile it"
        )
    elif isinstance(module, torch.jit.ScriptModule):
        words = "scripted; give the module that it was made of"
    elif isinstance(module, (DataParallel, DistributedDataParallel)):
        words = f"a {kind}; give its .module"
    else:
        return
    raise Refused(f"{path or 'the network'} is {words}")
