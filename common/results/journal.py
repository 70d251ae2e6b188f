"""What training came to so far, on disk when the next epoch begins, so that it can be taken up.

`journal.jsonl` has a line for what was asked, one for each mode that was found out (`best`), one
where another run was at work, and one for each epoch of an entrant, appended and flushed when it is
over. Parameters and optimiser state lie in `state-<slug>-<n>.safetensors`, written whole before the
line that names them; two take turns, so that the one that the last line names is never touched, and
those that the first round ended with stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from safetensors.numpy import load_file

from common.contract.arrays import Array, Arrays
from common.contract.precision import held
from common.errors import Refused
from common.results.folder import write_arrays
from common.results.record import Record

JOURNAL = "journal.jsonl"

#: Parameters and states after an epoch.
STATES = "state-*.safetensors"

#: What a run leaves until it is whole.
OF_JOURNAL = (JOURNAL, STATES)


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag="asked"):
    """The first line: what must be the same for a run to be taken up."""

    settings: dict[str, Any]
    same: dict[str, Any]


class EpochLine(msgspec.Struct, frozen=True, kw_only=True, tag="epoch"):
    """An epoch of an entrant: as `Record` has it; `row` is None but in the first round.

    `process` counts how often the run was taken up before.
    """

    label: str
    round: int
    losses: list[float]
    row: dict[str, Any] | None
    seconds: float
    disturbed: bool
    cpu_seconds: float | None
    steps_per_call: int
    peak_memory_bytes: int | None
    process: int
    state: str


class ChosenLine(msgspec.Struct, frozen=True, kw_only=True, tag="chosen"):
    """The mode that was found out to be an entrant's quickest, and in words how."""

    label: str
    mode: str
    words: str


class BesideLine(msgspec.Struct, frozen=True, kw_only=True, tag="beside"):
    """Another run of this user's was at work when a process of this one began, in words."""

    words: str


Line = Asked | ChosenLine | BesideLine | EpochLine


class Journal:
    """Keeps what every epoch came to.

    Args:
        folder: of the results.
        kept: what an earlier process left there.
    """

    def __init__(self, folder: Path, kept: Kept | None = None) -> None:
        self._folder, self._kept = folder, kept
        self.process = kept.processes if kept else 0
        #: whether something could not be written, behind which nothing else would have a meaning
        self.broken = False
        # No buffer: what a full disk did not take would be written again when it is closed.
        self._file = (folder / JOURNAL).open("ab", buffering=0)
        if kept:
            self._file.truncate(kept.size)  # a line that was cut short

    def begin(self, asked: Asked) -> None:
        """Write what was asked."""
        self._write(asked)

    def choose(self, chosen: ChosenLine) -> None:
        """Write which mode was chosen.

        Raises:
            OSError: it cannot be written; then nothing more is kept.
        """
        if self.broken:
            return
        self.broken = True
        self._write(chosen)
        self.broken = False

    def beside(self, words: str) -> None:
        """Write that another run is at work: of no epoch of this process is the time judged."""
        self._write(BesideLine(words=words))

    def chosen(self, record: Record) -> ChosenLine | None:
        """Which mode an earlier process chose; None if it did not come so far."""
        return self._kept.chosen.get(record.entrant.label) if self._kept else None

    def restore(self, record: Record, dtype: str) -> None:
        """Give an entrant the epochs that were kept of it."""
        for line in self._lines(record):
            if len(record.rounds) <= line.round:
                begin_round(record)
            add_epoch(record, line, np.array(line.losses, held(dtype)))
        if (first := self._first(record)) is not None:
            record.params = first

    def refuse_unreadable(self, records: Iterable[Record]) -> None:
        """Refuse to go on from what cannot be read."""
        for record in records:
            self.state(record)
            self._first(record)

    def state(self, record: Record) -> tuple[Arrays, Arrays] | None:
        """Parameters and optimiser state after the last epoch that was kept; None without one."""
        lines = self._lines(record)
        return self._read(lines[-1].state) if lines else None

    def keep(self, record: Record, round_: int, params: Arrays, state: Arrays, last: bool) -> None:
        """Append what an entrant's last epoch came to.

        Args:
            record: has the epoch already.
            round_: which it belongs to, from 0.
            params, state: after it.
            last: whether it is the last of its round.

        Raises:
            OSError: it cannot be written, of the first time; then nothing more is kept.
        """
        if self.broken:
            return
        turn = "first" if last and not round_ else sum(map(len, record.rounds)) % 2
        name = f"state-{record.entrant.slug}-{turn}.safetensors"
        arrays = {f"params/{n}": array for n, array in params.items()}
        self.broken = True  # unless all of it is written
        write_arrays(self._folder / name, arrays | {f"state/{n}": a for n, a in state.items()})
        losses = record.losses[-1] if round_ == 0 else record.later[-1][-1]
        self._write(
            EpochLine(
                label=record.entrant.label,
                round=round_,
                losses=losses.tolist(),
                row=record.epochs[-1] if round_ == 0 else None,
                seconds=record.rounds[round_][-1],
                disturbed=record.disturbed[round_][-1],
                cpu_seconds=record.cpu_seconds[round_][-1],
                steps_per_call=record.steps_per_call,
                peak_memory_bytes=record.peak_memory_bytes,
                process=self.process,
                state=name,
            )
        )
        self.broken = False

    def __enter__(self) -> Self:
        """Hold it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self._file.close()

    def remove(self) -> None:
        """Remove it: a run that is whole needs it no more."""
        for pattern in OF_JOURNAL:
            for path in self._folder.glob(pattern):
                path.unlink()

    def _lines(self, record: Record) -> list[EpochLine]:
        return self._kept.epochs.get(record.entrant.label, []) if self._kept else []

    def _first(self, record: Record) -> Arrays | None:
        """The parameters that an entrant's first round ended with, if it did."""
        for line in self._lines(record):
            if line.round == 0 and "-first." in line.state:
                return self._read(line.state)[0]
        return None

    def _read(self, name: str) -> tuple[Arrays, Arrays]:
        try:
            found = load_file(self._folder / name)
        except Exception as cause:  # safetensors raises an error of its own
            raise Refused(f"{self._folder / name} cannot be read: {cause}") from cause
        parts: dict[str, Arrays] = {"params": {}, "state": {}}
        for key, array in found.items():
            part, _, tensor = key.partition("/")
            parts[part][tensor] = array
        return parts["params"], parts["state"]

    def _write(self, line: Line) -> None:
        text = memoryview(msgspec.json.encode(line) + b"\n")
        while text:
            text = text[self._file.write(text) :]


