"""Networks with one error each, in every framework where it can be, and what must be found.

An entry names the error, how the network is made right and wrong, and what `check` must say:
the layer, the unit, the stage, and the kind of cause (`common.agreement.cause.Cause`).
`python -m tests.benchmarks.causes` plants them all.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from common.check import CheckReport, check
from tests.planted_modules import nets
from tests.planted_modules.outcome import Outcome

#: Of the ports; PyTorch is the reference.
KINDS = ("torch", "nnx", "linen", "equinox", "mindspore")
JAX = ("nnx", "linen", "equinox")

#: The packages that a kind needs.
PACKAGES = {
    "torch": ("torch",),
    "nnx": ("torch", "flax"),
    "linen": ("torch", "flax"),
    "equinox": ("torch", "equinox"),
    "mindspore": ("torch", "mindspore"),
}

LAYER, WIRING, BACK = ("layer", "forward"), ("wiring", "forward"), ("wiring", "backward")

Options = Mapping[str, Any]

#: Changes the entries of a mapping file, each a dict, by the port's leaves in their order.
Edit = Callable[[list[dict[str, Any]]], None]


@dataclass(frozen=True)
class Planted:
    """An error.

    Attributes:
        net: in `nets`.
        wrong: what makes the port wrong.
        place: layer, unit, stage where it must be found.
        cause: the kind that must be said.
        right: what the reference, and a right port, is made with.
        kinds: of modules that it can be in.
        asked: arguments of `check`.
        losses: of the reference and of the port: what `nets.cross_entropy` is told.
        edit: of the right port's mapping, if the error is one.
    """

    net: str
    wrong: Options
    place: tuple[str, str, str]
    cause: str
    right: Options = field(default_factory=dict)
    kinds: tuple[str, ...] = KINDS
    asked: Options = field(default_factory=dict)
    losses: tuple[Options, Options] | None = None
    edit: Edit | None = None


def transformed(port: str, words: str) -> Edit:
    """One more step of the transform that makes a leaf."""

    def edit(entries: list[dict[str, Any]]) -> None:
        one = next(entry for entry in entries if leaf_of(entry) == port)
        was = one["transform"]
        one["transform"] = words if was == "identity" else f"{was}; {words}"

    return edit


def as_it_is(entries: list[dict[str, Any]]) -> None:
    """The right port's mapping, for a port that is not."""


def gates_exchanged(entries: list[dict[str, Any]]) -> None:
    """The second and the third gate of every leaf of the recurrent layer."""
    for entry in entries:
        if leaf_of(entry).startswith("rnn"):
            entry["transform"] = "blocks 0 2 1 3 of 4"


def leaves_exchanged(entries: list[dict[str, Any]]) -> None:
    """The weights of the two linear layers."""
    one, two = (next(e for e in entries if leaf_of(e) == f"{name} weight") for name in "ab")
    one["reference"], two["reference"] = two["reference"], one["reference"]


def channels_first(entries: list[dict[str, Any]]) -> None:
    """The weights behind a flattened picture, as they are where channels come first."""
    one = next(entry for entry in entries if leaf_of(entry) == "fc weight")
    one["transform"] = "permute 1 0"


def leaf_of(entry: dict[str, Any]) -> str:
    """A leaf by the reference's name, which all kinds share: "a weight"."""
    return " ".join(entry["reference"][0].split("."))


TRAIN = {"train": True}
BATCH = {"norm": "batch_norm"}

