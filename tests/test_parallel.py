"""Several processes or devices train what one does, and every slip there is found and named."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common.agreement.judge import judge
from common.agreement.verdict import Verdict
from common.contract.entrant import Entrant, parse
from common.contract.info import Parallel
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.entrants.parallel import free_port
from common.entrants.process import WorkerSession
from common.entrants.session import Session
from common.errors import EntrantError, Failed, Killed, Refused, TimedOut
from common.running.starting import PROGRAMS, new_records, together
from tests.conftest import BACKENDS, Command, make_plan
from tests.fakes import alive, copy_backend
from tests.parallel_slips import EDITS, FAILS, OTHERWISE, SAID
from tests.test_parity import bench_of, orders_of

Data = Callable[[Plan], dict[str, Any]]


@dataclass
class Ranks:
    """Processes that train copies of a backend; one alone has several devices."""

    folder: Path
    backend: str
    way: Parallel
    parts: list[WorkerSession]

    def session(self, copy: str) -> Session:
        """All of them, told of a copy."""
        for part in self.parts:
            part.call("become", copy)
        return together(self.way, self.parts) if len(self.parts) > 1 else self.parts[0]

    def close(self) -> None:
        """End them."""
        for part in self.parts:
            part.close(at_once=True)

    def judged(self, copy: str, plan: Plan, data: dict[str, Any], style: str) -> Verdict:
        """Train a copy, and judge it."""
        session, orders = self.session(copy), orders_of(plan)
        choices = {**CHOICES, "style": style, "mode": self.way.modes[0]}
        session.open(plan.asdict(), choices, data)
        session.load(data["initial"])
        losses = [session.train(order).losses for order in orders]
        fingerprint = session.fingerprint(orders[0])
        entrant = Entrant(copy, copy, copy, **choices, parallel=self.way, ranks=2)
        info, bench = BACKENDS[self.backend].info, bench_of(plan, data, orders)
        return judge(session, entrant, info, losses, fingerprint, bench)


CHOICES = {"style": "concise", "mode": "eager", "data": "memory"}


#: Every way in which a backend trains on several devices, by the word that asks for it.
WAYS = {way.word: (name, way) for name, one in BACKENDS.items() for way in one.info.parallel}


def started(
    folder: Path, word: str, ranks: int, program: str, *names: str, timeout: float = 120
) -> list[WorkerSession]:
    """The processes of an entrant.

    Args:
        folder: for their logs, and copies of the backend.
        word: that asks for them.
        ranks: how many devices.
        program: what each runs.
        names: that it is told before the numbers.
        timeout: of a call.
    """
    (backend, way), port = WAYS[word], str(free_port())
    info = BACKENDS[backend].info
    told = {n: text.format(ranks=ranks) for n, text in way.environment.items()}
    each = [(str(rank), str(ranks), port) for rank in range(ranks)]
    return [
        WorkerSession(
            backend,
            *names,
            *words,
            program=program,
            folder=folder,
            log=folder / f"rank-{rank}.log",
            environment={**info.variables(1, "cpu", convolves=True), **told},
            threads=1,
            timeout=timeout,
        )
        for rank, words in enumerate([(str(ranks),)] if way.kind == "devices" else each)
    ]


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ranks]]:
    """Two ranks of each backend, which import it once for all tests.

    Of a fixture with the backend as its parameter pytest would make anew what another test's mark
    names: a framework would be imported in two processes for each slip.
    """
    made: dict[str, Ranks] = {}

    def pair(word: str) -> Ranks:
        backend, way = WAYS[word]
        pytest.importorskip(backend)
        if word in made and any(part.closed for part in made[word].parts):
            made.pop(word).close()
        if word not in made:
            folder = tmp_path_factory.mktemp("ranks")
            parts = started(folder, word, 2, "tests.ranks", way.kind)
            made[word] = Ranks(folder, backend, way, parts)
        return made[word]

    yield pair
    for ranks in made.values():
        ranks.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "name"),
    [
        pytest.param(word, name, id=f"{word}-{name}")
        for word, edits in EDITS.items()
        for name in edits
    ],
)
def test_found_and_named(
    word: str, name: str, pairs: Callable[[str], Ranks], session_data: Data
) -> None:
    pair = pairs(word)
    said = OTHERWISE.get((word, name), SAID[name])
    copy = f"{pair.backend}_{list(SAID).index(name)}"
    file, edits = EDITS[word][name]
    path = copy_backend(pair.folder, copy, pair.backend) / f"{file}.py"
    text = path.read_text(encoding="utf-8")
    for right, wrong in edits.items():
        assert right in text
        text = text.replace(right, wrong)
    path.write_text(text, encoding="utf-8")
    plan = make_plan(said.model, batch_size=said.size, epochs=1)
    if said.stage == FAILS:
        with pytest.raises(Failed, match=said.words):
            pair.judged(copy, plan, session_data(plan), "concise")
        return
    verdict = pair.judged(copy, plan, session_data(plan), "concise")
    assert verdict.verdict == "differs"
    assert verdict.first_difference is not None
    assert verdict.first_difference.stage == said.stage, verdict.first_difference
    assert said.words in (verdict.first_difference.likely_cause or ""), verdict.first_difference


@pytest.mark.slow
@pytest.mark.parametrize("size", [16, 15])
@pytest.mark.parametrize(
    ("word", "model"),
    [
        pytest.param(word, model, id=f"{word}-{model}")
        for word, (_, way) in WAYS.items()
        for model in ("softmax", "mlp", "lenet", "lenet_bn")
        if way.kind != "ranks" or not MODELS[model].statistics
    ],
)
def test_no_false_alarm(
    word: str, model: str, size: int, pairs: Callable[[str], Ranks], session_data: Data
) -> None:
    """Equal shares and others: 70 = 4 * 16 + 6 = 4 * 15 + 10."""
    pair = pairs(word)
    for dtype in set(pair.way.dtypes) & {"float32", "float64"}:
        plan = make_plan(model, batch_size=size, epochs=1, dtype=dtype)
        verdict = pair.judged(pair.backend, plan, session_data(plan), "concise")
        assert verdict.first_difference is None
        assert verdict.max_abs_loss_difference is not None
        assert dtype == "float32" or verdict.max_abs_loss_difference < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("word", WAYS)
def test_an_update_that_counts(
    word: str, pairs: Callable[[str], Ranks], session_data: Data
) -> None:
    """What counts the steps is on every device, too."""
    pair = pairs(word)
    plan = make_plan(epochs=1, optimizer="adam", lr=0.001, schedule="cosine")
    by_design = {one.function for one in BACKENDS[pair.backend].info.declared}
    for style in ("concise", "scratch"):
        if f"adam_{style}" in by_design:
            continue
        verdict = pair.judged(pair.backend, plan, session_data(plan), style)
        assert verdict.first_difference is None


@pytest.mark.slow
@pytest.mark.parametrize("word", ["sharded", "distributed"])
def test_a_batch_with_fewer_examples_than_devices(
    word: str, pairs: Callable[[str], Ranks], session_data: Data
) -> None:
    """70 = 3 * 23 + 1: what JAX has too few of it fills up."""
    plan, session = make_plan(batch_size=23, epochs=1), pairs(word).session("jax")
    session.open(plan.asdict(), {**CHOICES, "mode": "jit"}, session_data(plan))
    session.warm_up(orders_of(plan)[0])
    session.train(orders_of(plan)[0])


@pytest.mark.slow
@pytest.mark.parametrize("word", ["ddp"])
def test_a_batch_too_small_to_be_shared(
    word: str, pairs: Callable[[str], Ranks], session_data: Data
) -> None:
    """70 = 3 * 23 + 1."""
    plan, session = make_plan(batch_size=23), pairs(word).session("torch")
    session.open(plan.asdict(), CHOICES, session_data(plan))
    with pytest.raises(Failed, match="a batch of 1 cannot be shared by 2 processes"):
        session.warm_up(orders_of(plan)[0])


@pytest.mark.slow
@pytest.mark.parametrize("word", ["ddp", "distributed"])
def test_ranks_warm_up_alike(word: str, pairs: Callable[[str], Ranks], session_data: Data) -> None:
    """A process that makes fewer calls than another leaves it waiting for ever."""
    pair = pairs(word)
    plan, session = make_plan(epochs=1), pair.session(pair.backend)
    choices = {**CHOICES, "mode": pair.way.modes[0]}
    session.open(plan.asdict(), choices, session_data(plan))
    pair.parts[1].call("warm_up_within", 0.0)
    session.warm_up(orders_of(plan)[0])


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(("how", "error"), [(signal.SIGKILL, Killed), (signal.SIGSTOP, TimedOut)])
@pytest.mark.slow
@pytest.mark.parametrize("word", [word for word, (_, way) in WAYS.items() if way.kind != "devices"])
def test_a_rank_that_ends_or_hangs_ends_all(
    word: str,
    how: signal.Signals,
    error: type[EntrantError],
    rank: int,
    tmp_path: Path,
    session_data: Data,
) -> None:
    backend, way = WAYS[word]
    pytest.importorskip(backend)
    plan = make_plan("softmax", epochs=1)
    parts = started(tmp_path, word, 2, PROGRAMS[way.kind])
    session = together(way, parts)
    session.open(plan.asdict(), {**CHOICES, "mode": way.modes[0]}, session_data(plan))
    if how == signal.SIGSTOP:
        for part in parts:
            part._timeout = 2
        os.kill(parts[rank].pid, how)
    else:
        threading.Timer(0.3, os.kill, [parts[rank].pid, how]).start()
        time.sleep(0.5)
    order = orders_of(plan)[0]
    with pytest.raises(error, match=f"rank {rank}") as said:
        session.train(order)
    assert how != signal.SIGKILL or "and" not in str(said.value)
    session.close(at_once=True)
    assert not any(alive(part.pid) for part in parts)


@pytest.mark.parametrize(
    ("text", "model", "words"),
    [
        ("torch:x2", None, "x2 says how many alone; write torch:ddp,x2"),
        ("torch:ddp,x1", None, "x2 or more"),
        ("torch:ddp,x2,x3", None, "one number of devices"),
        ("jax:x2", None, "x2 says how many alone; write jax:sharded,x2 or jax:distributed,x2"),
        ("jax:sharded,distributed", None, "it says sharded and distributed; write"),
        ("jax:distributed,eager", None, "the compiler of a whole step"),
        ("torch:ddp,jit", None, "reduces in hooks of loss.backward"),
        ("jax:sharded,best", None, "best tries modes on one device"),
        ("mindspore:ddp", None, "ddp is torch's; write mindspore:parallel,x2"),
        ("torch:ddp,loader", None, "its share of a batch from memory"),
        ("torch:ddp", "resnet", "choose a model without batch normalisation"),
        ("mindspore:parallel", "lenet_bn", "a process by its share alone"),
        ("numpy:x2", None, "numpy does not train on several devices"),
    ],
)
def test_refused(text: str, model: str | None, words: str) -> None:
    with pytest.raises(Refused, match=words):
        parse([text], BACKENDS, model=model)


def test_no_float64_in_mindspore() -> None:
    """Its collectives have none, which is said before a worker starts."""
    entrants = parse(["mindspore:parallel"], BACKENDS)
    (record,) = new_records(entrants, BACKENDS, make_plan(dtype="float64"), {})
    assert record.status == "unavailable"
    assert "AllReduce refuses float64" in (record.reason or "")


def test_two_unless_it_is_said() -> None:
    (one,) = parse(["torch:ddp"], BACKENDS)
    assert (one.ranks, one.mode) == (2, "eager")


@pytest.mark.slow
def test_three(compare: Command) -> None:
    """Uneven shares, by the command: 16 = 6 + 5 + 5."""
    backends = [f"{backend}:{word},x3" for word, (backend, _) in WAYS.items()]
    asked = ["--epochs", 1, "--batch-size", 16, "--check-seconds", 60]
    found = compare.run("--backends", *backends, *asked)["parity"]["entrants"]
    assert [one["verdict"] for one in found.values()] == ["rounding"] * len(WAYS)
