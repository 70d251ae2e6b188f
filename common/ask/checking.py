"""Two networks held against each other, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from common.ask.check_request import OF_KIT, CheckRequest
from common.contract.arrays import Array
from common.contract.net import Net
from common.contract.optimizers import OPTIMIZERS
from common.contract.precision import cast
from common.errors import EntrantError, Unavailable
from common.measure.machine import available_cores
from common.modules.check import Options, examine
from common.modules.kit import Origin, Writing
from common.modules.kits import Played
from common.modules.remote import RemoteNet
from common.modules.sides import Side
from common.results.environment import environment
from common.results.folder import write_json
from common.results.place import Place
from common.shown.module_page import CheckReport

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Checked:
    """What came of it.

    Attributes:
        document: as `check --json` has it.
        report: to be printed; None if a side did not finish.
        reason: why it did not.
        folder: where it was saved, if it was.
        bytes: of the kit, if one was written.
    """

    document: dict[str, Any]
    report: Any = None
    reason: str | None = None
    folder: Path | None = None
    bytes: int | None = None

    def exit_code(self, *, strict: bool = False) -> int:
        """0 agrees, 1 differs (strict: or was not checked), 3 a side did not finish."""
        if self.report is None:
            return 3
        return int(self.report.verdict == "differs" or (strict and not self.report.agrees))


def check(request: CheckRequest) -> Checked:
    """Hold the port against the reference; for a kit the reference against itself.

    Raises:
        Refused: a side names what is not there or is no network, or the labels do not fit.
    """
    out = request.settings.out
    with ExitStack() as stack:
        if out is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="compare-")))
            found = _checked(request, folder, drawn=False)
            return replace(found, reason=_with(found.reason, "with --out DIR its log is kept"))
        place = stack.enter_context(Place(out, force=request.settings.force))
        found = _checked(request, place.folder, drawn=True)
        write_json(place.folder / "check.json", found.document)
        if found.report is not None:
            found.report.matched.mapping.save(place.folder / "mapping.json")
        # Where a side did not finish, nothing takes the place of a mapping edited by hand.
        place.keep(whole=found.report is not None)
        reason = _with(found.reason, f"its log is in {place.folder}")
        return replace(found, folder=place.folder, reason=reason)


def _with(reason: str | None, log: str) -> str | None:
    """Why a side did not finish, and where its log is."""
    return None if reason is None else f"{reason}; {log}"


def _checked(request: CheckRequest, folder: Path, *, drawn: bool) -> Checked:
    """Start the sides, and judge them.

    Args:
        request: from `read_check`.
        folder: for the logs, and the page.
        drawn: whether there is to be one.
    """
    nets: dict[str, RemoteNet] = {}
    document: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
    report = reason = size = None
    try:
        for name in request.sides:
            nets[name] = _started(name, request, folder)
        load(nets.values())
        report, size = _judged(nets, request)
        document |= report.asdict()
        if drawn:  # while the sides can still show their code
            CheckReport.of(report).save(folder / "check.html")
    except EntrantError as error:
        reason = str(error)
        document |= {"verdict": "not checked", "agrees": False, "first": None, "layers": []}
        document |= {"mapping": [], "probes": {}, "status": error.status, "reason": reason}
    finally:
        for net in nets.values():
            net.close()
    told = {name: kit.document.side for name, kit in request.kits.items()}
    told |= {name: _told(net, request.sides[name]) for name, net in nets.items()}
    document["environment"] = msgspec.to_builtins(environment()) | msgspec.to_builtins(told)
    return Checked(document, report, reason, bytes=size)


def _told(net: RemoteNet, side: Side) -> Origin:
    """What is to be known of a side."""
    return Origin(side.text, side.mode, net.versions)


def _started(name: str, request: CheckRequest, folder: Path) -> RemoteNet:
    """Start a side's process, its environment as the backend wants it.

    Raises:
        Unavailable: its framework is not installed.
    """
    side, settings = request.sides[name], request.settings
    backend, python = request.available[side.framework], request.pythons.get(side.framework)
    missing = None if python else backend.missing()
    if missing:
        raise Unavailable(f"the {name}, {side.text}: {missing}")
    threads = available_cores()
    return RemoteNet(
        f"the {name}",
        side,
        settings.seed,
        request.batch.names,
        log=folder / f"worker-{name}.log",
        environment=backend.info.variables(threads, "cpu", convolves=request.batch.pictures),
        threads=threads,
        timeout=settings.timeout,
        **({"python": python} if python else {}),
    )


def load(nets: Iterable[RemoteNet]) -> None:
    """Import the frameworks at the same time, and make the networks.

    Raises:
        EntrantError, Refused: of the first that fails; nobody is waited for then.
    """
    nets = list(nets)
    if not nets:
        return
    with ThreadPoolExecutor(len(nets)) as pool:
        loading = [pool.submit(net.load) for net in nets]
        try:
            for one in loading:
                one.result()
        except BaseException:
            for net in nets:
                net.close()
            raise


def _judged(nets: Mapping[str, RemoteNet], request: CheckRequest) -> tuple[Any, int | None]:
    """The report, and the bytes of a kit.

    Raises:
        EntrantError: a process is gone, whatever was made of that.
    """
    try:
        if request.settings.write is not None:
            return _written(nets["reference"], request, request.settings.write)
        kits, inputs = request.kits, request.batch.inputs
        reference: Net = kits.get("reference") or nets["reference"]
        port: Net = Played(kits["port"]) if "port" in kits else nets["port"]
        labels = _labels(reference, request)
        same = "port" in kits
        return examine(reference, port, inputs, labels, _options(request), same=same), None
    finally:
        for net in nets.values():
            if net.lost is not None:
                raise net.lost


def _written(net: RemoteNet, request: CheckRequest, folder: Path) -> tuple[Any, int | None]:
    """Hold a reference against itself, and keep what it was asked, unless it differs."""
    settings, size = request.settings, None
    with Writing(net, folder) as kit:
        labels = _labels(kit, request)
        inputs = request.batch.inputs
        report = examine(kit, net, inputs, labels, _options(request))
        if report.verdict != "differs":
            of_kit = {name: getattr(settings, name) for name in OF_KIT}
            side = _told(net, request.sides["reference"])
            size = kit.finish(side, of_kit, request.batch, labels)
    return report, size


def _labels(reference: Net, request: CheckRequest) -> Array | None:
    """The labels, once it is known what the reference returns."""
    settings, batch = request.settings, request.batch
    if batch.labels.text == "none":
        return None
    values = cast({leaf.name: leaf.value for leaf in reference.leaves()}, settings.dtype)
    _, outputs = reference.record(values, batch.inputs, settings.train)
    return batch.labels.of(outputs, settings.seed, settings.dtype)


def _options(request: CheckRequest) -> Options:
    """As the judge takes them."""
    settings = request.settings
    return Options(
        train=settings.train,
        steps=settings.steps,
        optimizer=settings.optimizer,
        momentum=OPTIMIZERS[settings.optimizer].momentum,
        eps=OPTIMIZERS[settings.optimizer].eps,
        lr=settings.lr,
        dtype=settings.dtype,
        seed=settings.seed,
        mapping=settings.map,
        only=settings.only,
    )
