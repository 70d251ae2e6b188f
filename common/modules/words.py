"""A report in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.modules.held import Held, Place

if TYPE_CHECKING:
    from common.modules.report import ModuleReport

#: So many names are listed before the rest are counted.
MOST_NAMES = 6


def report_text(report: ModuleReport) -> str:
    """The verdict, where it parts, what was right, how the weights were mapped."""
    first = report.first
    lines = [report.verdict if first is None else f"differs: {place_words(first.place)}"]
    if first is not None:
        lines[0] += standing(report, first)
        lines += [f"  {line}" for line in difference_lines(report, first)]
    lines += [f"  {line}" for line in right_lines(report)]
    lines += mapping_lines(report)
    return "\n".join(lines)


def place_words(place: Place) -> str:
    """Where a tensor belongs."""
    call = f", call {place.number + 1}" if place.number else ""
    if place.unit == "whole":
        return f"the whole network, {place.stage}"
    if place.unit == "loss":
        return "the loss"
    if place.unit == "wiring":
        if place.stage == "backward":
            return f"what follows {place.layer or 'the inputs'}{call}, backward"
        return f"what leads into {place.layer or 'the outputs'}{call}"
    return f"{place.layer}{call}, {place.stage}"


def standing(report: ModuleReport, first: Held) -> str:
    """Which of how many layers it is."""
    keys = [mine for mine, _ in report.matched.keys]
    key = first.place.layer, first.place.number
    if first.place.unit != "layer" or key not in keys:
        return ""
    words = f", layer {keys.index(key) + 1} of {len(keys)}"
    if first.place.port_layer != first.place.layer:
        words += f" ({first.place.port_layer} in the port)"
    return words


def difference_lines(report: ModuleReport, first: Held) -> list[str]:
    """What is wrong there."""
    if first.fault is not None:
        return [f"{first.place.tensor} {first.fault}"]
    at = f" at {list(first.index)}" if first.index else ""
    lines = [
        f"{first.place.tensor}{at}: port {first.value:.9g}, reference {first.reference:.9g}; "
        f"apart by {first.error:.3g}, bound {first.bound:.3g} ({first.dtype})"
    ]
    others = [
        one.place.tensor
        for one in report.held
        if not one.right
        and one is not first
        and one.place.unit == first.place.unit
        and (one.place.layer, one.place.stage) == (first.place.layer, first.place.stage)
    ]
    if others:
        lines.append(f"wrong there, too: {some(others)}")
    if report.likely_cause:
        lines.append(report.likely_cause)
    return lines


def right_lines(report: ModuleReport) -> list[str]:
    """What is right, how near, and what was judged with less than full sharpness."""
    right = [layer for layer in report.layers if layer.right]
    lines = []
    if right:
        worst = max(right, key=lambda layer: layer.worst.share)
        lines.append(
            f"{len(right)} of {len(report.layers)} layers and ways between them, both directions, "
            f"are right from equal inputs; the furthest is {place_words(worst.worst.place)}: "
            f"{worst.worst.place.tensor}, {worst.worst.share:.2g} of its bound"
        )
    sums = [one for one in report.held if one.right and one.judged == "sums"]
    if sums:
        most = max(sums, key=lambda one: one.ulps)
        lines.append(
            f"sums that round more than the reference's: {len(sums)}, up to {most.ulps:.0f} ulp "
            f"({place_words(most.place)}: {most.place.tensor})"
        )
    loose = sum(layer.loose for layer in report.layers)
    if loose:
        elements = sum(one.elements for one in report.held)
        lines.append(
            f"judged loosely: {loose} of {elements} elements lie on an edge, where the last "
            "places of the inputs decide"
        )
    if not report.matched.port.net.doubles:
        lines.append("the port computes in float32 only: rounding alone was judged, not float64")
    return lines


def mapping_lines(report: ModuleReport) -> list[str]:
    """How the weights were mapped."""
    mapping = report.matched.mapping
    ways: dict[str, int] = {}
    for entry in mapping.entries:
        ways[entry.decided] = ways.get(entry.decided, 0) + 1
    counted = ", ".join(f"{count} {way}" for way, count in ways.items())
    changed = [
        f"{entry.port}: {entry.source.transform} of {' and '.join(entry.source.reference)}"
        for entry in mapping.entries
        if len(entry.source.reference) > 1 or "regroup" in str(entry.source.transform)
    ]
    lines = [f"mapping: {len(mapping.entries)} leaves, {counted}"]
    if changed:
        lines.append(f"  {some(changed)}")
    left = report.not_compared
    lines.append(f"  not compared: {some(left)}" if left else "  nothing left over")
    return lines


def some(names: list[str]) -> str:
    """Names, the first of many."""
    more = len(names) - MOST_NAMES
    return "; ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