class Kept(msgspec.Struct, frozen=True):
    """What an earlier process left.

    Attributes:
        asked: of it.
        epochs: label -> its epochs in the order in which they were trained.
        processes: how many trained so far.
        size: of the journal's whole lines, bytes.
        chosen: label -> the mode that was found out.
        beside: another run that was at work meanwhile, in words.
    """

    asked: Asked
    epochs: Mapping[str, list[EpochLine]]
    processes: int
    size: int
    chosen: Mapping[str, ChosenLine]
    beside: str | None = None


def read_journal(folder: Path) -> Kept:
    """Read what a run left that did not end.

    Raises:
        Refused: there is nothing to take up, or it cannot be read.
    """
    path = folder / JOURNAL
    try:
        text = path.read_bytes()
    except OSError as cause:
        why = "it is whole" if (folder / "results.json").is_file() else "no run began there"
        if left := sorted(folder.glob(f"*/{JOURNAL}")):
            why += f"; {left[0].parent} has what a run left that did not end"
        raise Refused(f"--resume {folder}: there is nothing to finish: {why}") from cause
    whole = text[: text.rfind(b"\n") + 1]
    try:
        first, *rest = (msgspec.json.decode(line, type=Line) for line in whole.splitlines())
        if not isinstance(first, Asked) or any(isinstance(line, Asked) for line in rest):
            raise ValueError("what was asked is not its first line")
    except ValueError as cause:  # msgspec's are, too
        raise Refused(f"--resume {folder}: {JOURNAL} is no journal of a run: {cause}") from cause
    epochs: dict[str, list[EpochLine]] = defaultdict(list)
    for line in rest:
        if isinstance(line, EpochLine):
            epochs[line.label].append(line)
    chosen = {line.label: line for line in rest if isinstance(line, ChosenLine)}
    latest = max((line.process for lines in epochs.values() for line in lines), default=-1)
    beside = next((line.words for line in rest if isinstance(line, BesideLine)), None)
    return Kept(first, epochs, latest + 1, len(whole), chosen, beside)


def begin_round(record: Record) -> None:
    """Make room for another round."""
    for part in (record.rounds, record.disturbed, record.cpu_seconds, record.processes):
        part.append([])
    if len(record.rounds) > 1:
        record.later.append([])


def add_epoch(record: Record, line: EpochLine, losses: Array) -> None:
    """Give an entrant an epoch that was kept."""
    record.rounds[line.round].append(line.seconds)
    record.disturbed[line.round].append(line.disturbed)
    record.cpu_seconds[line.round].append(line.cpu_seconds)
    record.processes[line.round].append(line.process)
    if line.round:
        record.later[-1].append(losses)
        return
    record.losses.append(losses)
    record.epochs.append(line.row or {})
    record.steps_per_call = line.steps_per_call
    record.peak_memory_bytes = line.peak_memory_bytes
