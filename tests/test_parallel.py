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
from common.contract.plan import Plan
from common.entrants.parallel import ParallelSession, free_port
from common.entrants.process import WorkerSession
from common.errors import EntrantError, Failed, Killed, Refused, TimedOut
from tests.conftest import BACKENDS, Command, make_plan
from tests.fakes import alive, copy_backend
from tests.test_parity import bench_of, orders_of

Data = Callable[[Plan], dict[str, Any]]


@dataclass
class Ranks:
    """Two processes that train copies of a backend."""

    folder: Path
    backend: str
    parts: list[WorkerSession]

    def session(self, copy: str) -> ParallelSession:
        """Both, told of a copy."""
        for part in self.parts:
            part.call("become", copy)
        return ParallelSession(self.parts)

    def judged(self, copy: str, plan: Plan, data: dict[str, Any], style: str) -> Verdict:
        """Train a copy in both, and judge it."""
        session, orders = self.session(copy), orders_of(plan)
        choices = {"style": style, "mode": "eager", "data": "memory"}
        session.open(plan.asdict(), choices, data)
        session.load(data["initial"])
        losses = [session.train(order).losses for order in orders]
        fingerprint = session.fingerprint(orders[0])
        entrant = Entrant(copy, copy, copy, **choices, ranks=len(self.parts))
        info, bench = BACKENDS[self.backend].info, bench_of(plan, data, orders)
        return judge(session, entrant, info, losses, fingerprint, bench)


def started(folder: Path, ranks: int, program: str, timeout: float = 60) -> list[WorkerSession]:
    port = str(free_port())
    return [
        WorkerSession(
            "torch",
            str(rank),
            str(ranks),
            port,
            program=program,
            folder=folder,
            log=folder / f"rank-{rank}.log",
            environment=BACKENDS["torch"].info.variables(1, "cpu"),
            threads=1,
            timeout=timeout,
        )
        for rank in range(ranks)
    ]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    folder = tmp_path_factory.mktemp("ranks")
    ranks = Ranks(folder, "torch", started(folder, 2, "tests.ranks"))
    yield ranks
    for part in ranks.parts:
        part.close()


GRADS = "{n: p.grad for n, p in net.module.leaves().items()}"
WRAP = "net = DistributedDataParallel(Net(forward, params))"
BEFORE = "        params, state = update(params, grads, state)\n"
#: file, text as it is, text with the slip; stage and words that must be said; batch size
SLIPS = {
    "mean of unequal means": (
        "parallel",
        "weight = len(labels) * ranks / examples.item()",
        "weight = 1",
        "loss",
        "each of the 2 ranks counts alike",
        15,
    ),
    "sum for mean": (
        "parallel",
        GRADS,
        GRADS.replace("p.grad ", "ranks * p.grad "),
        "gradient",
        "every gradient is summed over the 2 ranks",
        16,
    ),
    "divided twice": (
        "parallel",
        GRADS,
        GRADS.replace("p.grad ", "p.grad / ranks "),
        "gradient",
        "every gradient is divided by the 2 ranks once more",
        16,
    ),
    "nothing reduced": (
        "parallel",
        "logits = net(images)",
        "logits = net.module(images)",
        "gradient",
        "no gradient is reduced",
        16,
    ),
    "one parameter not reduced": (
        "parallel",
        WRAP,
        "inner = Net(forward, params)\n"
        "    ignored = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model\n"
        "    ignored(inner, ['held.0'])\n"
        "    net = DistributedDataParallel(inner)",
        "gradient",
        "the gradient of output.weight is not reduced",
        16,
    ),
    "sampler repeats": (
        "parallel",
        "    return batch[rank::ranks]",
        "    import numpy as np\n\n    part = batch[rank::ranks]\n"
        "    few = -(-len(batch) // ranks) - len(part)\n"
        "    return np.concatenate([part, batch[:few]])",
        "data",
        "its sampler repeats some",
        15,
    ),
    "other initial weights": (
        "model",
        "        param.copy_(to_tensor(arrays[name], param.device))",
        "        param.copy_(to_tensor(arrays[name], param.device))\n"
        "        param.add_(1e-3 * torch.distributed.get_rank())",
        "start",
        "rank 1 starts from other parameters",
        16,
    ),
    "rate times ranks": (
        "update",
        "            lr=rate_of(lr, state),",
        "            lr=2 * rate_of(lr, state),",
        "update",
        "the learning rate is multiplied by the 2 ranks",
        16,
    ),
    "gradient of the step before": (
        "train",
        "    def one_step(params, state, images, labels):\n",
        "    kept = []\n\n    def one_step(params, state, images, labels):\n",
        "gradient",
        "this is the gradient of the batch before",
        16,
    ),
    "shifted order": (
        "parallel",
        "    return batch[rank::ranks]",
        "    import numpy as np\n\n    return np.roll(batch, -rank, axis=0)[rank::ranks]",
        "data",
        "rank 1 takes its share of the batch from a shifted order",
        16,
    ),
}


