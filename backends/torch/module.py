"""Somebody's PyTorch module, asked part by part (common/contract/net.py)."""

import importlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from common.contract.code import source_of
from common.contract.foreign import foreign
from common.contract.labels import IGNORED
from common.contract.net import Answer, Call, Leaf
from common.errors import Refused
from torch.nn import functional
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

import numpy as np
import torch

from .noise import noise
from .operations import traced

FLOAT32_UNIT = 2.0**-24

#: A base class -> the file here that calls its instances with other leaves.
KINDS = {
    "keras.src.backend.torch.layer.TorchLayer": "module_keras",
    "torch.nn.modules.module.Module": "module_nn",
}


class Net:
    """A module; its leaves are others in every run.

    Args:
        module: of `torch.nn`, or a Keras model on PyTorch. Left as it is.
        names: of the inputs, if it is called with keywords.
        mode: "eager", or "jit": each part compiled as one. What stands between
            layers is run op by op in any mode, because hooks look into it.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.module.register_module_forward_hook.html
    """

    framework = "torch"
    doubles = True

    def __init__(self, module, names=None, mode="eager"):
        self.module, self.mode = module, mode
        self._kind = kind_of(module)(module, names)
        if mode == "jit" and not self._kind.compiles:
            raise Refused(
                f"{type(module).__name__} of Keras cannot be compiled by"
                " torch.compile; take mode 'eager', or Keras on JAX"
            )
        self._recorded = {}  # key -> (tree, leaves) asked with, and returned
        self._compiled = {}

    def leaves(self):
        """As `common.contract.net.Net.leaves`; a tied parameter once."""
        return [
            Leaf(name, owners, kind, of_leaf(tensor), trained)
            for name, owners, kind, tensor, trained in self._kind.leaves()
        ]

    def _held(self, path):
        """The names of the leaves of a part, and whether each is trained."""
        return {
            name: trained
            for name, owners, _, _, trained in self._kind.leaves()
            if any(is_below(owner, path) for owner in owners)
        }

    def record(self, values, inputs, train):
        """As `common.contract.net.Net.record`."""
        calls, self._recorded = [], {}
        dtype = dtype_of(*values.values(), *inputs)

        def seen(key, module, asked, returned):
            self._recorded[key] = asked, returned
            both = [
                arrays(tensors(leaves)) for _, leaves in (asked, returned)
            ]
            calls.append(Call(*key, type(module).__name__, *both))

        held = {name: to_tensor(array) for name, array in values.items()}
        with (
            self._kind.computing(dtype, train) as modules,
            watched(modules, self._kind, seen),
        ):
            args, kwargs = self._kind.arguments(
                [to_tensor(array) for array in inputs]
            )
            outputs, _ = self._kind.caller("")(held, args, kwargs)
        outputs = tensors(tree_flatten(outputs)[0])
        return calls, arrays(outputs)

    def run(self, asked):
        """As `common.contract.net.Net.run`."""
        if asked.noise is None:
            return self._run(asked)
        with noise(FLOAT32_UNIT, asked.noise, asked.exp_error) as rounding:
            answer = self._run(asked)
        return replace(answer, unknown=dict(rounding.unknown))

    def _run(self, asked):
        """The same, with whatever noise there is."""
        dtype = dtype_of(*asked.values.values(), *asked.inputs)
        held = self._held(asked.part[0] if asked.part else "")
        values = {
            name: to_start(asked.values[name], asked.backwards and trained)
            for name, trained in held.items()
        }
        inputs = [to_start(array, asked.backwards) for array in asked.inputs]
        given = {
            key: [
                a if a is None else to_start(a, asked.backwards) for a in some
            ]
            for key, some in asked.given.items()
        }
        arrived = {}
        others = self._in_place_of(given)
        with (
            self._kind.computing(dtype, asked.train) as modules,
            watched(modules, self._kind, None, others, arrived, asked.taps),
        ):
            args, kwargs = self._called_with(asked.part, inputs)
            outputs, after = self._called(values, args, kwargs, asked)
        outputs = tensors(tree_flatten(outputs)[0])
        after = {**values, **after}
        answer = Answer(
            outputs=arrays(outputs),
            arrived={key: arrays(some) for key, some in arrived.items()},
            buffers={n: to_array(after[n]) for n in held if not held[n]},
        )
        if not asked.backwards:
            return answer
        ends = pairs(outputs, asked.cotangents)
        for key, some in asked.arrived_cotangents.items():
            ends += pairs(arrived[key], some)
        params = {n: v for n, v in values.items() if held[n]}
        rest = (
            one for some in given.values() for one in some if one is not None
        )
        slope_of = slopes(ends, [*inputs, *params.values(), *rest])
        return replace(
            answer,
            input_slopes=tuple(map(slope_of, inputs)),
            slopes={name: slope_of(value) for name, value in params.items()},
            given_slopes={
                key: tuple(
                    None if one is None else slope_of(one) for one in some
                )
                for key, some in given.items()
            },
        )

    def _called_with(self, key, inputs):
        """The arguments of a part: the whole's, or as they were recorded."""
        if key is None:
            return self._kind.arguments(inputs)
        (spec, leaves), _ = self._recorded[key]
        return tree_unflatten(replaced(leaves, inputs), spec)

    def _in_place_of(self, given):
        """What calls are to return: key -> a tree and its leaves, and others."""
        return {
            key: (*self._recorded[key][1], some)
            for key, some in given.items()
        }

    def _called(self, values, args, kwargs, asked):
        """Call a part with its leaves, compiled if that is the mode."""
        call = self._kind.caller(asked.part[0] if asked.part else "")

        def called(values, args, kwargs):
            # Something in place must neither change a leaf nor what is asked about.
            args, kwargs = tree_map(copied, (args, kwargs))
            return call(values, args, kwargs)

        noisy = asked.noise is not None
        if self.mode == "eager" or asked.given or noisy:
            return called(values, args, kwargs)
        dtype = dtype_of(*asked.values.values(), *asked.inputs)
        key = asked.part, dtype, asked.train
        if key not in self._compiled:
            torch.compiler.reset()  # or many layers would count towards a limit
            self._compiled[key] = torch.compile(called)
        return self._compiled[key](values, args, kwargs)

    def trace(self, values, inputs, train):
        """As `common.contract.net.Net.trace`."""
        dtype = dtype_of(*values.values(), *inputs)
        leaves = {name: to_tensor(array) for name, array in values.items()}
        given = [to_tensor(array) for array in inputs]
        with self._kind.computing(dtype, train):
            args, kwargs = self._kind.arguments(given)
            call = self._kind.caller("")
            return traced(
                lambda: call(leaves, args, kwargs)[0], leaves, given
            )

    def source(self, path):
        """As `common.contract.net.Net.source`."""
        kind, made = self._kind.made(path)
        return source_of(kind, self._kind.method, f"{kind.__name__}({made})")

    def loss(self, function, outputs, labels):
        """As `common.contract.net.Net.loss`."""
        held = [to_start(array, True) for array in outputs]
        labels = to_tensor(np.asarray(labels))
        value = foreign(function or usual_loss, *held, labels)
        slope_of = slopes([(value, np.ones_like(to_array(value)))], held)
        return to_array(value), tuple(map(slope_of, held))


