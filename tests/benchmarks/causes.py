"""Are planted errors found at their place, and is the right cause said, in every framework?

    python -m tests.benchmarks.causes [--kinds torch nnx] [--only eps] [--out found.jsonl]

Plants every error of `tests/planted_modules` in every kind of module that it can be in, and in
functions those of updates, and prints a row for each error. `--out` keeps what is found, line by
line, and does not look again for what it has.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from common.modules.causes import likely
from tests import planted_modules
from tests.planted_modules import KINDS, PLANTED, updates
from tests.planted_modules.outcome import Outcome

FUNCTIONS = tuple(f"{name} functions" for name in updates.KITS)

#: (error, kind) -> what was found.
Found = dict[tuple[str, str], Outcome]


def cells(kinds: list[str], only: list[str]) -> Iterator[tuple[str, str]]:
    """Every error in every kind that it can be in."""
    for kind in kinds:
        names = [name for name, one in PLANTED.items() if kind in one.kinds]
        if kind in FUNCTIONS:
            names = list(updates.PLANTED_UPDATES)
        yield from ((name, kind) for name in names if any(words in name for words in only))


def look(name: str, kind: str, folder: Path) -> Outcome:
    """Plant one."""
    try:
        if kind in FUNCTIONS:
            return updates.outcome(name, kind.removesuffix(" functions"))
        return planted_modules.outcome(name, kind, folder)
    except Exception as error:
        return Outcome(False, "none", f"raised {type(error).__name__}: {error}")


def words(outcome: Outcome) -> str:
    """One cell."""
    placed = "found" if outcome.placed else "NOT FOUND"
    return f"{placed}, {'no cause' if outcome.cause == 'none' else f'cause {outcome.cause}'}"


def cell(name: str, kind: str, found: Found) -> str:
    """What was found; "–": it cannot be in this kind; nothing: nobody looked."""
    if (name, kind) in found:
        return words(found[name, kind])
    return "" if kind in FUNCTIONS or kind in PLANTED[name].kinds else "–"


def table(found: Found, kinds: tuple[str, ...]) -> Iterator[str]:
    """A row for each error, a column for each kind."""
    yield "| planted | " + " | ".join(kinds) + " |"
    yield "| --- " * (len(kinds) + 1) + "|"
    for name in dict.fromkeys(name for name, kind in found if kind in kinds):
        row = [cell(name, kind, found) for kind in kinds]
        yield f"| {name} | " + " | ".join(row) + " |"


def sums(found: Found) -> str:
    """How many of them were found, and of how many the right cause was said."""
    total, outcomes = len(found), list(found.values())
    placed = sum(one.placed for one in outcomes)
    right = sum(one.cause == "right" for one in outcomes)
    wrong = sum(one.cause == "WRONG" for one in outcomes)
    return f"found {placed} of {total}, right cause {right} of {total}, wrong {wrong}"


def main() -> int:
    """Plant, look, print; 1 if anything was missed, or a wrong cause was said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = (*KINDS, *FUNCTIONS)
    parser.add_argument("--kinds", nargs="+", default=every, choices=every, metavar="KIND")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORDS")
    parser.add_argument("--out", type=Path, nargs="+", default=[], metavar="FILE")
    asked = parser.parse_args()
    likely.SECONDS = float("inf")  # what is found, not how soon
    found: Found = {}
    for path in asked.out:
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            name, kind, outcome = json.loads(line)
            found[name, kind] = Outcome(**outcome)
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in cells(asked.kinds, asked.only):
            if (name, kind) in found:
                continue
            one = found[name, kind] = look(name, kind, Path(folder))
            print(f"{kind}: {name}: {words(one)}: {one.said}", file=sys.stderr, flush=True)
            if asked.out:
                with asked.out[0].open("a", encoding="utf-8") as file:
                    file.write(json.dumps([name, kind, asdict(one)]) + "\n")
    for kinds in (KINDS, FUNCTIONS):
        print("\n".join(table(found, kinds)), end="\n\n")
    print(sums(found))
    return int(any(not one.placed or one.cause == "WRONG" for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