@pytest.mark.parametrize("name", SLIPS)
def test_found_and_named(name: str, pair: Ranks, session_data: Data) -> None:
    file, right, wrong, stage, words, size = SLIPS[name]
    copy = f"slip_{list(SLIPS).index(name)}"
    path = copy_backend(pair.folder, copy, "torch") / f"{file}.py"
    text = path.read_text(encoding="utf-8")
    assert right in text
    text = text.replace(right, wrong)
    if file == "train":
        kept = "kept.append({n: g.clone() for n, g in grads.items()})"
        text = text.replace(
            BEFORE, f"        {kept}\n{BEFORE}".replace("grads, state", "kept[-2:][0], state")
        )
    path.write_text(text, encoding="utf-8")
    plan = make_plan("softmax", batch_size=size, epochs=1)
    verdict = pair.judged(copy, plan, session_data(plan), "concise")
    assert verdict.verdict == "differs"
    assert verdict.first_difference is not None
    assert verdict.first_difference.stage == stage, verdict.first_difference
    assert words in (verdict.first_difference.likely_cause or ""), verdict.first_difference


@pytest.mark.parametrize("size", [16, 15])
@pytest.mark.parametrize("model", ["softmax", "mlp", "lenet"])
def test_no_false_alarm(model: str, size: int, pair: Ranks, session_data: Data) -> None:
    """Equal shares and others: 70 = 4 * 16 + 6 = 4 * 15 + 10."""
    for dtype in ("float32", "float64"):
        plan = make_plan(model, batch_size=size, epochs=1, dtype=dtype)
        verdict = pair.judged("torch", plan, session_data(plan), "concise")
        assert verdict.first_difference is None
        assert verdict.max_abs_loss_difference is not None
        assert dtype == "float32" or verdict.max_abs_loss_difference < 1e-12


def test_a_batch_too_small_to_be_shared(pair: Ranks, session_data: Data) -> None:
    """70 = 3 * 23 + 1."""
    plan, session = make_plan(batch_size=23), pair.session("torch")
    choices = {"style": "concise", "mode": "eager", "data": "memory"}
    session.open(plan.asdict(), choices, session_data(plan))
    with pytest.raises(Failed, match="a batch of 1 cannot be shared by 2 processes"):
        session.warm_up(orders_of(plan)[0])


def test_ranks_warm_up_alike(pair: Ranks, session_data: Data) -> None:
    """A process that makes fewer calls than another leaves it waiting for ever."""
    plan, session = make_plan(epochs=1), pair.session("torch")
    choices = {"style": "concise", "mode": "eager", "data": "memory"}
    session.open(plan.asdict(), choices, session_data(plan))
    pair.parts[1].call("warm_up_within", 0.0)
    session.warm_up(orders_of(plan)[0])


@pytest.mark.parametrize(("how", "error"), [(signal.SIGKILL, Killed), (signal.SIGSTOP, TimedOut)])
def test_a_rank_that_ends_or_hangs_ends_all(
    how: signal.Signals, error: type[EntrantError], tmp_path: Path, session_data: Data
) -> None:
    plan = make_plan("softmax", epochs=1)
    parts = started(tmp_path, 2, "common.entrants.rank", timeout=25)
    session, data = ParallelSession(parts), session_data(plan)
    session.open(plan.asdict(), {"style": "concise", "mode": "eager", "data": "memory"}, data)
    if how == signal.SIGSTOP:
        for part in parts:
            part._timeout = 2
        os.kill(parts[1].pid, how)
    else:
        threading.Timer(0.3, os.kill, [parts[1].pid, how]).start()
        time.sleep(0.5)
    order = orders_of(plan)[0]
    with pytest.raises(error, match="rank 1"):
        session.train(order)
    session.close(at_once=True)
    assert not any(alive(part.pid) for part in parts)


@pytest.mark.parametrize(
    ("text", "model", "words"),
    [
        ("torch:x2", None, "x2 says how many alone; write torch:ddp,x2"),
        ("torch:ddp,x1", None, "x2 or more"),
        ("torch:ddp,x2,x3", None, "one number of devices"),
        ("torch:ddp,jit", None, "reduces in hooks of loss.backward"),
        ("jax:sharded,best", None, "best tries modes on one device"),
        ("torch:ddp,loader", None, "its share of a batch from memory"),
        ("torch:ddp", "resnet", "choose a model without batch normalisation"),
        ("numpy:x2", None, "numpy does not train on several devices"),
    ],
)
def test_refused(text: str, model: str | None, words: str) -> None:
    with pytest.raises(Refused, match=words):
        parse([text], BACKENDS, model=model)


def test_two_unless_it_is_said() -> None:
    (one,) = parse(["torch:ddp"], BACKENDS)
    assert (one.ranks, one.mode) == (2, "eager")


SUMMED = """
_averaged = gradients


def gradients(forward, loss, mode, mesh):
    differentiate = _averaged(forward, loss, mode, mesh)

    def summed(params, images, labels):
        value, logits, grads = differentiate(params, images, labels)
        return value, logits, {n: mesh.size * g for n, g in grads.items()}

    return summed
"""


@pytest.mark.slow
def test_sharded_arrays(compare: Command, tmp_path: Path) -> None:
    """Two and three devices, even and uneven shares; a copy that sums is named."""
    copy_backend(tmp_path / "own", "summing", "jax", parallel=SUMMED)
    asked = ["--epochs", 1, "--batch-size", 16, "--check-seconds", 60]
    backends = ["jax:sharded,x2", "jax:sharded,x3", "summing:sharded,x3"]
    folder = ["--backend-path", tmp_path / "own"]
    found = compare.run("--backends", *backends, *asked, *folder, expect=1)["parity"]["entrants"]
    assert [one["verdict"] for one in found.values()] == ["rounding", "rounding", "differs"]
    cause = found["summing:sharded,x3"]["first_difference"]["likely_cause"]
    assert "every gradient is summed over the 3 ranks" in cause
