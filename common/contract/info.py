"""The contract between the two sides: what a run is, what a backend says of itself.

Nothing here knows a framework by name. A backend is a folder under `backends/` whose
`__init__.py` holds `INFO`, an instance of `Info`, readable without the framework; the
functions its files must have are listed in `CONTRACT`, and a test reads them by `ast`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Style = Literal["scratch", "concise"]

Mode = Literal["eager", "jit", "fused"]

DataChoice = Literal["memory", "loader"]

STYLES = ("scratch", "concise")

MODES = ("eager", "jit", "fused")

#: How a network of one's own can be run: each part op by op, or compiled as one.
MODULE_MODES = ("eager", "jit")

DATA_CHOICES = ("memory", "loader")

#: What `--dataset` takes, the usual one first; `common.data.known` says what they are.
DATASETS = ("fashion-mnist", "mnist", "kmnist", "emnist-letters", "cifar10")

#: In which a network of one's own is checked, and every backend computes.
MODULE_DTYPES = ("float32", "float64")

DTYPES = (*MODULE_DTYPES, "bfloat16", "tfloat32")

#: How much of a run is checked.
CHECKS = ("full", "quick", "none")

#: Whose law the weights are drawn by: one for all, or each framework's own.
INITS = ("book", "framework")

DEVICES = ("cpu", "cuda")

#: file -> function -> argument names: the same in every backend, in this order; layers, of which
#: models are made, are each backend's own.
CONTRACT: dict[str, dict[str, tuple[str, ...]]] = {
    "data.py": {
        "to_tensor": ("array", "device"),
        "to_array": ("tensor",),
        "place": ("images", "labels", "dtype", "device"),
        "take": ("data", "index"),
        "loader": ("folder", "dtype", "device", "batch_size", "workers"),
    },
    "model.py": {
        "load": ("arrays", "axes", "device"),
        "assign": ("params", "arrays", "axes"),
        "dump": ("params", "axes"),
        "linear_scratch": ("params",),
        "linear_concise": ("params",),
        "softmax_scratch": ("params",),
        "softmax_concise": ("params",),
        "mlp_scratch": ("params",),
        "mlp_concise": ("params",),
        "backward": ("forward",),
    },
    "convolutional.py": {
        "lenet_scratch": ("params", "shape"),
        "lenet_concise": ("params", "shape"),
        "lenet_bn_scratch": ("params", "shape"),
        "lenet_bn_concise": ("params", "shape"),
        "resnet_scratch": ("params", "shape"),
        "resnet_concise": ("params", "shape"),
    },
    "recurrent.py": {
        "gru_scratch": ("params", "shape"),
        "gru_concise": ("params", "shape"),
        "lstm_scratch": ("params", "shape"),
        "lstm_concise": ("params", "shape"),
    },
    "attention.py": {
        "attention_scratch": ("params", "shape"),
        "attention_concise": ("params", "shape"),
    },
    "layers.py": {},
    "initial.py": {"initial": ("params", "seed")},
    "statistics.py": {
        "backward": ("forward", "statistics"),
        "gradients": ("forward", "loss", "mode", "statistics"),
        "keeping": ("update", "statistics"),
    },
    "loss.py": {
        "squared_error_scratch": ("logits", "labels"),
        "squared_error_concise": ("logits", "labels"),
        "cross_entropy_scratch": ("logits", "labels"),
        "cross_entropy_concise": ("logits", "labels"),
        "smoothed_cross_entropy_scratch": ("smoothing",),
        "smoothed_cross_entropy_concise": ("smoothing",),
        "weighted_cross_entropy_scratch": ("weights",),
        "weighted_cross_entropy_concise": ("weights",),
        "gradient": ("loss",),
    },
    "update.py": {
        "sgd_scratch": ("params", "lr", "momentum", "decay"),
        "sgd_concise": ("params", "lr", "momentum", "decay"),
        "nesterov_scratch": ("params", "lr", "momentum", "decay"),
        "nesterov_concise": ("params", "lr", "momentum", "decay"),
        "assign_state": ("state", "arrays", "axes"),
        "dump_state": ("state", "axes"),
    },
    "adaptive.py": {
        "adam_scratch": ("params", "lr", "betas", "eps", "decay"),
        "adam_concise": ("params", "lr", "betas", "eps", "decay"),
        "adamw_scratch": ("params", "lr", "betas", "eps", "decay"),
        "adamw_concise": ("params", "lr", "betas", "eps", "decay"),
        "rmsprop_scratch": ("params", "lr", "alpha", "eps", "decay"),
        "rmsprop_concise": ("params", "lr", "alpha", "eps", "decay"),
        "adagrad_scratch": ("params", "lr", "eps", "decay"),
        "adagrad_concise": ("params", "lr", "eps", "decay"),
    },
    "clip.py": {
        "clip_value_scratch": ("params", "most"),
        "clip_value_concise": ("params", "most"),
        "clip_norm_scratch": ("params", "most"),
        "clip_norm_concise": ("params", "most"),
    },
    "schedule.py": {
        "schedule_scratch": ("lr", "schedule", "warm_up", "steps"),
        "schedule_concise": ("lr", "schedule", "warm_up", "steps"),
    },
    "accuracy.py": {
        "correct": ("logits", "labels"),
        "uncounted": ("logits", "labels"),
    },
    "train.py": {
        "setup": ("dtype", "device", "threads"),
        "compile_seconds": (),
        "gradients": ("forward", "loss", "mode"),
        "step": ("gradients", "update", "correct"),
        "compiled": ("function", "updates"),
        "epoch": ("step", "data", "mode", "batch_size"),
        "evaluate": ("forward", "loss", "correct", "data", "mode", "batch_size"),
    },
}

#: The backend of an entrant that is put together from several.
MIXED = "mix"

#: component -> its files: models stand in several, and what they are made of in one more.
FILES = {
    "data": ("data.py",),
    "model": (
        "model.py",
        "convolutional.py",
        "recurrent.py",
        "attention.py",
        "layers.py",
        "statistics.py",
    ),
    "loss": ("loss.py",),
    "update": ("update.py", "adaptive.py", "clip.py", "schedule.py"),
    "accuracy": ("accuracy.py",),
    "train": ("train.py",),
    "initial": ("initial.py",),
}

COMPONENTS = tuple(FILES)

#: What can be taken from different frameworks; `train` only puts them together, and weights are
#: drawn once.
MIXABLE = tuple(name for name in COMPONENTS if name not in ("train", "initial"))

#: glibc gives freed memory back to the system and faults it in again, batch after batch, in one
#: process and not in the next: up to half of an epoch's time. It is to keep what it has.
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25)}


@dataclass(frozen=True)
class Declared:
    """A difference that a framework has by design: one line of the strict ledger.

    Attributes:
        function: the backend's, whose rule is another one.
        dtypes: for which it holds.
        rule: name of the NumPy function in the backend's `declared.py` that says what it does.
        bound: how far that leads, measured.
        reason: in words, for the user.
        version: of the framework it was measured in.
    """

    function: str
    dtypes: tuple[str, ...]
    rule: str
    bound: str
    reason: str
    version: str


@dataclass(frozen=True)
class DeclaredLayer:
    """A layer whose running variance is divided by n, by design, as others divide by n - 1.

    Attributes:
        kinds: names of the layers' types.
        buffer: the variance's name in them.
        reason: in words, for the user.
        version: of the framework it was measured in.
    """

    kinds: tuple[str, ...]
    buffer: str
    reason: str
    version: str


@dataclass(frozen=True)
class Parallel:
    """How a framework trains one model on several devices, each with its share of every batch.

    Attributes:
        word: that an entrant asks for it with.
        kind: "ranks": each device is a process's own, which trains its share; "devices": one
            process has all, and one program of the whole batch; "controllers": each is a process's
            own, and all run that program.
        modes, devices, dtypes: that go with it.
        absent: choice -> why it does not go with it.
        environment: variables set before the framework is imported; `{ranks}` is filled in.
    """

    word: str
    kind: Literal["ranks", "devices", "controllers"]
    modes: tuple[Mode, ...]
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = MODULE_DTYPES
    absent: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def lacks(self, device: str, dtype: str) -> str | None:
        """Why a device or a dtype does not go with it; None if both do."""
        for word, has in ((device, self.devices), (dtype, self.dtypes)):
            if word not in has:
                return f"no {self.word} in {word}: {self.absent.get(word, 'it was not tried')}"
        return None


@dataclass(frozen=True)
class Info:
    """What a backend says of itself; plain data.

    Attributes:
        title: the framework's name as its authors write it.
        packages: distributions whose versions are reported; all must be installed.
        extra: the extra of this project that installs them.
        usual_mode: the mode most of its users run.
        modes, styles, data, devices: what it can do.
        dtypes: beside float32 and float64, dtype -> the devices on which it has that.
        absent: choice -> why it cannot be had, in words.
        lacking: model -> choice -> why it cannot be had with this model.
        environment: variables set before the framework is imported; `{threads}` is filled in.
        tuned: more of them, left out for a `stock` entrant.
        tuned_convolutions: more of those, where convolutions are computed.
        loader_packages: distributions that only the `loader` data choice needs.
        remarks: (function, mode or device, dtype or device or "*", words): notes on who uses it.
        exp_error: largest relative error of the framework's float32 `exp`, measured.
        function_errors: function -> the same of those that models apply, by NumPy's names, where
            it is more than a few roundings.
        declared: differences that it has by design.
        declared_layers: the same of layers.
        modules: base classes of the networks that its `module.py` takes, by their full names.
        refused: base class -> why a network that no backend takes and that has it is refused.
        doubles: whether those compute in float64 throughout when they are given it.
        listings: style -> models of which `listings/<style>.py.jinja` makes a file.
        parallel: the ways in which it trains on several devices, the usual one first.
    """

    title: str
    packages: tuple[str, ...]
    extra: str | None
    usual_mode: Mode
    modes: tuple[Mode, ...]
    styles: tuple[Style, ...] = ("scratch", "concise")
    data: tuple[DataChoice, ...] = ("memory",)
    devices: tuple[str, ...] = ("cpu",)
    dtypes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, dict[str, str]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    tuned: dict[str, str] = field(default_factory=dict)
    tuned_convolutions: dict[str, str] = field(default_factory=dict)
    loader_packages: tuple[str, ...] = ()
    remarks: tuple[tuple[str, str, str], ...] = ()
    exp_error: float = 2.4e-7
    function_errors: dict[str, float] = field(default_factory=dict)
    declared: tuple[Declared, ...] = ()
    declared_layers: tuple[DeclaredLayer, ...] = ()
    modules: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    doubles: bool = True
    listings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parallel: tuple[Parallel, ...] = ()

    def choices(self, model: str | None = None) -> tuple[str, ...]:
        """Every style, mode and data choice this backend has, or has with a model."""
        lacking = self.lacking.get(model or "", {})
        words = (*self.styles, *self.modes, *self.data)
        return tuple(word for word in words if word not in lacking)

    def lacks(self, device: str, dtype: str) -> str | None:
        """Why it cannot be had on a device, or not in a dtype there; None if it can."""
        if device not in self.devices:
            why = self.absent.get(device, f"its INFO does not list {device}")
            return f"no device {device}: {why}"
        if dtype not in MODULE_DTYPES and device not in self.dtypes.get(dtype, ()):
            why = self.absent.get(dtype, f"its INFO does not list {dtype}")
            return f"no dtype {dtype} on {device}: {why}"
        return None

    def variables(
        self, threads: int, device: str, *, stock: bool = False, convolves: bool = False
    ) -> dict[str, str]:
        """The environment variables of a worker.

        Args:
            threads: how many it may have.
            device: on which it computes.
            stock: leave out what is tuned.
            convolves: whether convolutions are computed.
        """
        tuned = {} if stock else {**ALLOCATOR, **self.tuned}
        if convolves and not stock:
            tuned |= self.tuned_convolutions
        return {
            name: text.format(threads=threads, device=device)
            for name, text in {**self.environment, **tuned}.items()
        }


REFEREE = "numpy"


def home_of(prefix: str) -> str:
    """The file in which the functions of both styles stand."""
    return next(file for file, names in CONTRACT.items() if f"{prefix}_scratch" in names)
