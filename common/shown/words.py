"""Numbers and verdicts in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.text import Text

from common.measure.quiet import BUSY
from common.measure.starts import RARE
from common.measure.statistics import CLEAR, ROUNDS, clear
from common.results.document import Draws, Pair

DASH = "–"

OWN_STARTS = (
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
    line = Text("results in ").append_text(linked(Path(folder), str(folder)))
    if drawn:
        line.append(", drawn in ").append_text(linked(Path(folder) / drawn, drawn))
    return line


def linked(path: Path, words: str) -> Text:
    """Words that lead to a file."""
    return plain(words, style=f"link {path.resolve().as_uri()}")


def percent(value: float | None) -> str:
    """One digit after the point."""
    return DASH if value is None else f"{100 * value:.1f} %"


def loss_digits(value: float | None) -> str:
    """Four digits after the point; of what is so little that they would be zeros, three digits."""
    small = value is not None and 0 < abs(value) < 0.01
    return digits(value, ".2e" if small else ".4f")


def sentence_of(words: str) -> str:
    """Words that stand alone."""
    return f"{words[:1].upper()}{words[1:]}."


def winner_words(pair: Pair, rounds: int) -> str:
    """Who of a pair is faster, or why that is not said.

    Args:
        pair: one of `comparisons`.
        rounds: of the run, each of them a process.
    """
    if winner := {"a is faster": pair.a, "b is faster": pair.b}.get(pair.verdict):
        return f"{winner} is faster"
    words = pair.verdict
    if pair.ratio is None or words == BUSY:
        return words
    if pair.low is None or pair.high is None:
        return "too few epochs to tell"
    alike = pair.high >= 1 / (1 + CLEAR) and pair.low <= 1 + CLEAR
    if alike or rounds >= ROUNDS:
        return words
    return f"{words}, by so few processes; --rounds {ROUNDS} tells"


def times_words(ratio: float) -> str:
    """So many times: two digits after the point, or one that counts."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.1g}"


def clear_words(rounds: int) -> str:
    """From where on a ratio is called a difference: "5 %"."""
    return f"{100 * clear(rounds):g} %"


def files_beside_arrays(a: str, b: str, reads_files: str | None, share: float | None) -> str | None:
    """Say of two entrants that are compared that one reads files and the other has arrays."""
    if reads_files is None:
        return None
    words = f"{reads_files} reads files, {b if reads_files == a else a} has its arrays in memory"
    if share is not None:
        words += f"; {percent(share)} of {reads_files}'s time was waiting for data"
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
        return (
            f"All entrants run away alike: their losses are infinite, or NaN, from {steps}, and "
            "nothing can be said of agreement beyond; try a smaller --lr."
        )
    finished = {label: verdicts[label] for label, one in statuses.items() if one == "ok"}
    lost = [f"{label} ({one})" for label, one in statuses.items() if one != "ok"]

    def those(word: str) -> list[str]:
        return [label for label, verdict in finished.items() if verdict == word]

    differ, open_, declared = those("differs"), those("not checked"), those("declared")
    words = []
    if interrupted:
        words.append("Interrupted")
    if differ:
        words.append(f"{listed(differ)} {agreeing(differ, 'differs', 'differ')} from the referee")
    if open_:
        words.append(f"{listed(open_)}: agreement was not checked to the end")
    if declared:
        whose = agreeing(declared, "a rule of its own that is", "rules of their own that are")
        words.append(
            f"{listed(declared)} {agreeing(declared, 'follows', 'follow')} {whose} declared"
        )
    agree = [label for label in finished if label not in differ + open_ + declared]
    if agree:
        others = differ or open_ or lost or declared or len(agree) == 1
        who = listed(agree) if others else "All entrants"
        verb = "agrees" if len(agree) == 1 else "agree"
        words.append(f"{who} {verb} with the referee: only rounding differs")
    if lost:
        words.append(f"{listed(lost)} did not finish")
    return ". ".join(words) + "."


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
    latest = f", {last + 1} at the latest" if last > first else ""
    return f"step {first + 1} on{latest}"


def listed(words: Sequence[str]) -> str:
    """Words in a row, the last after "and"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def agreeing(subjects: Sequence[str], one: str, many: str) -> str:
    """The form of a verb that goes with so many subjects."""
    return one if len(subjects) == 1 else many


def digits(value: float | None, how: str) -> str:
    """A number in a format, or a dash."""
    return DASH if value is None else format(value, how)


def three_digits(value: float | None) -> str:
    """Seconds, three digits after the point."""
    return DASH if value is None else f"{value:.3f}"


def beside_line(beside: str) -> str:
    """That another run was at work when one began."""
    return f"{beside} was at work when this one began: no times are judged"


def disturbed_line(noted: Mapping[str, Sequence[bool]], what: str = "epochs") -> str:
    """Whose epochs, or turns, others disturbed, in words; empty if nobody's."""
    parts = [
        f"{sum(epochs)} of {len(epochs)} {what} of {label}"
        for label, epochs in noted.items()
        if any(epochs)
    ]
    if not parts:
        return ""
    words = f"others used the machine during {', '.join(parts)}; they count all the same"
    if any(2 * sum(epochs) > len(epochs) for epochs in noted.values()):
        words += ", so that these times say little: run it again when the machine is quiet"
    return words


def reach_words(held: int, steps: int) -> str:
    """How much of a free run the referee's was long enough for; nothing to say of all."""
    if not 0 < held < steps:
        return ""
    return (
        f"the free runs are held against the referee for the first {held} of {steps} steps, "
        "all that its own run had time for; the components at the first step, the short "
        "batch and the last of these"
    )


def left_out_words(left_out: Sequence[str], check: str) -> str:
    """Which checks were left out; nothing to say of none."""
    if not left_out:
        return ""
    if check == "quick":
        return f"left out, as --check quick asks: {', '.join(left_out)}"
    return f"there was no time to check: {', '.join(left_out)}; --check-seconds gives more"


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
        f"after step {count} of {steps} rounding alone may move the loss of {listed(labels)} by a "
        "tenth and more: later steps are not held against the referee, and accuracies do not say "
        "who learns better; try a smaller --lr"
        for count, labels in reached.items()
    ]


def spread_words(mean: float, deviation: float, low: float, high: float) -> str:
    """How numbers are distributed: their deviation, the least and the largest."""
    if low == high:
        return f"all {mean:.3g}"
    return f"{deviation:.3g}, {low:.3g} to {high:.3g}"


def laws_words(pairs: Sequence[Draws]) -> str:
    """Whose draws may be of one law."""
    alike = [f"{pair.a} and {pair.b}" for pair in pairs if pair.p >= RARE]
    return "all" if pairs and len(alike) == len(pairs) else ", ".join(alike) or "none"
