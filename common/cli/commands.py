"""The command line: what was asked, refused early and by name, or done."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console

from common.cli.codes import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_REFUSED, EXIT_UNFINISHED, GRAVER
from common.cli.grid import grid
from common.cli.option import language
from common.cli.options import check_settings, infer_settings, parser, settings
from common.cli.streams import lasting
from common.cli.telling import console, progress, saved_in, say, tell
from common.contract.entrant import parse, words_of
from common.contract.info import STYLES
from common.contract.registry import Backend, find
from common.errors import Refused
from common.locale.language import _, speak
from common.locale.phrases import told
from common.running.interruption import ending

if TYPE_CHECKING:
    from common.ask.request import Request
    from common.shown.progress import Progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code."""
    speak(None)
    with lasting():
        try:
            chosen, given = language(sys.argv[1:] if arguments is None else arguments)
            speak(chosen)
            # `run` may be left out; a first word that is no option must be a command.
            if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
                given.insert(0, "run")
            asked = parser().parse_args(given)
            options = (word.partition("=")[0] for word in given if word.startswith("--"))
            asked.given = {option.removeprefix("--").replace("-", "_") for option in options}
            # A run answers for itself while it lasts; here SIGTERM and SIGHUP end all else, too,
            # as Ctrl-C does.
            with ending():
                return COMMANDS[asked.command](asked)
        except Refused as error:
            from common.shown.words import plain

            # It may hold words of a file of somebody's.
            print(f"compare.py: {plain(told(str(error)))}", file=sys.stderr)
            return EXIT_REFUSED
        except KeyboardInterrupt as error:
            when = told(str(error)) or _("before there was anything to save")
            print(_("compare.py: interrupted {when}", when=when), file=sys.stderr)
            return EXIT_INTERRUPTED
        except Exception:
            traceback.print_exc()
            print(
                _(
                    "compare.py: this is an error of compare.py itself; please report it, with the "
                    "lines above and the command"
                ),
                file=sys.stderr,
            )
            return EXIT_ERROR


def list_backends(asked: argparse.Namespace) -> int:
    """`list`: a row for every backend; those that are installed are tried."""
    from common.cli.backends import backends

    return backends(asked, console())


def environments(asked: argparse.Namespace) -> int:
    """`env`: an environment of its own for a backend."""
    from common.cli.environments import env

    return env(asked, console())


def show_source(asked: argparse.Namespace) -> int:
    """`show`: a component's source in columns."""
    from common.learning.source import columns
    from common.shown.code import show

    available = find(asked.backend_path)
    shown: dict[tuple[str, str | None], Backend] = {}
    for entrant in parse(asked.backends or list(available), available):
        words = words_of(entrant.label)
        style = next((word for word in words if word in STYLES), asked.style)
        shown[entrant.backend, style] = available[entrant.backend]
    found = columns(
        asked.component,
        [(backend, style) for (_, style), backend in shown.items()],
        model=asked.model,
        docstrings=not asked.no_docstrings,
    )
    if asked.html:
        from common.shown.page import source_page

        print(source_page(asked.component, found))
    else:
        show(found, console(otherwise=120))
    return 0


def script(asked: argparse.Namespace) -> int:
    """`script`: training written as its framework would, one plain file for each entrant."""
    from common.learning.listings import Asked, listing, write

    available = find(asked.backend_path)
    wanted = Asked(
        asked.model, asked.optimizer, asked.lr, asked.batch_size, asked.epochs, asked.seed
    )
    found = []
    for entrant in parse(asked.entrants, available, model=asked.model):
        other = [word for word in words_of(entrant.label) if word not in STYLES]
        if other:
            raise Refused(f"{entrant.label}: a listing has a style, and is not told {other[0]}")
        found.append(listing(available[entrant.backend], entrant.style, wanted))
    if asked.out is None and len(found) > 1 and not asked.side_by_side:
        raise Refused(f"{len(found)} entrants: --out DIR for the files, or --side-by-side")
    page = None
    if asked.side_by_side:
        from common.shown.page import source_page

        page = source_page(asked.model, [(one.name, one.code) for one in found])
    if asked.out is not None:
        for path in write(found, asked.out, page):
            print(path)
    else:
        print(page if page is not None else found[0].code, end="")
    return 0


