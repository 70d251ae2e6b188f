"""A report in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.modules.causes.likely import SECONDS
from common.modules.held import EFFECT, INSIDE, KINKS, OWN, Held, Place

if TYPE_CHECKING:
    from common.modules.report import ModuleReport

#: So many names are listed before the rest are counted.
MOST_NAMES = 6


def report_text(report: ModuleReport) -> str:
    """The verdict, where it parts, what was right, how the weights were mapped."""
    lines = [headline(report)]
    lines += [f"  {line}" for line in difference_lines(report)]
    lines += [f"  {report.likely_cause}"] if report.likely_cause else []
    lines += [f"  {line}" for line in unasked_lines(report)]
    lines += [f"  declared: {words}" for words in report.declared]
    lines += [f"  {line}" for line in right_lines(report)]
    first, *rest = mapping_lines(report)
    lines += [first, *(f"  {line}" for line in rest)]
    return "\n".join(lines)


def unasked_lines(report: ModuleReport) -> list[str]:
    """For which causes there was no time, if there was none for some."""
    if not report.unasked:
        return []
    return [
        f"the search for a cause ended after {SECONDS:.0f} s; there was no time for "
        f"{', '.join(report.unasked)}"
    ]


def headline(report: ModuleReport) -> str:
    """The verdict, and where it parts."""
    first = report.first
    if first is None:
        rest = ": not everything was compared" if report.not_compared else ""
        return f"{report.verdict}{rest}"
    return f"differs: {place_words(first.place)}{standing(report, first)}"


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
    what = " (a tap)" if place.unit == "tap" else ""
    return f"{place.layer}{what}{call}, {place.stage}"


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


def difference_lines(report: ModuleReport) -> list[str]:
    """What is wrong at the first place that is."""
    first = report.first
    if first is None:
        return []
    if first.fault is not None:
        lines = [f"{first.place.tensor} {first.fault}"]
    else:
        at = f" at {list(first.index)}" if first.index else ""
        lines = [
            f"{first.place.tensor}{at}, in {first.dtype}",
            f"  port      {first.value: .9g}",
            f"  reference {first.reference: .9g}",
            f"  apart by  {first.error: .3g}",
            f"  bound     {first.bound: .3g}",
        ]
    if report.parting is not None:
        lines.append(f"inside: {report.parting}")
    if others := wrong_beside(report, first):
        lines.append(f"wrong there, too: {some(others)}")
    return lines


def wrong_beside(report: ModuleReport, first: Held) -> list[str]:
    """The other tensors that are wrong where the first is."""
    return [
        one.place.tensor
        for one in report.held
        if not one.right
        and one is not first
        and one.place.unit == first.place.unit
        and (one.place.layer, one.place.stage) == (first.place.layer, first.place.stage)
    ]


def right_lines(report: ModuleReport) -> list[str]:
    """What is right, how near, and what was judged with less than full sharpness."""
    right = [layer for layer in report.layers if layer.right]
    lines = []
    if right:
        worst = max(right, key=lambda layer: layer.worst.share).worst
        parts = f"{len(right)} of {len(report.layers)} parts"
        lines = [
            f"right from equal inputs: {parts} (layers, and ways between them)",
            f"furthest of these, at {worst.share:.2g} of its bound:\n"
            f"    {place_words(worst.place)}: {worst.place.tensor}",
        ]
    if report.matched.merged:
        lines.append(
            f"beginning or ending elsewhere in the port: {some(list(report.matched.merged))};\n"
            "    judged together with what is around"
        )
    if ends_there(report):
        lines.append("what is behind it, and all slopes, wait until this is right")
    lines += wider_lines(report)
    inside = sum(one.judged == INSIDE for one in report.held)
    if inside:
        lines.append(
            f"float32 inside: {inside} tensors, given float64, are rounded all the same;\n"
            "    of them rounding alone was judged"
        )
    other = [one for one in report.held if one.judged == EFFECT]
    if other:
        lines.append(
            f"another value, same effect: {len(other)} of what depends on nothing, as masks do:\n"
            f"    {place_words(other[0].place)}: {other[0].place.tensor} {value_words(other[0])}"
        )
    nearly = sum(one.judged == "rounding" for one in report.held)
    if nearly and getattr(report.matched.port.net, "played", False):
        lines.append(
            f"asked the same but for last places: {nearly} tensors of two kits;\n"
            "    of them rounding alone was judged"
        )
    lines += own_lines(report)
    loose = sum(layer.loose for layer in report.layers)
    if loose:
        elements = sum(one.elements for one in report.held)
        lines.append(
            f"judged loosely: {loose} of {elements} elements, on an edge where last places\n"
            f"    decide, or too large for the reference's own {report.matched.dtype}"
        )
    if not report.matched.port.net.doubles:
        lines.append("the port computes in float32 only: rounding alone was judged")
    return lines


def wider_lines(report: ModuleReport) -> list[str]:
    """What rounds more than the reference does: sums, and other formulas."""
    lines = []
    for judged, words in (
        ("sums", "sums that round more than the reference's: {}, up to {:.0f} ulp:"),
        (
            OWN,
            "formulas that round more than the reference's: {}, up to {:.0f} ulp;\n"
            "    rounding each operation of the port at random does, too, and float64 agrees:",
        ),
        (
            KINKS,
            "slopes in which rounding put numbers on the other side of a kink, as of ReLU at 0:\n"
            "    {}, up to {:.0f} ulp; moved a little, the reference's are apart as far:",
        ),
    ):
        found = [one for one in report.held if one.right and one.judged == judged]
        if found:
            most = max(found, key=lambda one: one.ulps)
            lines += [
                f"{words.format(len(found), most.ulps)}\n"
                f"    {place_words(most.place)}: {most.place.tensor}"
            ]
    return lines


def value_words(held: Held) -> str:
    """What a tensor is where it should be another."""
    if held.fault is not None:
        return held.fault
    return f"is {held.value:.9g} where the reference has {held.reference:.9g}"


def own_lines(report: ModuleReport) -> list[str]:
    """Where one framework gives other numbers than it gave: another version, or a compiler."""
    reference, port = report.matched.reference.net, report.matched.port.net
    told = [one for one in report.held if one.from_own is not None]
    if reference.framework != port.framework or not told:
        return []
    equal = sum(one.from_own == 0 for one in told)
    line = f"the reference's own {report.matched.dtype} numbers: {equal} of {len(told)} tensors"
    moved: dict[str, float] = {}
    for one in told:
        if one.from_own:
            words, share = place_words(one.place), one.from_own / one.bound
            moved[words] = max(share, moved.get(words, 0.0))
    if not moved:
        return [line]
    most = sorted(moved.items(), key=lambda item: -item[1])
    places = few([f"{words}: {share:.2g}" for words, share in most])
    return ["\n    ".join([f"{line}; the others off by, of their bounds,", *places])]


def ends_there(report: ModuleReport) -> bool:
    """Whether the first wrong tensor was the last that was asked for: a layer's, or one on the way
    to it, forwards.
    """
    first = report.first
    if first is None or first.place.stage != "forward":
        return False
    if first.place.unit == "wiring":
        return bool(first.place.layer) or first.fault is not None
    return first.place.unit == "layer"


def mapping_lines(report: ModuleReport) -> list[str]:
    """How the weights were mapped."""
    mapping = report.matched.mapping
    ways: dict[str, int] = {}
    for entry in mapping.entries:
        ways[entry.decided] = ways.get(entry.decided, 0) + 1
    counted = ", ".join(f"{count} {way}" for way, count in ways.items())
    left = report.not_compared
    lines = [f"mapping: {len(mapping.entries)} leaves" + (f", {counted}" if counted else "")]
    if not left:
        lines[0] += "; nothing left over"
    changed = [
        f"{entry.port}: {entry.source.transform} of {' and '.join(entry.source.reference)}"
        for entry in mapping.entries
        if len(entry.source.reference) > 1 or entry.source.transform.regroups
    ]
    return lines + few(changed) + [f"not compared: {line}" for line in few(left)]


def some(names: list[str]) -> str:
    """Names, the first of many."""
    return "; ".join(few(names))


def few(names: list[str]) -> list[str]:
    """The first of many names, and how many more there are."""
    more = len(names) - MOST_NAMES
    return names[:MOST_NAMES] + ([f"{more} more"] if more > 0 else [])