PLANTED = {
    "tanh GELU": Planted("perceptron", {"activation": "gelu_tanh"}, ("b", *WIRING), "activation"),
    "erf GELU": Planted(
        "perceptron",
        {"activation": "gelu_erf"},
        ("b", *WIRING),
        "activation",
        {"activation": "gelu_tanh"},
    ),
    "no activation": Planted(
        "perceptron", {"activation": "tanh"}, ("b", *WIRING), "activation", {"activation": "relu"}
    ),
    "missing bias": Planted("perceptron", {"bias": False}, ("a", *LAYER), "left out"),
    "pixels by another constant": Planted(
        "perceptron", {"pixels": (255 / 256, 0.0)}, ("a", *WIRING), "scale"
    ),
    "pixels to [-1, 1]": Planted(
        "perceptron", {"pixels": (2.0, -1.0)}, ("a", *WIRING), "standardised"
    ),
    "detached": Planted("perceptron", {"detached": True}, ("a", *BACK), "detached"),
    "eps of LayerNorm": Planted("normed", {"eps": 1e-3}, ("n", *LAYER), "eps"),
    "LayerNorm divided by n - 1": Planted("normed", {"norm": "by hand"}, ("n", *LAYER), "variance"),
    "eps of BatchNorm": Planted("normed", {**BATCH, "eps": 1e-3}, ("n", *LAYER), "eps", BATCH),
    "eps of BatchNorm, training": Planted(
        "normed", {**BATCH, "eps": 1e-3}, ("n", *LAYER), "eps", BATCH, asked=TRAIN
    ),
    "momentum": Planted(
        "normed", {**BATCH, "momentum": 0.01}, ("n", *LAYER), "momentum", BATCH, asked=TRAIN
    ),
    "momentum's complement": Planted(
        "normed", {**BATCH, "momentum": 0.9}, ("n", *LAYER), "momentum", BATCH, asked=TRAIN
    ),
    "biased running variance": Planted(
        "normed",
        {"norm": "biased_norm"},
        ("n", *LAYER),
        "running variance",
        BATCH,
        ("torch",),
        TRAIN,
    ),
    "SAME for symmetric padding": Planted(
        "pictures", {"padding": "SAME"}, ("conv", *LAYER), "padding"
    ),
    "dilation": Planted(
        "pictures",
        {"padding": 2, "dilation": 2},
        ("conv", *LAYER),
        "dilation and padding",
    ),
    "stride": Planted(
        "pictures",
        {"stride": 1, "pooled": "whole"},
        ("conv", *LAYER),
        "stride",
        {"pooled": "whole"},
    ),
    "padding not counted": Planted(
        "pictures",
        {"pooled": "not counted"},
        ("fc", *WIRING),
        "padding counted",
        {"pooled": "counted"},
    ),
    "NCHW flatten": Planted(
        "pictures", {}, ("fc", *LAYER), "flattened", kinds=("nnx", "linen"), edit=channels_first
    ),
    "mask inverted": Planted("attention", {"mask": "earlier"}, ("o", *WIRING), "mask"),
    "no mask": Planted("attention", {"mask": "none"}, ("o", *WIRING), "mask"),
    "no 1/sqrt(d)": Planted("attention", {"scaled": 1.0}, ("o", *WIRING), "scale"),
    "softmax over another axis": Planted(
        "attention", {"axis": -2, "mask": "none"}, ("o", *WIRING), "softmax", {"mask": "none"}
    ),
    "heads not transposed back": Planted(
        "attention", {"joined": False}, ("o", *WIRING), "heads joined"
    ),
    "QKV interleaved": Planted(
        "packed",
        {"packing": "heads three features"},
        ("o", *WIRING),
        "packing",
        edit=as_it_is,
    ),
    "query and key exchanged": Planted(
        "packed", {"exchanged": True}, ("o", *WIRING), "query, key and value", edit=as_it_is
    ),
    "no 1/sqrt(d) in a layer": Planted(
        "one_layer", {"scaled": 1.0}, ("a", *LAYER), "scale", edit=as_it_is
    ),
    "mask in a layer": Planted(
        "one_layer", {"mask": "later"}, ("a", *LAYER), "mask", edit=as_it_is
    ),
    "softmax's axis in a layer": Planted(
        "one_layer", {"axis": -2}, ("a", *LAYER), "softmax", edit=as_it_is
    ),
    "reset before": Planted("gru", {"reset": "before"}, ("rnn", *LAYER), "reset gate"),
    "no bias in the reset gate": Planted(
        "gru", {"reset": "after, no bias"}, ("rnn", *LAYER), "reset gate"
    ),
    "update gate's complement": Planted("gru", {"update": "old"}, ("rnn", *LAYER), "update gate"),
    "label smoothing": Planted(
        "perceptron", {}, ("", "loss", "loss"), "label smoothing", losses=({}, {"smoothing": 0.1})
    ),
    "class weights' normaliser": Planted(
        "perceptron",
        {},
        ("", "loss", "loss"),
        "mean",
        losses=({"weighted": True}, {"weighted": True, "over": "all"}),
    ),
    "ignored labels counted": Planted(
        "perceptron", {}, ("", "loss", "loss"), "ignored labels", losses=({"ignored": 0}, {})
    ),
    "mean over ignored labels, too": Planted(
        "perceptron",
        {},
        ("", "loss", "loss"),
        "mean",
        losses=({"ignored": 0}, {"ignored": 0, "over": "all"}),
    ),
    "mask on a loss that is a mean already": Planted(
        "perceptron",
        {},
        ("", "loss", "loss"),
        "ignored labels and mean",
        losses=({"ignored": 0, "over": "all"}, {"ignored": 0, "over": "masked"}),
    ),
    "transposed square weight": Planted(
        "perceptron", {}, ("a", *LAYER), "axes", edit=transformed("a weight", "permute 1 0")
    ),
    "leaves of equal shape exchanged": Planted(
        "perceptron", {}, ("", *WIRING), "other leaves", edit=leaves_exchanged
    ),
    "order of the gates": Planted("lstm", {}, ("rnn", *LAYER), "blocks", edit=gates_exchanged),
    "kernel flipped": Planted(
        "pictures", {}, ("conv", *LAYER), "backwards", edit=transformed("conv weight", "flip 2 3")
    ),
}


