"""Does any file, or any answer, end this program otherwise than by its own refusals?

    python -m tests.benchmarks.fuzz [--readers idx npz ...] [--cases N] [--seconds S]

gives each reader files that were right and are mutated byte by byte, and, where they are JSON,
value by value, led by what of `common/` they reach (atheris, from the extra `bench`). A case fails
that raises anything else than a refusal, takes longer than five seconds, or after which the process
holds 200 MB more than it did at first. Each reader stops after so many cases or seconds, whichever
comes first; what failed is kept in a file that is named, and `--again FILE --readers NAME` reads it
once more.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import atheris
import numpy as np

from common.contract.root import ROOT
from common.errors import EntrantError, Refused

#: Seconds a case may take, and bytes that it may leave the process larger by.
SLOWEST, MOST = 5, 200 * 2**20
#: Address space that all cases together may take: what asks for gigabytes is told no.
SPACE = 2 * 2**30
LONGEST = 2**16

Files = dict[str, bytes]

# What they read with is imported where they do: what is imported then is watched.


@dataclass(frozen=True)
class Reader:
    """Something that reads what others wrote.

    Attributes:
        files: right ones, made in a folder; one of them at a time is mutated.
        read: reads a folder, of which one file was mutated.
        refusals: what it may raise.
    """

    files: Callable[[Path], Files]
    read: Callable[[Path, str], object]
    refusals: tuple[type[Exception], ...] = (Refused,)


# ---- data ----------------------------------------------------------------------------------


def of_idx(folder: Path) -> Files:
    """Images of every type, in colour, and labels."""
    files = {"labels": bytes([0, 0, 8, 1, 0, 0, 0, 5]) + bytes(range(5))}
    for code, dtype in {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}.items():
        header = bytes([0, 0, code, 3]) + np.array([2, 3, 4], ">u4").tobytes()
        files[f"images-{code}"] = header + np.arange(24).astype(dtype).tobytes()
    header = bytes([0, 0, 8, 4]) + np.array([2, 3, 4, 3], ">u4").tobytes()
    return {**files, "images-colour": header + bytes(range(72))}


def read_idx(folder: Path, name: str) -> None:
    """As it is scanned, copied to the cache and mapped from there."""
    from common.data import idx

    path, labels = folder / name, name.startswith("labels")
    magic = idx.LABELS_MAGIC if labels else idx.IMAGES_MAGIC
    found = idx.scan(path, magic)
    for _ in idx.stored(path, magic).blocks():
        pass
    if found.dtype == "uint8" and path.read_bytes()[:2] != b"\x1f\x8b":
        (idx.read_labels if labels else idx.read_images)(path)


def of_gzip(folder: Path) -> Files:
    """The same, packed at several levels."""
    files = of_idx(folder)
    return {name: gzip.compress(text, 1 + n) for n, (name, text) in enumerate(files.items())}


def of_npz(folder: Path) -> Files:
    from common.data import npz

    images, labels = np.arange(90, dtype=np.uint8).reshape(3, 5, 6), np.arange(3)
    for number, (names, kind) in enumerate(zip(npz.NAMES, ("u1", "f8"), strict=True)):
        values = images.astype(kind), labels, images.astype(kind), labels
        arrays = dict(zip(names, values, strict=True))
        np.savez(folder / f"stored-{number}", **arrays)
        np.savez_compressed(folder / f"packed-{number}", **arrays)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_npz(folder: Path, name: str) -> None:
    from common.data import npz

    content = npz.read(folder / name, ())
    for part in (content.train, content.test):
        for _ in (*part.images(), *part.labels()):
            pass


def of_cifar(folder: Path) -> Files:
    from common.data import cifar

    return {name: (bytes([7]) + bytes(3072)) * 2 for name in (*cifar.TRAIN, *cifar.TEST)}


def read_cifar(folder: Path, name: str) -> None:
    from common.data import cifar

    content = cifar.read(folder, ())
    for _ in (*content.train.images(), *content.test.labels()):
        pass


def of_cache(folder: Path) -> Files:
    """An entry, and what it was made of."""
    from common.data import cache, idx

    entry, files = folder / "entry", cache.plain_files(folder / "entry")
    files[idx.TRAIN_IMAGES].parent.mkdir(parents=True)
    images, labels = np.zeros((5, 12), np.uint8), np.arange(5, dtype=np.uint8)
    for of_images, of_labels in (idx.TRAIN, idx.TEST):
        idx.write_images(files[of_images], [images], 5, 3, 4)
        idx.write_labels(files[of_labels], labels)
    cache._write_sums(entry, cache.digests_of(cache.scan_files(files)))
    (entry / cache.MADE_OF).write_text(json.dumps({"sha256": {"a": "0"}, "notes": ["turned"]}))
    return {str(p.relative_to(folder)): p.read_bytes() for p in entry.rglob("*") if p.is_file()}


def read_cache(folder: Path, name: str) -> None:
    """A damaged entry is no error: it is said, and replaced."""
    from common.data import cache

    cache.made_of(folder / "entry", lambda words: None)


# ---- results -------------------------------------------------------------------------------


def of_run(folder: Path, *, whole: bool) -> Files:
    """What a run left, one that is whole or one in which an entrant failed."""
    from tests.faulty import copy_faulty

    copy_faulty(BESIDE, "faulty", "numpy", "" if whole else "exception", "last epoch")
    words = ["--backends", "numpy", "faulty", "--backend-path", BESIDE, "--out", folder / "out"]
    words += ["--model", "linear", "--epochs", 3, "--batch-size", 200, "--quiet"]
    compare(*words, "--optimizer", "adam", "--check", "quick", "--no-band")
    kept = {".json", ".jsonl", ".safetensors", ".npz"}
    return {p.name: p.read_bytes() for p in (folder / "out").iterdir() if p.suffix in kept}


def compare(*words: object, cwd: Path | None = None) -> None:
    """Run compare.py by itself."""
    command = [sys.executable, str(ROOT / "compare.py"), *map(str, words)]
    subprocess.run(command, cwd=cwd, capture_output=True, check=False)


def of_results(folder: Path) -> Files:
    return {"results.json": of_run(folder, whole=True)["results.json"]}


def read_diff(folder: Path, name: str) -> None:
    """As the notebook and `diff` read it, both ways round."""
    from common.results.diff import above, changes, unlike
    from common.results.folder import read_results
    from common.shown.notebook import Comparison

    found = read_results(folder)
    RIGHT.setdefault("results", found)  # the first is as it was made
    Comparison(folder)._repr_html_()
    unlike(RIGHT["results"], found)
    for old, new in ((RIGHT["results"], found), (found, RIGHT["results"])):
        above(changes(old, new), old, new, 5.0)


def read_page(folder: Path, name: str) -> None:
    """As `report` reads it, which refuses whatever a page cannot be drawn of."""
    from common.shown.page import write

    try:
        write(folder)
    except MemoryError:
        raise
    except Exception as cause:
        raise Refused("it cannot be drawn") from cause


def of_journal(folder: Path) -> Files:
    """What `--resume` reads: the journal and the states."""
    files = of_run(folder, whole=False)
    return {name: text for name, text in files.items() if name.startswith(("journal", "state"))}


def read_resume(folder: Path, name: str) -> None:
    """As `--resume` reads it, before anything is trained."""
    from common.ask.resume import read_resumed
    from common.ask.settings import Settings
    from common.results.journal import Journal

    request, kept = read_resumed(Settings(resume=folder), lambda words: None)
    with Journal(folder, kept) as journal:
        journal.refuse_unreadable(request.records)
        for record in request.records:
            journal.restore(record, request.plan.dtype)


# ---- modules -------------------------------------------------------------------------------


def leaves(**shapes: tuple[int, ...]) -> list[Any]:
    from common.contract.net import Leaf

    return [
        Leaf(f"fc.{name}", ("fc",), "Dense", np.zeros(shape, np.float32), True)
        for name, shape in shapes.items()
    ]


def of_mapping(folder: Path) -> Files:
    from common.mapping.mapping import SCHEMA_VERSION

    lines = [
        {"port": "fc.kernel", "reference": ["fc.weight"], "transform": "permute 1 0"},
        {"port": "fc.bias", "reference": ["fc.bias"], "transform": "identity"},
    ]
    found = {"schema_version": SCHEMA_VERSION, "entries": lines}
    return {"mapping.json": json.dumps(found).encode()}


def read_mapping(folder: Path, name: str) -> None:
    from common.mapping.mapping import load

    reference = leaves(weight=(4, 6), bias=(4,))
    load(folder / name, reference, leaves(kernel=(6, 4), bias=(4,)))


def of_kit(folder: Path) -> Files:
    from tests.hosted import NETWORKS

    (folder / "nets.py").write_text(NETWORKS)
    words = ["--reference", "torch=nets.py:Small", "--input", "2x1x4x4", "--labels", "5"]
    compare("check", *words, "--steps", 1, "--write", "kit", cwd=folder)
    return {path.name: path.read_bytes() for path in (folder / "kit").iterdir()}


def read_kit(folder: Path, name: str) -> None:
    from common.ask.check_request import as_written
    from common.ask.check_settings import CheckSettings
    from common.modules.kit import KitNet
    from common.modules.kits import recorded

    kit = KitNet(folder)
    as_written(CheckSettings(against=folder), folder, kit)
    recorded(kit)
    kit.shares_kept(kit.document.shares)
    for _, question in kit.document.parts:
        kit.rows("a part", question)


# ---- frames --------------------------------------------------------------------------------


def said() -> dict[str, Any]:
    """What a worker answers, by what it was asked."""
    from common.entrants.session import Evaluated, Opened, Trained, WarmedUp

    trained = Trained(np.ones(3, "f4"), np.ones(3, int), 0.5, None, None, 1, None)
    return {
        "open": {"value": vars(Opened({"fake": "1"}, {"a": [1, None]}, 0.5, 0.5, 10**7))},
        "warm_up": {"value": vars(WarmedUp(0.5, None))},
        "train": {"value": vars(trained)},
        "evaluate": {"value": vars(Evaluated(1.5, 3, 0.5))},
        "params": {"value": {"output.weight": np.zeros((2, 3), "f4")}},
        "load": {"error": ["Failed", "ValueError: boom"]},
    }


def of_pipe(folder: Path) -> Files:
    """What goes through the pipe."""
    from common.entrants.channel import Channel

    files = {}
    for name, value in said().items():
        ours, theirs = Pipe()
        Channel(theirs).send(value)
        files[name] = os.read(ours.fileno(), 2**16)
        ours.close()
        theirs.close()
    return files


def read_pipe(folder: Path, name: str) -> None:
    """As the parent reads it."""
    from common.entrants import answers
    from common.entrants.channel import Channel, Malformed
    from common.entrants.session import Evaluated, Opened, Trained, WarmedUp

    kinds: dict[str, Any] = {"open": Opened, "warm_up": WarmedUp}
    kinds |= {"train": Trained, "evaluate": Evaluated}
    ours, theirs = Pipe()
    with ours:
        with theirs:
            os.write(theirs.fileno(), (folder / name).read_bytes()[: 2**15])
        try:
            answer = Channel(ours).receive()
        except (Malformed, EOFError, OSError) as cause:
            raise Refused("no answer") from cause
    if (told := answers.error(name, answer)) is not None:
        str(told).encode()
        return
    value = answers.value(name, answer)
    if name in kinds:
        answers.read(kinds[name], name, value)


READERS = {
    "IDX": Reader(of_idx, read_idx),
    "gzip": Reader(of_gzip, read_idx),
    "npz": Reader(of_npz, read_npz),
    "CIFAR-10": Reader(of_cifar, read_cifar),
    "cache": Reader(of_cache, read_cache),
    "results.json": Reader(of_results, read_diff),
    "page": Reader(lambda folder: of_run(folder, whole=True), read_page),
    "resume": Reader(of_journal, read_resume),
    "mapping.json": Reader(of_mapping, read_mapping),
    "kit": Reader(of_kit, read_kit),
    "pipe": Reader(of_pipe, read_pipe, (Refused, EntrantError)),
}
#: What is read beside what is mutated.
RIGHT: dict[str, Any] = {}
#: For what must stay while a reader reads.
BESIDE = Path()

# ---- mutating ------------------------------------------------------------------------------

ODD: list[Any] = [
    None, True, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 1e308, -0.0, 0.5, "", "a", "\0", "\u202e",
    "9" * 400, "../../x", [], {}, [[]], [None] * 300, {"": None}, "x" * 5000,
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a nest."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from places(item)


def mutated(data: bytes, longest: int, seed: int) -> bytes:
    """Byte by byte, or, of JSON, a value or two replaced, doubled or left out."""
    draw = random.Random(seed)
    head, text = data[:1], data[1:]
    if draw.random() < 0.5:
        try:
            lines = [json.loads(line) for line in (text.splitlines() or [text])]
        except (ValueError, RecursionError):
            try:
                lines = [json.loads(text)]
            except (ValueError, RecursionError):
                lines = []
        nests = [line for line in lines if isinstance(line, (dict, list))]
        found = [one for nest in nests for one in places(nest)]
        if found:
            for _ in range(draw.randint(1, 2)):
                holder, key = draw.choice(found)
                change(holder, key, draw)
            return head + b"\n".join(json.dumps(line).encode() for line in lines) + b"\n"
    return bytes(atheris.Mutate(data, longest))


def change(holder: Any, key: Any, draw: random.Random) -> None:
    """Replace a value, take it from elsewhere, or leave it out."""
    if not isinstance(holder, dict) and key >= len(holder):
        return
    what = draw.random()
    if what < 0.2:
        holder.pop(key, None) if isinstance(holder, dict) else holder.pop(key)
    elif what < 0.3 and isinstance(holder, list):
        holder.extend(holder[:200])
    else:
        holder[key] = draw.choice(ODD)


# ---- one reader ----------------------------------------------------------------------------


def fuzz(name: str, cases: int, seconds: int, place: Path, again: Path | None) -> None:
    """Read mutated files until enough; in a process of its own, which libFuzzer ends."""
    global BESIDE
    reader, made, there, BESIDE = READERS[name], *(place / one for one in ("made", "there", "more"))
    made.mkdir()
    there.mkdir()
    with atheris.instrument_imports(include=["common"]):
        files = reader.files(made)
        assert files, f"{name} has no files to begin with"
        names = sorted(files)
        shutil.rmtree(made)
        corpus = place / "corpus"
        corpus.mkdir()
        for number, one in enumerate(names):
            (corpus / str(number)).write_bytes(bytes([number]) + files[one])
            (there / one).parent.mkdir(parents=True, exist_ok=True)
            (there / one).write_bytes(files[one])
        for one in names:  # as they were made they must be read
            with suppress(EntrantError):
                reader.read(there, one)
    memory = [0]

    def one_case(data: bytes) -> None:
        if not data:
            return
        target = names[data[0] % len(names)]
        path = there / target
        path.write_bytes(data[1:])
        try:
            reader.read(there, target)
        except reader.refusals:
            pass
        finally:
            path.write_bytes(files[target])
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        memory[0] = memory[0] or peak
        if peak > memory[0] + MOST:
            raise MemoryError(f"the process holds {(peak - memory[0]) / 1e6:.0f} MB more")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    longest = max(LONGEST, *(len(text) + 1024 for text in files.values()))
    words = [sys.argv[0], f"-runs={cases}", f"-max_total_time={seconds}", f"-timeout={SLOWEST}"]
    words += [f"-max_len={longest}", "-print_final_stats=1", "-verbosity=0", "-rss_limit_mb=0"]
    words += [f"-artifact_prefix={place}/", str(again or corpus)]
    atheris.Setup(words, one_case, custom_mutator=mutated)
    atheris.Fuzz()


# ---- all of them ---------------------------------------------------------------------------


def run(name: str, asked: argparse.Namespace) -> tuple[int, float, str]:
    """Fuzz one reader; how many cases, in how many seconds, and what failed."""
    with tempfile.TemporaryDirectory(dir=asked.scratch) as folder:
        place, began = Path(folder), time.monotonic()
        words = ["--one", folder, "--readers", name, "--cases", str(asked.cases)]
        words += ["--seconds", str(asked.seconds)]
        words += ["--again", str(asked.again)] if asked.again else []
        log = place / "log"
        with log.open("wb") as file:
            done = subprocess.run(
                [sys.executable, "-m", __spec__.name, *words], stdout=file, stderr=file, cwd=ROOT
            )
        text, seconds = log.read_text(errors="replace"), time.monotonic() - began
        counted = re.search(r"number_of_executed_units: (\d+)", text)
        failed = ""
        if done.returncode or counted is None:
            failed = (re.search(r"(?s)Python exception.*?(?=\n==|$)", text) or [text[-2000:]])[0]
            for path in [*place.glob("crash-*"), *place.glob("timeout-*"), *place.glob("oom-*")]:
                kept = Path(tempfile.gettempdir()) / f"fuzz-{path.name}"
                shutil.copyfile(path, kept)
                failed += f"\nkept in {kept}"
        return int(counted[1]) if counted else 0, seconds, failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz each; print counts; 1 if a case failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--readers", nargs="+", default=list(READERS), choices=READERS)
    parser.add_argument("--cases", type=int, default=10**9, help="of each reader, at most")
    parser.add_argument("--seconds", type=int, default=40, help="for each reader, at most")
    parser.add_argument("--scratch", type=Path, help="for its files; one in memory is quick")
    parser.add_argument("--again", type=Path, metavar="FILE")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.one:
        fuzz(asked.readers[0], asked.cases, asked.seconds, asked.one, asked.again)
    cases, bad = 0, 0
    for name in asked.readers:
        count, seconds, failed = run(name, asked)
        cases, bad = cases + count, bad + bool(failed)
        words = f"FAILED\n{failed}" if failed else "no failure"
        print(f"{name}: {count} cases in {seconds:.0f} s: {words}", flush=True)
    print(f"{cases} cases, {bad} of {len(asked.readers)} readers failed")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
