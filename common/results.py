"""What a run leaves behind: the result folder and results.json (docs: contract, schema)."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from common.agreement.verdict import Verdict
from common.contract.arrays import Array, Arrays
from common.contract.entrant import Entrant
from common.contract.info import CONTRACT, REFEREE
from common.contract.plan import Plan
from common.contract.registry import Backend, version
from common.errors import Refused
from common.measure import statistics
from common.measure.machine import available_cores

SCHEMA_VERSION = 1
#: What `results.json` must have to be read.
NEEDED = ("plan", "environment", "data", "entrants", "parity")
#: So many test images of a kind are kept for the page.
PICTURES = 12
SCHEMA = Path(__file__).with_name("results.schema.json")
AGREE = ("identical", "rounding", "declared")
#: What `--force` may replace in an existing result folder, and nothing else.
OURS = (
    "results.json",
    "report.html",
    "initial.safetensors",
    "order.npy",
    "params-*.safetensors",
    "predictions.npz",
    "pictures.npz",
    "source",
    "worker-*.log",
)


@dataclass
class Record:
    """Everything measured of one entrant."""

    entrant: Entrant
    backend: Backend
    status: str = "ok"
    reason: str | None = None
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    import_seconds: float | None = None
    open_seconds: float | None = None
    compile_seconds: float | None = None
    first_step_seconds: float | None = None
    epochs: list[dict[str, Any]] = field(default_factory=list)
    losses: list[Array] = field(default_factory=list)
    #: seconds of each epoch, a list per round
    rounds: list[list[float]] = field(default_factory=list)
    #: whether something else used the machine meanwhile, likewise
    disturbed: list[list[bool]] = field(default_factory=list)
    #: seconds that all threads worked in them, likewise
    cpu_seconds: list[list[float | None]] = field(default_factory=list)
    peak_memory_bytes: int | None = None
    #: of it, what the framework takes before there is any data
    framework_memory_bytes: int | None = None
    steps_per_call: int = 1
    batches_sha256: str | None = None
    #: of the backend's files as they were when the run began
    source_sha256: str | None = None
    params: Arrays | None = None
    classes: Array | None = None
    learnt: dict[str, Any] | None = None
    #: of each component by itself, see `Session.component_seconds`
    component_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def step_losses(self) -> Array:
        """Loss of every step of the first round."""
        return np.concatenate(self.losses) if self.losses else np.empty(0)

    @property
    def steady(self) -> list[float]:
        """Seconds of all epochs but the very first."""
        return steady(self.rounds)

    @property
    def cores_used(self) -> float | None:
        """CPU time over wall time: median over the steady epochs."""
        worked = steady(self.cpu_seconds)
        shares = [w / s for w, s in zip(worked, self.steady, strict=False) if w is not None]
        return float(np.median(shares)) if shares else None


def steady(rounds: Sequence[Sequence[Any]]) -> list[Any]:
    """What belongs to the epochs that count for the times: all but the very first."""
    return [one for epochs in rounds for one in epochs][1:]


@dataclass
class Results:
    """A finished (or interrupted) run."""

    plan: Plan
    records: list[Record]
    verdicts: dict[str, Verdict]
    comparisons: list[dict[str, Any]]
    data: dict[str, Any]
    examples: int
    interrupted: bool = False
    #: what each kind of check took
    check_seconds: dict[str, float] = field(default_factory=dict)
    #: of the referee, for each test image: how far its largest logit is above the second
    margins: Array | None = None
    #: the referee's loss at every step
    referee_losses: Array | None = None
    #: what the machine could do on an epoch, see `common.measure.limit`
    limit: dict[str, float] | None = None
    _seconds: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def exit_code(self) -> int:
        """0 agree, 1 some differ, 3 some did not finish, 130 interrupted."""
        if self.interrupted:
            return 130
        if any(record.status != "ok" for record in self.records):
            return 3
        return 1 if any(v.verdict == "differs" for v in self.verdicts.values()) else 0

    def asdict(self) -> dict[str, Any]:
        """As results.json."""
        return {
            "schema_version": SCHEMA_VERSION,
            "plan": self.plan.asdict(),
            "environment": environment(),
            "data": self.data,
            "entrants": [self._entrant(record) for record in self.records],
            "parity": {
                "referee": f"{REFEREE} float64",
                "seconds": self.check_seconds,
                "referee_losses": []
                if self.referee_losses is None
                else self.referee_losses.tolist(),
                "entrants": {label: v.asdict() for label, v in self.verdicts.items()},
            },
            "comparisons": self.comparisons,
            "limit": self.limit,
            "interrupted": self.interrupted,
        }

    def _referee_losses(self) -> list[float]:
        found: list[float] = [] if self.referee_losses is None else self.referee_losses.tolist()
        return found

    def epoch_seconds(self, record: Record) -> dict[str, Any]:
        """Median, interval, minimum of an entrant's steady epochs; made once."""
        label = record.entrant.label
        if label not in self._seconds:
            disturbed = steady(record.disturbed)
            self._seconds[label] = {**statistics.summary(record.steady), "disturbed": disturbed}
        return self._seconds[label]

    def times_limit(self, record: Record) -> float | None:
        """How many times the machine's least time for an epoch an entrant takes."""
        median = self.epoch_seconds(record)["median"]
        return median / self.limit["seconds"] if median and self.limit else None

    def _entrant(self, record: Record) -> dict[str, Any]:
        entrant, seconds = record.entrant, self.epoch_seconds(record)
        rate = self.examples / seconds["median"] if seconds["median"] else None
        return {
            "label": entrant.label,
            "slug": entrant.slug,
            "backend": entrant.backend,
            "style": entrant.style,
            "mode": entrant.mode,
            "data": entrant.data,
            "notes": record.notes,
            "status": record.status,
            "reason": record.reason,
            "versions": record.versions,
            "device": self.plan.device,
            "threads": self.plan.threads,
            "settings": record.settings,
            "steps_per_call": record.steps_per_call,
            "batches_sha256": record.batches_sha256,
            "source_sha256": record.source_sha256,
            "epochs": record.epochs,
            "step_losses": record.step_losses.tolist(),
            "timing": {
                "import_seconds": record.import_seconds,
                "open_seconds": record.open_seconds,
                "compile_seconds": record.compile_seconds,
                "first_step_seconds": record.first_step_seconds,
                "epoch_seconds": seconds,
                "times_limit": self.times_limit(record),
                "cores_used": record.cores_used,
                "examples_per_second": rate,
                "component_seconds": record.component_seconds,
            },
            "peak_memory_bytes": record.peak_memory_bytes,
            "framework_memory_bytes": record.framework_memory_bytes,
            "learnt": record.learnt,
            "true": self.data.get("true"),
        }