def kit(kind: str) -> Any:
    """The layers of a framework."""
    return importlib.import_module(f"tests.planted_modules.{kind}_kit")


@dataclass(frozen=True)
class Data:
    """What a network is given."""

    inputs: Any
    labels: Any = None


def data_of(one: Planted) -> Data:
    """Inputs, the same for all networks of a shape."""
    shapes = {"perceptron": nets.VECTORS, "normed": nets.VECTORS, "pictures": nets.PICTURES}
    shape = shapes.get(one.net, nets.TOKENS)
    inputs = np.random.default_rng(3).normal(0, 1, shape).astype("float32")
    return Data(inputs, np.array([0, 2, 5, 0, 4]) if one.losses else None)


#: What PyTorch has as a layer of its own is the reference, not its formula.
REFERENCES = {"one_layer": "attention_layer", "gru": "gru_layer", "lstm": "lstm_layer"}


def reference(one: Planted) -> Any:
    """The original, in PyTorch."""
    torch_kit = kit("torch")
    if one.net in REFERENCES:
        return getattr(torch_kit, REFERENCES[one.net])()
    return getattr(nets, one.net)(torch_kit, **one.right)


def held(one: Planted, kind: str, options: Options, mapping: Path | None = None) -> CheckReport:
    """Hold a port that is made with some options against the original."""
    port = getattr(nets, one.net)(kit(kind), **options)
    loss = None
    if one.losses is not None:
        theirs = one.losses[1] if options == one.wrong else one.losses[0]
        loss = (
            nets.cross_entropy(kit("torch"), **one.losses[0]),
            nets.cross_entropy(kit(kind), **theirs),
        )
    given = data_of(one)
    asked = {"steps": 1, "loss": loss, "mapping": mapping, **one.asked}
    report = check(port, reference(one), given.inputs, given.labels, **asked)
    assert isinstance(report, CheckReport)
    return report


@cache
def right(name: str, kind: str) -> CheckReport:
    """What is said of the right port."""
    one = PLANTED[name]
    return held(one, kind, one.right)


def wrong(name: str, kind: str, folder: Path) -> CheckReport:
    """What is said of the port with the error."""
    one = PLANTED[name]
    if one.edit is None:
        return held(one, kind, one.wrong)
    path = folder / "mapping.json"
    right(name, kind).matched.mapping.save(path)
    written = json.loads(path.read_text(encoding="utf-8"))
    one.edit(written["entries"])
    path.write_text(json.dumps(written), encoding="utf-8")
    return held(one, kind, one.wrong, path)


def outcome(name: str, kind: str, folder: Path) -> Outcome:
    """Plant an error and look."""
    one, report = PLANTED[name], wrong(name, kind, folder)
    if report.first is None:
        return Outcome(False, "none", report.verdict)
    place = report.first.place
    placed = (place.layer, place.unit, place.stage) == one.place
    kinds = "none" if report.cause is None else report.cause.kind
    cause = "none" if kinds == "none" else "right" if kinds == one.cause and placed else "WRONG"
    said = report.likely_cause or ("" if placed else str(report).splitlines()[0])
    return Outcome(placed, cause, said)
