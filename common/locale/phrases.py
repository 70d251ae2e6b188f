"""Sentences that come finished, told in the language that is spoken.

What is stored or sent is English: reasons, causes and notes in results.json, what a worker raises,
what a request is refused with. Of such a sentence only its text is known, so it is held against
the phrases of the catalogue, `{who} differs from {other}`, as a pattern is. The phrase that
explains most of its letters is taken; what stands in the braces is told in the same way. A phrase
that begins or ends in a space or a sign goes on from something, or is gone on with: what is there
is told, too. What no phrase explains is split at its commas and the like, and else stays English:
a phrase of a word or two, or a comma, does not take other people's sentences apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from common.locale.language import OWN, catalogue, spoken
from common.locale.typography import filled

#: Where sentences are joined.
JOINTS = (". ", "; ", ": ", ", and ", ", or ", ", ", " and ", " or ")
#: Single words that are told, and would not be known for sentences.
WORDS = (
    "starting", "training", "collecting", "saving", "referee", "components", "options", "backward",
    "forward", "rounding", "differs", "declared", "sums", "alone", "0: none",
)  # fmt: skip
#: What begins a phrase that goes on from something, and ends one that is gone on with.
GOES_ON, GONE_ON = " ,;:.)", " ,;:("
PLACE = re.compile(r"\{(\w+)\}")
#: A phrase with so many letters in a row is not met by chance.
STRONG = 8
#: What nobody has explained, and is no name or value.
FOREIGN = re.compile(r"[A-Za-z]{2},? [a-z]{2}")
#: Longer lines are nobody's sentence.
LONGEST = 4000


def told(text: str) -> str:
    """A sentence in the language that is spoken, as far as the catalogue has it."""
    language = spoken()
    return text if language == OWN else best(text, language).words


@dataclass(frozen=True)
class Phrase:
    """A phrase of the catalogue.

    Attributes:
        words: its letters before, between and behind the braces.
        names: what stands in the braces.
        translation: with the same names in braces.
    """

    words: tuple[str, ...]
    names: tuple[str, ...]
    translation: str

    @property
    def letters(self) -> int:
        """How many it explains of a sentence that it matches."""
        return sum(map(len, self.words))

    @property
    def strong(self) -> bool:
        """Whether it is not met by chance."""
        return max(map(len, self.words)) >= STRONG

    def values(self, text: str) -> dict[str, str] | None:
        """What stands in its braces, as short as may be; None if the text is not made of it."""
        first, *between, last = self.words
        at, end = len(first), len(text) - len(last)
        if at > end or not (text.startswith(first) and text.endswith(last)):
            return None
        found: dict[str, str] = {}
        for name, words in zip(self.names, [*between, None], strict=True):
            place = end if words is None else text.find(words, at, end)
            if place < 0 or found.setdefault(name, text[at:place]) != text[at:place]:
                return None
            at = place + len(words or "")
        return found


#: So many of something.
COUNTED = Phrase(("", " ", ""), ("number", "what"), "{number} {what}")


def counts(values: dict[str, str]) -> bool:
    """Whether `COUNTED` is about a number."""
    return values["number"].isdecimal()


def phrase(text: str, translation: str) -> Phrase:
    """Make a phrase of a catalogue's entry."""
    before = "{before}" if text[0] in GOES_ON else ""
    after = "{after}" if text[-1] in GONE_ON else ""
    parts = PLACE.split(before + text + after)
    return Phrase(tuple(parts[::2]), tuple(parts[1::2]), before + translation + after)


@cache
def phrases(language: str) -> tuple[Phrase, ...]:
    """The catalogue's that have something in braces, those that explain most first."""
    known = catalogue(language, "phrases").items()
    found = [phrase(*one) for one in known if one[0] not in JOINTS and one[0] != one[1]]
    return tuple(sorted((one for one in found if one.names), key=lambda one: -one.letters))


@dataclass(frozen=True)
class Telling:
    """A text, told.

    Attributes:
        words: in the other language, as far as it is known.
        letters: how many of the text the catalogue explains.
        foreign: whether a sentence is left in it that nothing explains.
    """

    words: str
    letters: int
    foreign: bool


@cache
def best(text: str, language: str) -> Telling:
    """The telling that explains most letters of a text."""
    if text in (known := catalogue(language, "phrases")):
        return Telling(known[text], len(text), False)
    if "\n" in text:
        return joined(text, "\n", language)
    untold = Telling(text, 0, FOREIGN.search(text) is not None)
    every = tellings(text, language) if len(text) <= LONGEST else iter(())
    return max(every, key=lambda one: one.letters, default=untold)


def tellings(text: str, language: str) -> Iterator[Telling]:
    """Every way of telling a line: by each phrase that it is made of, and split at each joint."""
    lead = text[: len(text) - len(text.lstrip())]
    if lead and len(lead) < len(text):
        rest = best(text.lstrip(), language)
        yield Telling(lead + rest.words, rest.letters, rest.foreign)
    for one in [*phrases(language), COUNTED]:
        values = one.values(text)
        if values is None or text in values.values() or (one is COUNTED and not counts(values)):
            continue
        parts = {name: best(value, language) for name, value in values.items()}
        foreign = not one.strong and any(part.foreign for part in parts.values())
        letters = one.letters + sum(part.letters for part in parts.values())
        if letters and not foreign:
            words = {name: part.words for name, part in parts.items()}
            yield Telling(filled(one.translation, words), letters, False)
    for joint in JOINTS:
        if joint in text:
            made = joined(text, joint, language)
            if made.letters and not made.foreign:
                yield made


def joined(text: str, joint: str, language: str) -> Telling:
    """Tell the parts between joints each by itself."""
    parts = [best(part, language) if part else Telling("", 0, False) for part in text.split(joint)]
    sign = catalogue(language, "phrases").get(joint, joint)
    letters, foreign = sum(part.letters for part in parts), any(part.foreign for part in parts)
    return Telling(sign.join(part.words for part in parts), letters, foreign)
