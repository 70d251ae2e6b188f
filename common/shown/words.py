"""Numbers and verdicts in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.text import Text

from common.locale.language import OWN, _, marked, spoken
from common.locale.phrases import told
from common.locale.typography import wrapped
from common.measure.quiet import BUSY, many
from common.measure.starts import RARE
from common.measure.statistics import CLEAR, ROUNDS, clear
from common.results.document import Draws, Pair

DASH = "–"

#: CPU time over wall time from which on an entrant has more threads than the plan gives it.
MORE_CORES = 1.05

#: Words of results.json that are shown as they are in English: verdicts, and how an entrant ended.
MARKED = (
    marked("identical"), marked("rounding"), marked("declared"), marked("differs"),
    marked("not checked"), marked("ok"), marked("unavailable"), marked("failed"), marked("killed"),
    marked("timeout"), marked("diverged"), marked("interrupted"), marked("data"),
    marked("forward"), marked("loss"), marked("gradient"), marked("update"), marked("accuracy"),
    marked("backward"), marked("step"), marked("epochs"), marked("turns"), marked("epoch"),
    marked("no clear difference"), marked("not compared"), marked("a is faster"),
    marked("b is faster"), marked("machine busy: not judged"), marked("reference"), marked("port"),
    marked("faster"), marked("slower"),
    marked("better"), marked("model"), marked("worse"),
)  # fmt: skip

OWN_STARTS = marked(
    "each framework's layers drew their own initial values: losses and accuracies differ by that, "
    "and each is held against a referee that began as it did"
)


def finite(value: float | None) -> bool:
    """Whether there is a number to draw."""
    return value is not None and bool(np.isfinite(value))


def seconds(value: float | None) -> str:
    """Three significant digits and a unit."""
    if value is None:
        return DASH
    if 0 < value < 1e-3:
        return f"{value * 1e6:.3g} µs"
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def plain(words: str, style: str = "") -> Text:
    """Somebody's words as they are: no markup, and no control character reaches the terminal."""
    shown = (c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    return Text("".join(shown), style=style)


def results_line(folder: Path | str, drawn: str = "") -> Text:
    """Where it all is, and the picture of it; to be clicked on in a terminal that can."""
    line = Text(_("results in ")).append_text(linked(Path(folder), str(folder)))
    if drawn:
        line.append(_(", drawn in ")).append_text(linked(Path(folder) / drawn, drawn))
    return line


def linked(path: Path, words: str) -> Text:
    """Words that lead to a file."""
    return plain(words, style=f"link {path.resolve().as_uri()}")


def paragraph(words: str, width: int, style: str = "") -> Text:
    """Words over several lines; English is broken by the console, at its spaces."""
    return plain(words if spoken() == OWN else "\n".join(wrapped(words, width)), style)


def percent(value: float | None) -> str:
    """One digit after the point; more, where all but the whole would be called the whole."""
    if value is None:
        return DASH
    places = next((n for n in (1, 2, 3) if f"{100 * value:.{n}f}" != f"{100:.{n}f}"), 4)
    return f"{100 * value:.{1 if value == 1 else places}f} %"


def loss_digits(value: float | None) -> str:
    """Four digits after the point; of what is so little that they would be zeros, three digits."""
    small = value is not None and 0 < abs(value) < 0.01
    return digits(value, ".2e" if small else ".4f")


def sentence_of(words: str) -> str:
    """Words that stand alone."""
    return f"{words[:1].upper()}{words[1:]}" + _(".")


def winner_words(pair: Pair, rounds: int) -> str:
    """Who of a pair is faster, or why that is not said.

    Args:
        pair: one of `comparisons`.
        rounds: of the run, each of them a process.
    """
    if winner := {"a is faster": pair.a, "b is faster": pair.b}.get(pair.verdict):
        return _("{winner} is faster", winner=winner)
    words = _(pair.verdict)
    if pair.ratio is None or pair.verdict == BUSY:
        return words
    if pair.low is None or pair.high is None:
        return _("too few epochs to tell")
    alike = pair.high >= 1 / (1 + CLEAR) and pair.low <= 1 + CLEAR
    if alike or rounds >= ROUNDS:
        return words
    return _("{words}, by so few processes; --rounds {rounds} tells", words=words, rounds=ROUNDS)


def times_words(ratio: float) -> str:
    """So many times: two digits after the point, or two that count."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def clear_words(rounds: int) -> str:
    """From where on a ratio is called a difference: "5 %"."""
    return f"{100 * clear(rounds):g} %"


def files_beside_arrays(a: str, b: str, reads_files: str | None, share: float | None) -> str | None:
    """Say of two entrants that are compared that one reads files and the other has arrays."""
    if reads_files is None:
        return None
    words = _(
        "{label} reads files, {other} has its arrays in memory",
        label=reads_files,
        other=b if reads_files == a else a,
    )
    if share is not None:
        words += _(
            "; {share} of {label}'s time was waiting for data",
            share=percent(share),
            label=reads_files,
        )
    return words


def megabytes(value: int | None) -> str:
    """Whole megabytes (10^6 bytes)."""
    return DASH if value is None else f"{value / 1e6:.0f} MB"


Losses = Mapping[str, Sequence[float | None]]


def said(
    statuses: Mapping[str, str],
    verdicts: Mapping[str, str],
    losses: Losses,
    *,
    interrupted: bool = False,
) -> str:
    """Statuses, verdicts and step losses by label, in one sentence."""
    if not interrupted and set(statuses.values()) == {"diverged"} and (steps := run_away(losses)):
        return _(
            "All entrants run away alike: their losses are infinite, or NaN, from {steps}, and "
            "nothing can be said of agreement beyond; try a smaller --lr.",
            steps=steps,
        )
    finished = {label: verdicts[label] for label, one in statuses.items() if one == "ok"}
    lost = [f"{label} ({_(one)})" for label, one in statuses.items() if one != "ok"]

    def those(word: str) -> list[str]:
        return [label for label, verdict in finished.items() if verdict == word]

    differ, open_, declared = those("differs"), those("not checked"), those("declared")
    words = []
    if interrupted:
        words.append(_("Interrupted"))
    if differ:
        words.append(
            agreeing(
                differ, _("{who} differs from the referee"), _("{who} differ from the referee")
            ).format(who=listed(differ))
        )
    if open_:
        words.append(_("{who}: agreement was not checked to the end", who=listed(open_)))
    if declared:
        words.append(
            agreeing(
                declared,
                _("{who} follows a rule of its own that is declared"),
                _("{who} follow rules of their own that are declared"),
            ).format(who=listed(declared))
        )
    agree = [label for label in finished if label not in differ + open_ + declared]
    if agree:
        others = differ or open_ or lost or declared or len(agree) == 1
        words.append(
            agreeing(
                agree,
                _("{who} agrees with the referee: only rounding differs"),
                _("{who} agree with the referee: only rounding differs"),
            ).format(who=listed(agree))
            if others
            else _("All entrants agree with the referee: only rounding differs")
        )
    if lost:
        words.append(_("{who} did not finish", who=listed(lost)))
    return _(". ").join(words) + _(".")


#: Losses that run away alike differ by so much at most, of the largest, until one is infinite; what
#: overflows in the others, a square or its sum, does so within some steps after that.
ALIKE, LATER = 0.01, 3


def run_away(losses: Losses) -> str | None:
    """The step, or steps, at which the losses of all become infinite; None if not alike."""
    rows = [np.array(row, dtype="float64") for row in losses.values()]
    held = [np.append(np.isfinite(row), False) for row in rows]
    ends = [int(row.argmin()) for row in held]
    first, last = min(ends, default=0), max(ends, default=0)
    reached = all(end < len(row) for end, row in zip(ends, rows, strict=True))
    if len(rows) < 2 or not first or not reached or last - first > LATER:
        return None
    before = np.array([row[:first] for row in rows])
    if (np.ptp(before, axis=0) > ALIKE * np.abs(before).max(axis=0)).any():
        return None
    latest = _(", {last} at the latest", last=last + 1) if last > first else ""
    return _("step {first} on{latest}", first=first + 1, latest=latest)


def listed(words: Sequence[str]) -> str:
    """Words in a row, the last after "and"."""
    return words[0] if len(words) == 1 else _(", ").join(words[:-1]) + _(" and ") + words[-1]


def joined(*parts: str) -> str:
    """What is said of something, after its name: "torch: note: ..."."""
    return _(": ").join(parts)


def agreeing(subjects: Sequence[str], one: str, several: str) -> str:
    """The form of a verb that goes with so many subjects."""
    return one if len(subjects) == 1 else several


def digits(value: float | None, how: str) -> str:
    """A number in a format, or a dash."""
    return DASH if value is None else format(value, how)


def three_digits(value: float | None) -> str:
    """Seconds, three digits after the point; three that count of less than a tenth."""
    return digits(value, "#.3g" if value is not None and 0 < value < 0.1 else ".3f")


def beside_line(beside: str) -> str:
    """That another run was at work when one began."""
    return _("{beside} was at work when this one began: no times are judged", beside=told(beside))


def starting_line(starting: int) -> str:
    """That others started while one did."""
    return _(
        "import, open, compile and first step were timed while {starting} entrants started at a "
        "time; --start-alone times each by itself",
        starting=starting,
    )


def cores_lines(used: Mapping[str, float | None], threads: int) -> list[str]:
    """Who kept more cores busy than the plan has threads."""
    return [
        _(
            "{label} kept {cores:.2f} cores busy, and was to use {threads}: its times are not "
            "those of the plan",
            label=label,
            cores=cores,
            threads=threads,
        )
        for label, cores in used.items()
        if cores is not None and cores > threads * MORE_CORES
    ]


def disturbed_line(noted: Mapping[str, Sequence[bool]], what: str = "epochs") -> str:
    """Whose epochs, or turns, others disturbed, in words; empty if nobody's."""
    parts = [
        _(
            "{some} of {all} {what} of {label}",
            some=sum(epochs),
            all=len(epochs),
            what=_(what),
            label=label,
        )
        for label, epochs in noted.items()
        if any(epochs)
    ]
    if not parts:
        return ""
    words = _(
        "others used the machine during {parts}; they count all the same", parts=_(", ").join(parts)
    )
    if any(many(epochs) for epochs in noted.values()):
        words += _(", so that these times say little: run it again when the machine is quiet")
    return words


def reach_words(held: int, steps: int) -> str:
    """How much of a free run the referee's was long enough for; nothing to say of all."""
    if not 0 < held < steps:
        return ""
    return _(
        "the free runs are held against the referee for the first {held} of {steps} steps, "
        "all that its own run had time for; the components at the first step, the short "
        "batch and the last of these",
        held=held,
        steps=steps,
    )


def left_out_words(left_out: Sequence[str], check: str) -> str:
    """Which checks were left out; nothing to say of none."""
    if not left_out:
        return ""
    if check == "quick":
        return _("left out, as --check quick asks: {what}", what=_(", ").join(map(told, left_out)))
    return _(
        "there was no time to check: {what}; --check-seconds gives more",
        what=_(", ").join(map(told, left_out)),
    )


def blind_words(held: Mapping[str, int | None], steps: int) -> list[str]:
    """From where on rounding alone may lead a loss anywhere, in words.

    Args:
        held: label -> how many steps are held against the referee, None for as many as there are.
        steps: of a free run.
    """
    reached: dict[int, list[str]] = {}
    for label, count in held.items():
        if count is not None:
            reached.setdefault(count, []).append(label)
    return [
        _(
            "after step {count} of {steps} rounding alone may move the loss of {labels} by a "
            "tenth and more: later steps are not held against the referee, and accuracies do not "
            "say who learns better; try a smaller --lr",
            count=count,
            steps=steps,
            labels=listed(labels),
        )
        for count, labels in reached.items()
    ]


def spread_words(mean: float, deviation: float, low: float, high: float) -> str:
    """How numbers are distributed: their deviation, the least and the largest."""
    if low == high:
        return _("all {mean:.3g}", mean=mean)
    return _("{deviation:.3g}, {low:.3g} to {high:.3g}", deviation=deviation, low=low, high=high)


def laws_words(pairs: Sequence[Draws]) -> str:
    """Whose draws may be of one law."""
    alike = [_("{a} and {b}", a=pair.a, b=pair.b) for pair in pairs if pair.p >= RARE]
    return _("all") if pairs and len(alike) == len(pairs) else _(", ").join(alike) or _("none")
