"""The language of this process, and what is said in it.

English is what stands in the code, and costs nothing. Another language has a folder here with
catalogues as gettext keeps them, one file for each way in which a text is found:

    messages.po   what is made where it is shown: `_("{who} agree", who=...)`, by its exact words
    phrases.po    what comes finished: refusals, reasons, causes, notes: `phrases.told(...)`
    lessons.po    what the files of docs/lessons say, by its exact words: `taught(...)`

They are read as they are, by Babel: nothing has to be compiled before a change is seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from common.errors import Refused
from common.locale.typography import filled

#: What can be spoken, and what each calls itself.
LANGUAGES = {"en": "English", "zh": "中文"}
#: What the code is written in.
OWN = "en"
FOLDER = Path(__file__).parent

_chosen: list[str] = []


def usual() -> str:
    """The language of the locale, as POSIX finds it; English for what is not here."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    value = next((os.environ[name] for name in names if os.environ.get(name)), "")
    language = value.lower().partition("_")[0].partition(".")[0].partition("-")[0]
    return language if language in LANGUAGES else OWN


def speak(language: str | None) -> None:
    """Choose the language of this process, of what is shown from now on.

    Args:
        language: "en" or "zh"; None for the locale's.

    Raises:
        Refused: another one.
    """
    if language not in (None, *LANGUAGES):
        raise Refused(f"lang: {language!r} is not spoken here; there are {', '.join(LANGUAGES)}")
    _chosen[:] = [language or usual()]


def spoken() -> str:
    """The language of this process."""
    if not _chosen:
        speak(None)
    return _chosen[0]


@contextmanager
def speaking(language: str | None) -> Iterator[None]:
    """Speak a language within; None for the one that is spoken."""
    before = spoken()
    speak(language or before)
    try:
        yield
    finally:
        speak(before)


def catalogue_file(language: str, domain: str) -> Path:
    """Where a catalogue is."""
    return FOLDER / language / "LC_MESSAGES" / f"{domain}.po"


@cache
def catalogue(language: str, domain: str) -> Mapping[str, str]:
    """English text -> translation; empty of English itself."""
    path = catalogue_file(language, domain)
    if language == OWN or not path.is_file():
        return {}
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        found = read_po(file, locale=language)
    return {str(one.id): str(one.string) for one in found if one.id and one.string}


def _(text: str, /, **values: Any) -> str:
    """A text of the code's in the language that is spoken, with values in its braces.

    Args:
        text: a literal, so that it is found in the source; without values it is left as it is.
        values: by the names in braces.
    """
    words = catalogue(spoken(), "messages").get(text, text)
    if not values:
        return words
    return words.format(**values) if spoken() == OWN else filled(words, values)


def marked(text: str) -> str:
    """The text as it is, which is to be translated where it is shown, by `_`."""
    return text


def taught(text: str) -> str:
    """A text of a lesson's in the language that is spoken; how its lines are broken is no part."""
    return catalogue(spoken(), "lessons").get(" ".join(text.split()), text)