def exercise(asked: argparse.Namespace) -> int:
    """`exercise`: list them, start one, or look at what somebody made of it."""
    from common.cli.exercise import exercise as do

    return do(asked)


def write_report(asked: argparse.Namespace) -> int:
    """`report`: the page of a run or a sweep again, from what is in its folder."""
    from common.errors import one_line
    from common.shown import page, sweep_page

    paths = []
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            paths.append(sweep_page.write_again(asked.folder))
        if not paths or (asked.folder / "results.json").exists():
            paths.append(page.write(asked.folder))
    except Refused:
        raise
    except Exception as cause:  # whatever the files of somebody's folder hold
        raise Refused(f"{asked.folder} cannot be drawn: {one_line(cause)}") from cause
    for path in paths:
        print(path)
    return 0


def lessons(asked: argparse.Namespace) -> int:
    """`lessons`: list them by topic, run one, or all, or make pages of them."""
    from common.cli.lessons import lessons as do

    return do(asked)


def run(asked: argparse.Namespace) -> int:
    """`run`: train, judge, report, save."""
    # Only here: the other commands answer in a tenth of a second, without NumPy.
    from common.ask import run as running
    from common.ask.resume import read_asked
    from common.results.target import refuse_target
    from common.shown.results import print_results
    from common.shown.words import plain

    refuse_target(asked.json)
    request, kept = read_asked(settings(asked), say, asked.given)
    outcome = running.run(request, progress(request), say, kept)
    results = outcome.results

    def table(to: Console) -> None:
        drawn = (outcome.folder / "report.html").exists()
        print_results(results, str(outcome.folder), to, request.dataset, drawn)
        unproved = running.unproved(results) if asked.check_float64 else {}
        for label, why in unproved.items():
            to.print(
                plain(_("{label}: not proved in float64: {why}", label=label, why=told(why))),
                soft_wrap=True,
            )
        if outcome.resumable:
            words = _(
                "compare.py --resume {folder} finishes what is missing", folder=outcome.folder
            )
            to.print(plain(words), soft_wrap=True)

    with saved_in(outcome.folder):
        tell(outcome.document, asked.json, None if asked.quiet else table)
    if results.error is not None:
        raise results.error
    code = running.exit_code(results, strict=asked.strict, float64=asked.check_float64)
    return max(code, EXIT_UNFINISHED if outcome.resumable else 0, key=GRAVER.index)


def sweep(asked: argparse.Namespace) -> int:
    """`sweep`: one run for each value, or each two of two, then lines through the times."""
    from common.ask import sweep as sweeping
    from common.ask.run import exit_code
    from common.results.target import refuse_target
    from common.shown.sweep import print_sweep
    from common.shown.words import plain, results_line

    refuse_target(asked.json)
    varied = dict(asked.vary)
    if len(varied) < len(asked.vary):
        raise Refused("--vary names one setting twice; give all its values in one")

    def watching(name: str, request: Request) -> Progress:
        return progress(request, f"{name}: ")

    swept = sweeping.sweep(settings(asked), varied, watching, say)

    def table(to: Console) -> None:
        print_sweep(swept.document, to)
        to.print(results_line(swept.folder, swept.page), soft_wrap=True)

    with saved_in(swept.folder):
        tell(swept.document, asked.json, None if asked.quiet else table)
    for error in (results.error for results in swept.runs.values()):
        if error is not None:
            raise error
    codes = [exit_code(results, strict=asked.strict) for results in swept.runs.values()]
    if swept.refused is not None:
        say(f"compare.py: {plain(told(str(swept.refused)))}")
        codes.append(EXIT_UNFINISHED)
    return max([*codes, EXIT_INTERRUPTED if swept.interrupted else 0], key=GRAVER.index)


