"""Somebody's `mindspore.nn.Cell`, asked part by part (common/contract/net.py)."""

import copy
from collections import Counter, defaultdict, namedtuple
from contextlib import contextmanager
from functools import cached_property
from itertools import count

from common.contract.code import source_of
from common.contract.foreign import foreign
from common.contract.labels import IGNORED
from common.contract.net import Answer, Call, Leaf
from common.contract.operations import Trace

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from .train import setup

#: What a layer keeps of its batches: Parameters here, that nothing trains.
STATISTICS = "moving_mean", "moving_variance"

Held = namedtuple("Held", "name owners kind tensor trained")


@contextmanager
def pynative():
    """Run op by op, whatever the process was told: graphs have no calls."""
    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    try:
        yield
    finally:
        mindspore.set_context(mode=before)


class Net:
    """A Cell; a copy of it computes.

    Args:
        module: left as it is.
        names: of the inputs, if it is called with keywords.
        mode: "eager" (PyNative), or "jit": each part compiled as one. What
            stands between layers is run op by op in any mode, because a
            graph cannot be looked into.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Cell.html
    """

    framework = "mindspore"
    # On a CPU Conv2d and BatchNorm2d refuse float64; AvgPool2d, LSTM,
    # log_softmax and mse_loss are float32 whatever they get (2.10.0).
    doubles = False

    def __init__(self, module, names=None, mode="eager"):
        # Which device it is can no longer be said once anything has run.
        if mindspore.get_context("device_target") != "CPU":
            setup("float32", "cpu", 1)
        self.module, self.names, self.mode = module, names, mode
        self._recorded = {}  # key -> a function of tensors: args, kwargs
        self._compiled = {}

    @cached_property
    def _root(self):
        """The copy that computes, in float32."""
        copies = {}
        for _, cell in walked(self.module):
            # A Tensor shares its memory with its deepcopy (2.10.0), a
            # Parameter does not; and what computes a layer again to save
            # memory, with the same values, has no deepcopy.
            for value in (*cell._buffers.values(), *vars(cell).values()):
                if is_tensor(value) and not isinstance(value, Parameter):
                    copies[id(value)] = value.copy()
            copies[id(cell._recompute_cell)] = None
        module = foreign(copy.deepcopy, self.module, copies)
        return module.to(mindspore.float32)

    def leaves(self):
        """As `common.contract.net.Net.leaves`; a tied parameter once."""
        return [
            Leaf(
                one.name,
                tuple(one.owners),
                one.kind,
                of_leaf(one.tensor),
                one.trained,
            )
            for one in held(self.module)
        ]

    @pynative()
    def record(self, values, inputs, train):
        """As `common.contract.net.Net.record`."""
        calls = []
        self._recorded.clear()
        self._compiled.clear()
        root = self._root.set_train(train)
        assign(held(root), values)

        def seen(key, cell, made, asked, returned):
            self._recorded[key] = made
            both = arrays(asked), arrays(returned)
            calls.append(Call(*key, type(cell).__name__, *both))

        args, kwargs = self._arguments([to_tensor(a) for a in inputs])
        with watched(root, seen, {}, {}):
            outputs = root(*args, **kwargs)
        return calls, arrays(outputs)

    def _arguments(self, inputs):
        """How the whole is called with its inputs."""
        if self.names is None:
            return tuple(inputs), {}
        return (), dict(zip(self.names, inputs, strict=True))

    @pynative()
    def run(self, asked):
        """As `common.contract.net.Net.run`."""
        root = self._root.set_train(asked.train)
        part = dict(walked(root))[asked.part[0] if asked.part else ""]
        within = {id(one.tensor) for one in held(part)}
        leaves = [one for one in held(root) if id(one.tensor) in within]
        assign(leaves, asked.values)
        call = self._call(part, asked)
        starts = [
            to_tensor(array)
            for some in (asked.inputs, *asked.given.values())
            for array in some
            if array is not None
        ]
        outputs, arrived = [], {}

        def objective(*starts):
            inputs, given = shared(asked, starts)
            with watched(root, None, given, arrived, asked.taps):
                outputs[:] = tensors(call(*inputs))
            ends = [(outputs, asked.cotangents or [None] * len(outputs))]
            for key, some in asked.arrived_cotangents.items():
                ends.append((arrived[key], some))
            return against(ends)

        slopes = {}
        if asked.backwards:
            trained = {one.name: one.tensor for one in leaves if one.trained}
            _, found, by_leaf = differentiated(objective, starts, trained)
            of_inputs, of_given = shared(asked, found)
            slopes = {
                "input_slopes": of_inputs,
                "slopes": by_leaf,
                "given_slopes": of_given,
            }
        else:
            objective(*starts)
        return Answer(
            outputs=arrays(outputs),
            arrived={key: arrays(some) for key, some in arrived.items()},
            buffers={
                one.name: to_array(one.tensor)
                for one in leaves
                if not one.trained
            },
            **slopes,
        )

    def _call(self, part, asked):
        """A part as a function of tensors, compiled if that is the mode."""
        if asked.part is None:
            inputs = [to_tensor(array) for array in asked.inputs]
            made = form(self._arguments(inputs), numbered())
        else:
            made = self._recorded[asked.part]

        def called(*tensors):
            args, kwargs = made(tensors)
            return part(*args, **kwargs)

        if self.mode == "eager" or asked.given:
            return called
        # The gradient is taken outside, and the tensors are handed over one
        # by one: those in a tuple would have a slope of zero (2.10.0).
        key = asked.part, asked.train
        if key not in self._compiled:
            self._compiled[key] = mindspore.jit(called)
        return self._compiled[key]

    def trace(self, values, inputs, train):
        """As `common.contract.net.Net.trace`.

        Differs: nothing sees the operations between cells (2.10).
        """
        return Trace()

    def source(self, path):
        """As `common.contract.net.Net.source`."""
        cell = dict(walked(self.module))[path]
        made = f"{type(cell).__name__}({cell.extend_repr()})"
        return source_of(type(cell), "construct", made)

    @pynative()
    def loss(self, function, outputs, labels):
        """As `common.contract.net.Net.loss`; whole-numbered labels are int32."""
        labels = np.asarray(labels)
        dtype = np.int32 if labels.dtype.kind in "iu" else outputs[0].dtype
        labels = to_tensor(labels.astype(dtype))

        def objective(*outputs):
            return foreign(function or usual_loss, *outputs, labels)

        starts = [to_tensor(array) for array in outputs]
        value, slopes, _ = differentiated(objective, starts, {})
        return value, tuple(slopes)


