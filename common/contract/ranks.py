"""Words that ask for training on several devices: `ddp,x2` says how, and on how many."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from common.contract.info import Parallel
from common.contract.models import MODELS
from common.contract.registry import Backend
from common.errors import Refused

#: On how many devices, if an entrant says how and not on how many.
USUAL = 2

_COUNT = re.compile(r"x(\d+)")

_LOADER = "each device takes its share of a batch from memory"


def ranks_of(
    text: str, words: Sequence[str], available: Mapping[str, Backend], backend: Backend
) -> tuple[Parallel | None, int, list[str]]:
    """How an entrant trains on several devices, on how many, and its other words.

    Returns:
        None and 1 if it does not say.

    Raises:
        Refused: another backend's word, a number without a word, two of them, or one below 2.
    """
    own = {way.word: way for way in backend.info.parallel}
    theirs = {way.word: b.name for b in available.values() for way in b.info.parallel} | own
    hows = [word for word in words if word in theirs]
    counts = [word for word in words if _COUNT.fullmatch(word)]
    rest = [word for word in words if word not in hows and word not in counts]
    if not hows and not counts:
        return None, 1, rest
    if not own:
        why = backend.info.absent.get("parallel", "its INFO lists nothing of the kind")
        raise Refused(f"{backend.name} does not train on several devices: {why}")
    if len(hows) != 1 or hows[0] not in own:
        said = f"{counts[0]} says how many alone" if not hows else f"it says {' and '.join(hows)}"
        if len(hows) == 1:
            said = f"{hows[0]} is {theirs[hows[0]]}'s"
        count = (*counts, f"x{USUAL}")[0]
        better = " or ".join(f"{backend.name}:{word},{count}" for word in own)
        raise Refused(f"{text!r}: {said}; write {better}")
    ranks = int(counts[0][1:]) if counts else USUAL
    if len(counts) > 1 or ranks < 2:
        raise Refused(f"{text!r}: one number of devices, x2 or more, not {', '.join(counts)}")
    return own[hows[0]], ranks, rest


def narrowed(backend: Backend, parallel: Parallel, text: str, model: str | None) -> Backend:
    """A backend as it is on several devices: with what goes with that, and why the rest does not.

    Raises:
        Refused: a model whose function depends on who shares a batch, of processes that do.
    """
    if model in MODELS and MODELS[model].statistics and parallel.kind == "ranks":
        raise Refused(
            f"{text!r}: {model} normalises by the batch, and a process by its share alone, which "
            "is another function; choose a model without batch normalisation"
        )
    absent = {**backend.info.absent, "loader": _LOADER, **parallel.absent}
    info = replace(backend.info, modes=parallel.modes, data=("memory",), absent=absent)
    usual = info.usual_mode if info.usual_mode in parallel.modes else parallel.modes[-1]
    return replace(backend, info=replace(info, usual_mode=usual))