def infer(asked: argparse.Namespace) -> int:
    """`infer`: the forward pass, right first and then how long it takes; nothing is kept."""
    from common.ask import inference
    from common.results.target import refuse_target
    from common.shown.inference import print_inference

    refuse_target(asked.json)
    asking = infer_settings(asked)
    request = inference.read_inference(asking, say)
    found = inference.infer(request, asking, progress(request), say)
    tell(found, asked.json, None if asked.quiet else lambda c: print_inference(found, c))
    return found.exit_code()


def diff(asked: argparse.Namespace) -> int:
    """`diff`: two result folders, and what changed between them."""
    from common.results.diff import Judged, above, changes, unlike
    from common.results.folder import read_results
    from common.results.target import refuse_target
    from common.shown.diff import print_diff

    refuse_target(asked.json)
    old, new = read_results(asked.old), read_results(asked.new)
    reasons = unlike(old, new)
    if reasons and not asked.anyway:
        raise Refused(
            f"{asked.old} and {asked.new} are not the same work on the same machine: "
            f"{'; '.join(reasons)}; add --anyway to compare them all the same"
        )
    found = changes(old, new)
    if not found:
        raise Refused(f"{asked.old} and {asked.new} have no entrant in common")
    judged = Judged()
    if asked.fail_above is not None:
        judged = above(found, old, new, asked.fail_above)
    answer = {
        "unlike": reasons,
        "entrants": [one.asdict() for one in found],
        "worse": judged.worse,
        "undecided": judged.undecided,
    }
    tell(answer, asked.json, lambda c: print_diff(found, old, new, reasons, judged, c))
    return judged.exit_code()


def diagnose(asked: argparse.Namespace) -> int:
    """`diagnose`: find where entrants leave the referee's path; nothing is kept."""
    from common.ask import diagnosis
    from common.ask.request import read_request
    from common.results.target import refuse_target
    from common.shown.diagnosis import print_diagnoses
    from common.shown.words import joined, plain

    refuse_target(asked.json)
    request = read_request(settings(asked), say)
    diagnosed = diagnosis.diagnose(request, progress(request))

    def table(to: Console) -> None:
        print_diagnoses(diagnosed.found, to)
        for record in diagnosed.records:
            if record.reason:
                line = joined(record.entrant.label, _(record.status), told(record.reason))
                to.print(plain(line), soft_wrap=True)

    tell(diagnosed.document, asked.json, None if asked.quiet else table)
    if any(record.status != "ok" for record in diagnosed.records):
        return EXIT_UNFINISHED
    return int(any(one.difference is not None for one in diagnosed.found.values()))


def check(asked: argparse.Namespace) -> int:
    """`check`: two networks, layer by layer."""
    from common.ask import checking
    from common.ask.check_request import read_check
    from common.results.target import refuse_target
    from common.shown.words import joined, plain, results_line

    refuse_target(asked.json)
    checked = checking.check(read_check(check_settings(asked)))

    def table(to: Console) -> None:
        if checked.bytes is not None:
            to.print(
                plain(
                    _(
                        "kit of {size:.1f} MB in {folder}",
                        size=checked.bytes / 1e6,
                        folder=asked.write,
                    )
                ),
                soft_wrap=True,
            )
        elif checked.report is not None:
            to.print(plain(told(str(checked.report))), soft_wrap=True)
            for name in ("reference", "port") if asked.against else ():
                words = side_words(checked.document["environment"][name])
                to.print(plain(joined(_(name), words)), soft_wrap=True)
        if checked.folder is not None:
            to.print(results_line(checked.folder), soft_wrap=True)

    tell(checked.document, asked.json, None if asked.quiet else table)
    if checked.reason is not None:
        say(f"compare.py: {told(checked.reason)}")
    return checked.exit_code(strict=asked.strict)


def side_words(side: Mapping[str, Any]) -> str:
    """Which network a side is, and what it ran with."""
    versions = (" ".join(one) for one in side["versions"].items())
    return ", ".join((side["side"], side["mode"], *versions))


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "diagnose": diagnose,
    "check": check,
    "sweep": sweep,
    "infer": infer,
    "grid": grid,
    "diff": diff,
    "list": list_backends,
    "env": environments,
    "show": show_source,
    "script": script,
    "exercise": exercise,
    "report": write_report,
    "lessons": lessons,
}