def usual_loss(outputs, labels):
    """Softmax cross-entropy of classes, the mean of squares of targets.

    The mean over labels that are not IGNORED, which is the default here too.
    """
    if labels.is_floating_point():
        return ops.square(outputs - labels).mean()
    return ops.cross_entropy(
        outputs.reshape(-1, outputs.shape[-1]),
        labels.reshape(-1),
        ignore_index=IGNORED,
    )


@contextmanager
def watched(root, seen, given, arrived, taps=()):
    """Look at every call of a Cell under a root, or put something in its place.

    Not by hooks: a Cell that has a bprop takes none, without a word (2.10.0).

    Args:
        root: the Cell.
        seen: called with key, cell, its arguments as a function of tensors,
            those tensors, and what it returned; None: nothing is.
        given: key -> tensors that take the place of what is returned.
        arrived: filled with key -> the tensors that such a call was made with.
        taps: keys of such calls that arrive with what they returned.
    """
    counts, paths = Counter(), {}
    for path, cell in walked(root):
        paths.setdefault(id(cell), path)
    call = nn.Cell.__call__

    def watching(cell, /, *args, **kwargs):
        path = paths.get(id(cell))
        key = path, counts[path]
        counts[path] += 1
        if path is None or (seen is None and key not in given):
            return call(cell, *args, **kwargs)
        asked = args, kwargs
        made = form(asked, numbered())
        # Something in place may change them before the call returns.
        before = [tensor.copy() for tensor in tensors(asked)]
        returned = call(cell, *args, **kwargs)
        if seen is not None:
            seen(key, cell, made, before, returned)
        if key not in given:
            return returned
        arrived[key] = tensors(returned) if key in taps else before
        filled = [
            old if new is None else new.copy()
            for old, new in zip(tensors(returned), given[key], strict=True)
        ]
        return form(returned, numbered())(filled)

    nn.Cell.__call__ = watching
    try:
        yield
    finally:
        nn.Cell.__call__ = call


