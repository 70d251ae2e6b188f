"""What all entrants of a comparison came to together: a cell of a grid, a run of a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from common.locale.language import _, marked
from common.results.record import AGREE

#: Label -> its verdict, or the status of who did not finish.
Outcomes = Mapping[str, str]

#: Kinds of comparisons.
KINDS = (marked("agrees"), marked("differs"), marked("failed"), marked("unchecked"))


def kind(outcomes: Outcomes) -> str:
    """Whether all agree, some differ, some did not finish, or some were not checked."""
    if "differs" in outcomes.values():
        return "differs"
    if not {*outcomes.values()} <= {*AGREE, "not checked"}:
        return "failed"
    return "agrees" if agrees(outcomes) else "unchecked"


def agrees(outcomes: Outcomes) -> bool:
    """Whether all finished, and agree."""
    return all(word in AGREE for word in outcomes.values())


def outcome_words(outcomes: Outcomes) -> str:
    """The outcome of all where it is one, else who has another."""
    kinds = Counter(outcomes.values())
    if len(kinds) == 1:
        return _(next(iter(kinds)))
    if set(kinds) <= set(AGREE):
        return _("agree")
    return _(", ").join(
        f"{label} {_(word)}" for label, word in outcomes.items() if word not in AGREE
    )


def counted(kinds: Mapping[str, int], of: str) -> list[str]:
    """How many there are of each kind, in parts of a sentence.

    Args:
        kinds: how many of each.
        of: of how many, in words.
    """
    agree, differ = kinds.get("agrees", 0), kinds.get("differs", 0)
    of_all = _("{number} of {cells} agrees") if agree == 1 else _("{number} of {cells} agree")
    words = [of_all.format(number=agree, cells=of)]
    if differ:
        of_some = _("{number} differs") if differ == 1 else _("{number} differ")
        words.append(of_some.format(number=differ))
    rest = {"unchecked": _("not checked to the end"), "failed": _("failed")}
    return words + [f"{kinds[kind]} {word}" for kind, word in rest.items() if kinds.get(kind)]
