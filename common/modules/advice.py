"""What to try next, by what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.modules.words import place_words

if TYPE_CHECKING:
    from common.modules.held import Held
    from common.modules.report import ModuleReport

#: Where to look for what is wrong other than by its numbers, by its kind.
FAULTS = {
    "raised": "The port raised that on the reference's own inputs: call that part by itself.",
    "random": "Two calls must give one answer before it can be held against another's.",
    "form": "Shapes and dtypes come first: print them there on both sides.",
    "NaN": (
        "Print what arrives there: a log or a division of zero, an exp that overflows and a row "
        "that is masked altogether give NaN."
    ),
}


def advice(report: ModuleReport) -> list[str]:
    """A line or two: where to look, and what to run then."""
    lines = []
    if report.first is not None:
        lines += of_first(report, report.first)
    if report.matched.trained_apart:
        lines.append(
            "Not compared: train a leaf on both sides or on neither, and as one where the "
            "reference has one; until then their first steps part."
        )
    if report.without_counterpart:
        lines.append(
            "Not compared: give the leaf its counterpart, or write down how it is made: "
            'report.matched.mapping.save(Path("mapping.json")) has what was found; edit it, and '
            'give it back: check(..., mapping="mapping.json").'
        )
    if report.first is None and not report.not_compared:
        lines.append("Keep it so: report.require() in a test fails as soon as the two part.")
        if not report.matched.train:
            lines.append(
                "This was evaluation: train=True also compares statistics of the batch, and the "
                "buffers afterwards."
            )
    return lines


def of_first(report: ModuleReport, first: Held) -> list[str]:
    """Where to look for what is wrong first."""
    if first.fault_kind:
        return [FAULTS[first.fault_kind]]
    if first.dtype == "float32" and report.matched.port.net.doubles:
        return [
            "In float64 it is right: the formula is, and its arithmetic is not. Look for a cast "
            "to a shorter dtype, TF32 or bfloat16 products, a formula that cancels."
        ]
    return of_place(report, first)


def of_place(report: ModuleReport, first: Held) -> list[str]:
    """Where to look, by which part it is."""
    place, names = first.place, report.matched.mapping.port
    if place.unit == "loss":
        return [
            "Both losses had the same outputs: mean or sum, logits or probabilities, smoothing, "
            "class weights, labels that are ignored."
        ]
    if place.unit == "whole":
        return [
            "Every layer and every way between them is right by itself: look for what is kept "
            "from call to call, or made anew at each."
        ]
    if place.unit == "wiring" and place.stage == "backward":
        return [
            "The layers' own slopes are right: between them look for a detached tensor, a "
            "stop_gradient, something changed in place."
        ]
    if place.unit == "wiring":
        return [
            f"All before it is right, and it had the reference's outputs: {place_words(place)} "
            "is what to read: an activation, a sum, an order of axes, a pooling, a layer that "
            "is passed by or called on something else."
        ]
    if place.tensor in names:
        return [
            f"{place.tensor} is what the layer keeps of its batches: its momentum or the "
            "complement of it, the biased or the unbiased variance."
        ]
    if place.stage == "backward":
        return [
            "Forwards the layer is right: look for a detached tensor, a stop_gradient, a "
            "gradient of your own, a parameter that is not trained."
        ]
    return [
        "The layer had the reference's inputs and weights: compare how both were made (eps, "
        "padding, axes, heads), then what they compute."
    ]
