"""`compare.py lessons`: differences between the frameworks, listed, run, or made into pages."""

from __future__ import annotations

import argparse

from common.cli.telling import console
from common.contract.entrant import unknown
from common.contract.registry import Backend, find
from common.errors import Refused
from common.learning import lessons as teaching
from common.locale.language import _


def lessons(asked: argparse.Namespace) -> int:
    """Do what `lessons` is asked; 0, or 1 if a claim did not hold."""
    from common.shown.lessons import print_lesson, print_lessons

    every = teaching.find()
    known = {name: lesson for name, lesson in every.items() if asked.topic in (None, lesson.topic)}
    if asked.site is not None:
        return site(asked, list(known.values()))
    if asked.markdown:
        print(teaching.markdown(known.values()), end="")
        return 0
    if asked.html:
        return page(asked, every)
    wide = console(otherwise=120)
    if asked.name is None and asked.backends and not asked.all:
        raise Refused("--backends are those that lessons run in: give a NAME, or --all")
    if asked.name is not None and asked.all:
        raise Refused(f"{asked.name} is one lesson, and --all are all; leave one of them out")
    if asked.name is None and not asked.all:
        print_lessons(list(known.values()), wide)
        return 0
    chosen = list(known.values()) if asked.all else [teaching.choose(asked.name, every)]
    found = teaching.run(chosen, there(asked.backends))
    wrong = False
    for lesson in chosen:
        print_lesson(lesson, found[lesson.name], wide, code=not asked.all)
        wrong |= any(outcome.wrong for outcome in found[lesson.name].values())
    return int(wrong)


def site(asked: argparse.Namespace, known: list[teaching.Lesson]) -> int:
    """All of them as pages."""
    from common.shown.site import page as page_of
    from common.shown.site import write_site

    others = (asked.all, asked.markdown, asked.topic, asked.html, asked.backends)
    if asked.name or any(others):
        raise Refused(
            "--site has all lessons; NAME, --all, --topic, --html, --markdown and --backends do "
            "not go with it"
        )
    pages = write_site(asked.site, known)
    first = asked.site / page_of("index")
    print(
        _(
            "{pages} pages in {folder}; begin with {first}",
            pages=pages,
            folder=asked.site,
            first=first,
        )
    )
    return 0


def page(asked: argparse.Namespace, known: dict[str, teaching.Lesson]) -> int:
    """One of them as a page, on standard output."""
    from common.shown.site import lesson_page

    if asked.name is None or asked.all or asked.backends:
        raise Refused(
            "--html is a page of one lesson, which is not run: give its NAME, without --all and "
            "--backends; --site DIR has all"
        )
    print(lesson_page(teaching.choose(asked.name, known)))
    return 0


def there(names: list[str] | None) -> dict[str, Backend]:
    """The frameworks that are installed, or those of them that were asked for."""
    every = find(None)
    for name in names or ():
        if name not in every:
            raise Refused(unknown(name, every))
        if why := every[name].missing():
            raise Refused(why)
    chosen = names or [name for name, backend in every.items() if backend.missing() is None]
    return {name: every[name] for name in chosen}