def seed(number):
    """Let modules that are made from now on draw the same weights each time."""
    torch.manual_seed(number)


def usual_loss(outputs, labels):
    """Softmax cross-entropy of classes, the mean of squares of targets.

    The mean over labels that are not IGNORED, which is PyTorch's default too.
    """
    if labels.is_floating_point():
        return functional.mse_loss(outputs, labels.to(outputs.dtype))
    classes = outputs.shape[-1]
    return functional.cross_entropy(
        outputs.reshape(-1, classes),
        labels.reshape(-1).long(),
        ignore_index=IGNORED,
    )


def kind_of(module):
    """What calls a module with other leaves; only that is imported."""
    for base in type(module).__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        if name in KINDS:
            file = importlib.import_module(f"{__package__}.{KINDS[name]}")
            return file.Kind
    raise Refused(
        f"{type(module).__name__} is no module of PyTorch's that can be"
        f" taken; these are: {', '.join(KINDS)}"
    )


@contextmanager
def watched(modules, kind, seen, given=None, arrived=None, taps=()):
    """Look at every call of some modules, or answer in its place.

    Args:
        modules: by path.
        kind: what is asked of their kind: `told`, `behind`.
        seen: called with key, module, and the (tree, leaves) of its arguments
            and of what it returned.
        given: key -> the tree and leaves that the call returned when it was
            recorded, and tensors for those among them; None leaves one.
        arrived: filled with key -> the tensors that such a call was made with.
        taps: keys of such calls that are made: with those that it returned.
    """
    given = given or {}
    counts, stack, undo = Counter(), [], []

    def entered(path):
        def before(module, args, kwargs):
            key = path, counts[path]
            counts[path] += 1
            told = kind.told()
            leaves, spec = tree_flatten((args, {**told, **kwargs}))
            # Something in place may change them before the call returns.
            leaves = replaced(leaves, [x.clone() for x in tensors(leaves)])
            stack.append((key, (spec, leaves)))
            if key in given and key not in taps:
                arrived[key] = tensors(leaves)

        return before

    def left(module, args, kwargs, returned):
        key, asked = stack.pop()
        if seen is not None:
            leaves, spec = tree_flatten(returned)
            seen(key, module, asked, (spec, leaves))
        behind = kind.behind(module) if stack else None
        return returned if behind is None else behind(returned)

    def answering(forward):
        def answer(*args, **kwargs):
            key = stack[-1][0]
            if key not in given:
                return foreign(forward, *args, **kwargs)
            spec, leaves, some = given[key]
            if key in taps or any(one is None for one in some):
                returned = foreign(forward, *args, **kwargs)
                leaves, spec = tree_flatten(returned)
            if key in taps:
                arrived[key] = tensors(leaves)
            some = [one if one is None else one.clone() for one in some]
            return tree_unflatten(replaced(leaves, some), spec)

        return answer

    try:
        for path, module in modules.items():
            before = module.register_forward_pre_hook
            after = module.register_forward_hook
            undo.append(before(entered(path), with_kwargs=True).remove)
            undo.append(after(left, with_kwargs=True).remove)
            if any(key[0] == path for key in given):
                own = vars(module).get("forward")
                undo.append(partial(restore, module, own))
                module.forward = answering(module.forward)
        yield
    finally:
        for one in undo:
            one()


