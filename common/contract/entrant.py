"""One row of a comparison, and what its words mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from common.contract.info import DATA_CHOICES, MODES, STYLES, Parallel
from common.contract.meant import meant
from common.contract.ranks import narrowed, ranks_of
from common.contract.registry import Backend
from common.errors import Refused


@dataclass(frozen=True)
class Entrant:
    """One row of a comparison: a backend, the three choices made for it, how many devices and how.

    `tries` has the modes of which the quickest is to be found out; none where the mode is chosen.
    """

    label: str
    slug: str
    backend: str
    style: str
    mode: str
    data: str
    stock: bool = False
    parallel: Parallel | None = None
    ranks: int = 1
    notes: tuple[str, ...] = ()
    tries: tuple[str, ...] = ()


STOCK = "stock"

#: In the place of a mode: the quickest that agrees.
BEST = "best"

#: What an entrant that does not say takes when its backend lacks what the run asks for.
_NEAREST = {"fused": "jit", "jit": "eager", "concise": "scratch", "loader": "memory"}

_KINDS = {"style": STYLES, "mode": (*MODES, BEST), "data": DATA_CHOICES}

#: What predictions.npz and the function that writes it call something else: no entrant's slug.
_OF_PREDICTIONS = ("labels", "file")

#: The words that make a choice, each of another kind; what else may be said is `stock`, and on how
#: many devices.
CHOICES = tuple(word for words in _KINDS.values() for word in words)


def parse(
    texts: Sequence[str],
    available: Mapping[str, Backend],
    *,
    style: str = "concise",
    mode: str | None = None,
    data: str = "memory",
    model: str | None = None,
) -> list[Entrant]:
    """Read entrants as written: `BACKEND[:WORD[,WORD...]]`.

    Args:
        texts: as on the command line; repeated ones are labelled `#1`, `#2`.
        available: from `find`.
        style, mode, data: for entrants that do not say; no mode: each backend's usual one.
        model: that is trained; None: any.

    Raises:
        Refused: an unknown backend or word, two words of a kind, or one its backend lacks.
    """
    counts, seen, slugs = Counter(texts), Counter[str](), set(_OF_PREDICTIONS)
    entrants = []
    for text in texts:
        label = text
        if counts[text] > 1:
            seen[text] += 1
            label = f"{text}#{seen[text]}"
        name, _, words = text.partition(":")
        if name not in available:
            raise Refused(unknown(name, available))
        backend = available[name]
        said = words.split(",") if words else []
        parallel, ranks, others = ranks_of(text, said, available, backend)
        if parallel is not None:
            backend = narrowed(backend, parallel, text, model)
            if BEST in others:
                raise Refused(f"{text!r}: {BEST} tries modes on one device; name a mode")
        chosen, stock = _words(text, others, backend, model)
        best, usual = chosen.get("mode") == BEST, backend.info.usual_mode
        if best:
            del chosen["mode"]  # its usual one, until that is found out
        asked = {"style": style, "mode": usual if best else mode or usual, "data": data}
        notes = []
        for kind, default in asked.items():
            if kind not in chosen:
                chosen[kind], note = _nearest(default, backend, model)
                notes += note
        if chosen["data"] == "loader" and chosen["mode"] == "fused":
            raise Refused(f"{text}: loader hands out batches one by one, which fused cannot take")
        tries = modes_of(backend, model, chosen["data"]) if best else ()
        if backend.external:
            notes.append(f"{name} from {backend.folder}")
        slug = slug_of(label)
        while slug in slugs:
            slug += "-"
        slugs.add(slug)
        entrants.append(
            Entrant(
                label,
                slug,
                name,
                **chosen,
                stock=stock,
                parallel=parallel,
                ranks=ranks,
                notes=tuple(notes),
                tries=tries,
            )
        )
    return entrants


def unknown(name: str, available: Mapping[str, Backend]) -> str:
    """Why a backend is refused that is none, and what may have been meant.

    A comma may stand for the colon before a word, or for the space between two.
    """
    words = f"unknown backend {name!r}; there are {', '.join(available)}"
    first, *rest = name.split(",")
    if rest and first in available:
        several = all(one in available for one in rest)
        better = name.replace(",", " ") if several else name.replace(",", ":", 1)
        return f"{words}; did you mean {better}?"
    also = {
        title: backend.name
        for backend in available.values()
        for title in (backend.info.title, *backend.info.packages)
    }
    return words + meant(name, available, also)


def modes_of(backend: Backend, model: str | None, data: str) -> tuple[str, ...]:
    """Every mode that a backend has with a model, from memory or a loader."""
    choices = backend.info.choices(model)
    return tuple(mode for mode in MODES if mode in choices and (data, mode) != ("loader", "fused"))


def words_of(label: str) -> list[str]:
    """The words that an entrant was asked for with, of its label."""
    return [word for word in label.partition("#")[0].partition(":")[2].split(",") if word]


def mix_label(text: str) -> str:
    """The label of an entrant that is put together as --mix says."""
    return f"mix({text})"


def mix_of(label: str) -> str:
    """What --mix said, of the label."""
    return label.removeprefix("mix(").removesuffix(")")


def slug_of(label: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]", "-", label)


def _words(
    text: str, words: Iterable[str], backend: Backend, model: str | None
) -> tuple[dict[str, str], bool]:
    chosen: dict[str, str] = {}
    stock = False
    for word in words:
        if word == STOCK:
            stock = True
            continue
        kind = next((kind for kind, words in _KINDS.items() if word in words), None)
        if kind is None:
            known = [*CHOICES, STOCK]
            near = meant(word, known)
            raise Refused(f"unknown word {word!r} in {text!r}; there are {', '.join(known)}{near}")
        if kind in chosen:
            raise Refused(f"{text!r} names two: {chosen[kind]} and {word}")
        if word != BEST and word not in backend.info.choices(model):
            raise Refused(f"{backend.name} has no {word}: {why_absent(backend, word, model)}")
        chosen[kind] = word
    return chosen, stock


def why_absent(backend: Backend, word: str, model: str | None = None) -> str:
    """Why a backend lacks a choice, for all models or for one, in its own words."""
    lacking = backend.info.lacking.get(model or "", {})
    if word in lacking:
        return f"not with {model}, because {lacking[word]}"
    return backend.info.absent.get(word, f"its INFO does not list {word}")


def _nearest(word: str, backend: Backend, model: str | None) -> tuple[str, list[str]]:
    """Take the nearest choice a backend has, and a note if that is another one."""
    have = word
    while have not in backend.info.choices(model):
        if have not in _NEAREST:
            raise Refused(f"{backend.name} has neither {word} nor {have}: see its INFO")
        have = _NEAREST[have]
    if have == word:
        return have, []
    return have, [f"{have}, not {word}: {why_absent(backend, word, model)}"]