def differentiated(objective, starts, trained):
    """Evaluate an objective, and differentiate it by tensors and Parameters.

    Args:
        objective: a function of the tensors.
        starts: the tensors; integers have no slope, but None.
        trained: name -> Parameter.

    Returns:
        value, slopes of the starts, name -> slope; arrays.
    """
    floats = [k for k, t in enumerate(starts) if t.is_floating_point()]
    slopes, names = [None] * len(starts), list(trained)
    if not floats and not names:
        return to_array(objective(*starts)), slopes, {}
    value, found = mindspore.value_and_grad(
        objective, tuple(floats) or None, list(trained.values()) or None
    )(*starts)
    if not floats:
        found = (), found
    elif not names:
        found = found, ()
    by_start, by_name = found
    if len(floats) == 1:
        by_start = (by_start,)  # one slope comes without its tuple
    for k, slope in zip(floats, by_start, strict=True):
        slopes[k] = to_array(slope)
    by_name = map(to_array, by_name)
    return to_array(value), slopes, dict(zip(names, by_name, strict=True))


def against(ends):
    """Σ cotangent × end, over pairs of tensors and their cotangents."""
    total = Tensor(0.0, mindspore.float32)
    for some, cotangents in ends:
        for end, cotangent in zip(some, cotangents, strict=True):
            if cotangent is not None and end.is_floating_point():
                total = total + (end * to_tensor(cotangent)).sum()
    return total


def shared(asked, flat):
    """Which of a row belong to the inputs, and which to what is given."""
    rest = iter(flat)
    inputs = tuple(next(rest) for _ in asked.inputs)
    given = {
        key: tuple(None if one is None else next(rest) for one in some)
        for key, some in asked.given.items()
    }
    return inputs, given


def walked(cell, path=""):
    """Every Cell under one by every path; `cells_and_names` says the first."""
    yield path, cell
    for name, child in cell._cells.items():
        if child is not None:
            yield from walked(child, f"{path}.{name}" if path else name)


def held(root):
    """Everything that a Cell and those under it hold, once."""
    found = {}
    for path, cell in walked(root):
        for role, tensor in (*cell._params.items(), *cell._buffers.items()):
            if tensor is None:
                continue
            trained = (
                isinstance(tensor, Parameter)
                and tensor.requires_grad
                and tensor.is_floating_point()
                and role not in STATISTICS
            )
            name = f"{path}.{role}" if path else role
            one = Held(name, [], type(cell).__name__, tensor, trained)
            found.setdefault(id(tensor), one).owners.append(path)
    return list(found.values())


def assign(leaves, values):
    """Set what is held, in the memory that compiled functions know."""
    for one in leaves:
        ops.assign(one.tensor, to_tensor(values[one.name]))


def form(tree, places):
    """A tree as a function of its tensors, such as jit's parser can read.

    Args:
        tree: tuples, lists and dicts of tensors and of anything else.
        places: of the tensors, as `numbered` makes them.
    """
    if is_tensor(tree):
        place = places[id(tree)]

        def filled(tensors):
            return tensors[place]

    elif isinstance(tree, dict):
        names = tuple(tree)
        parts = tuple(form(branch, places) for branch in tree.values())

        def filled(tensors):
            return {n: part(tensors) for n, part in zip(names, parts)}

    elif isinstance(tree, tuple | list):
        parts = tuple(form(branch, places) for branch in tree)
        if isinstance(tree, list):

            def filled(tensors):
                return [part(tensors) for part in parts]

        elif hasattr(tree, "_fields"):
            kind = type(tree)

            def filled(tensors):
                return kind(*[part(tensors) for part in parts])

        else:

            def filled(tensors):
                return tuple([part(tensors) for part in parts])

    else:

        def filled(tensors):
            return tree

    return filled


def numbered():
    """The places of tensors by their ids; one that is there twice is one."""
    return defaultdict(count().__next__)


def tensors(tree):
    """Those in a tree, in order; one that is there twice is one."""
    if is_tensor(tree):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, tuple | list):
        return []
    found = [tensor for branch in tree for tensor in tensors(branch)]
    return list({id(tensor): tensor for tensor in found}.values())


def arrays(tree):
    """Those in a tree, in NumPy."""
    return tuple(to_array(tensor) for tensor in tensors(tree))


def is_tensor(x):
    """Whether it is one."""
    return isinstance(x, Tensor)


def to_tensor(array):
    """A copy, so that nothing changes what is kept."""
    return Tensor(np.array(array, order="C"))


def of_leaf(tensor):
    """A leaf in NumPy, which has no bfloat16."""
    if tensor.dtype == mindspore.bfloat16:
        return to_array(tensor.astype(mindspore.float32))
    return to_array(tensor)


def to_array(tensor):
    """A copy in NumPy; `asnumpy` shares the tensor's memory."""
    return tensor.asnumpy().copy()