def restore(module, forward):
    """Give a module back what it had in the place of its class's forward."""
    if forward is None:
        del module.forward
    else:
        module.forward = forward


def slopes(ends, starts):
    """Differentiate Σ cotangent × end by every start; a function of one."""
    ends = [
        (end, to_tensor(np.asarray(c, to_array(end).dtype)))
        for end, c in ends
        if c is not None and end.requires_grad
    ]
    wanted = [start for start in starts if start.requires_grad]
    found = {}
    if ends and wanted:
        tops, cotangents = zip(*ends, strict=True)
        found = dict(
            zip(
                map(id, wanted),
                torch.autograd.grad(
                    tops, wanted, cotangents, allow_unused=True
                ),
                strict=True,
            )
        )

    def slope_of(start):
        if not start.is_floating_point():
            return None
        slope = found.get(id(start))
        return to_array(torch.zeros_like(start) if slope is None else slope)

    return slope_of


def pairs(tensors, cotangents):
    """Each tensor with its cotangent."""
    return list(
        zip(tensors, cotangents or (None,) * len(tensors), strict=True)
    )


def to_start(array, differentiated):
    """A tensor that is differentiated by, if it is no integer."""
    tensor = to_tensor(array)
    return tensor.requires_grad_(
        differentiated and tensor.is_floating_point()
    )


def dtype_of(*values):
    """Which dtype is computed in: that of the floats."""
    kinds = [a.dtype.name for a in values if a.dtype.kind == "f"]
    return kinds[0] if kinds else "float32"


def is_below(path, above):
    """Whether a path is another's, or below it."""
    return not above or f"{path}.".startswith(f"{above}.")


def copied(x):
    """A tensor that may be changed in place; anything else as it is."""
    return x.clone() if is_tensor(x) else x


def is_tensor(x):
    """Whether it is one."""
    return isinstance(x, torch.Tensor)


def tensors(leaves):
    """Those among the leaves of a tree; one that is there twice is one."""
    return list({id(x): x for x in leaves if is_tensor(x)}.values())


def replaced(leaves, others):
    """The leaves of a tree with others for its tensors; None leaves one."""
    found = zip(tensors(leaves), others, strict=True)
    stand = {id(x): x if other is None else other for x, other in found}
    return [stand.get(id(x), x) for x in leaves]


def to_tensor(array):
    """A copy, so that nothing changes what is kept."""
    return torch.from_numpy(np.array(array, order="C"))


def to_array(tensor):
    """A copy in NumPy."""
    return tensor.detach().cpu().numpy().copy()


def of_leaf(tensor):
    """A leaf in NumPy, which has no bfloat16.

    Raises:
        Refused: it holds no numbers that could be set to others.
    """
    if is_lazy(tensor):
        raise Refused(
            "a lazy module's weights are not there yet; call it once before"
        )
    if tensor.is_meta or tensor.is_quantized:
        kind = "on the meta device" if tensor.is_meta else "quantised"
        raise Refused(
            f"weights are {kind}; give them as float32 or float64 numbers"
        )
    return to_array(
        tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    )


def arrays(tensors):
    """A copy of each in NumPy."""
    return tuple(map(to_array, tensors))