def refuse_folder(folder: Path, *, force: bool) -> None:
    """Raise Refused if a folder cannot be the result folder; touches nothing."""
    try:
        if folder.exists() and not folder.is_dir():
            raise Refused(f"--out {folder} is a file; name a folder")
        if folder.is_dir() and any(folder.iterdir()) and not force:
            raise Refused(f"--out {folder} is not empty; name another folder, or add --force")
    except OSError as cause:
        raise Refused(f"--out {folder} cannot be read: {cause.strerror}") from cause


def prepare(folder: Path, *, force: bool) -> None:
    """Make the result folder; with `force` clear an old run's files from it.

    Raises:
        Refused: it exists with something in it, or cannot be made.
    """
    refuse_folder(folder, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for pattern in OURS if force else ():
            for old in folder.glob(pattern):
                shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    except OSError as cause:
        raise Refused(f"--out {folder} cannot be written: {cause.strerror}") from cause


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path that becomes `path` only if the block succeeds."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, results: Mapping[str, Any]) -> None:
    """Write strict JSON: NaN and infinities as null."""
    with whole(path) as temporary:
        temporary.write_text(as_json(results), encoding="utf-8")


def as_json(value: Mapping[str, Any]) -> str:
    """Strict JSON text."""
    return json.dumps(finite(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_results(folder: Path) -> dict[str, Any]:
    """Read the results of a run.

    Raises:
        Refused: there are none, or not such as this version writes.
    """
    path = folder / "results.json" if folder.is_dir() else folder
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise Refused(f"{folder} has no results: {path.name}: {cause.strerror}") from cause
    except ValueError as cause:
        raise Refused(f"{path} is not JSON: {cause}") from cause
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version != SCHEMA_VERSION:
        raise Refused(f"{path} has schema_version {version}; this is {SCHEMA_VERSION}")
    if lacking := [name for name in NEEDED if name not in found]:
        raise Refused(f"{path} is no results.json: it has no {', '.join(lacking)}")
    return dict(found)


def finite(value: Any) -> Any:
    """Replace what JSON has no number for by None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_orders(path: Path, orders: Iterable[Array], shape: tuple[int, int]) -> str:
    """Stream the orders into an .npy file, one epoch in memory at a time; their SHA-256."""
    sha = hashlib.sha256()
    with whole(path) as temporary:
        rows = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            temporary, mode="w+", dtype=np.int32, shape=shape
        )
        for row, order in zip(rows, orders, strict=True):
            row[:] = order
            sha.update(order.astype("<i4").tobytes())
        rows.flush()
        del rows
    return sha.hexdigest()


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write tensors as safetensors."""
    with whole(path) as temporary:
        temporary.write_bytes(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def write_predictions(path: Path, records: Sequence[Record], labels: Array) -> None:
    """Write each entrant's classes under its slug, and the labels."""
    classes = {r.entrant.slug: r.classes for r in records if r.classes is not None}
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, labels=np.asarray(labels), **classes)


def write_pictures(
    path: Path, results: Results, images: Array, labels: Array, classes: Sequence[str]
) -> None:
    """Write the test images a page shows, so that it can be made again without the data.

    The first ones; the first that the first entrant takes for something else; and those on
    which entrants disagree, the widest margin of the referee's logits first, because on narrow
    ones rounding decides.
    """
    chosen = [r.classes for r in results.records if r.classes is not None]
    shown = {"first": np.arange(min(PICTURES, len(labels)))}
    apart = np.empty(0, np.int64)
    if chosen:
        shown["wrong"] = np.flatnonzero(chosen[0] != labels)[:PICTURES]
        apart = np.flatnonzero((np.stack(chosen) != chosen[0]).any(axis=0))
        if results.margins is not None:
            apart = apart[np.argsort(-results.margins[apart], kind="stable")]
        shown["disagreed"] = apart[: 2 * PICTURES]
    arrays: dict[str, Array] = {
        **{f"{name}/index": index.astype(np.int64) for name, index in shown.items()},
        **{f"{name}/images": images[index] for name, index in shown.items()},
        "disagreements": np.array(len(apart)),
        "classes": np.array(list(classes)),
    }
    if results.margins is not None:
        arrays["disagreed/margins"] = results.margins[shown.get("disagreed", apart)]
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def copy_source(folder: Path, backends: Mapping[str, Backend]) -> None:
    """Keep the code that runs, byte for byte."""
    for backend in backends.values():
        target = folder / backend.name
        target.mkdir(parents=True)
        for path in source_files(backend.folder):
            with whole(target / path.name) as temporary:
                shutil.copyfile(path, temporary)


def source_files(folder: Path) -> list[Path]:
    """The files of a backend, in the order they are hashed and shown."""
    files = (folder / name for name in ("__init__.py", *CONTRACT, "declared.py"))
    return [path for path in files if path.is_file()]


def source_sha256(*folders: Path) -> str:
    """SHA-256 of the bytes of the files of a backend, or of several, in that order."""
    sha = hashlib.sha256()
    for path in (path for folder in folders for path in source_files(folder)):
        sha.update(path.read_bytes())
    return sha.hexdigest()


def environment() -> dict[str, Any]:
    """Say where this ran; `packages` are the parent's own."""
    packages = ("numpy", "scipy", "rich", "safetensors", "pooch", "pillow")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": available_cores(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "packages": {name: found for name in packages if (found := version(name))},
        "commit": _commit(),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    root = Path(__file__).resolve().parent.parent
    try:
        found = subprocess.run(
            ["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
