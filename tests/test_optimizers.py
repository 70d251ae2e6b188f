"""Every optimiser against its definition, written out once more here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.entrants.local import LocalSession
from tests.conftest import BACKENDS, BATCH, CLASSES, SHAPE, make_plan
from tests.test_modes import compiles

Arrays = dict[str, np.ndarray]

LR = 0.1
#: The usual constants, whose 1 - b2 suffers in float32; and others, without an eps near zero.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"weight_decay": 0.0, "betas": (0.9, 0.999), "eps": 1e-8},
    "decay": {"weight_decay": 0.1, "betas": (0.8, 0.99), "eps": 1e-3, "alpha": 0.9},
}
#: As they are called here -> fields of the plan.
NAMED: dict[str, dict[str, Any]] = {name: {"optimizer": name} for name in OPTIMIZERS}
NAMED["nesterov"] = {"optimizer": "momentum", "nesterov": True}
#: float32: how far a parameter may be off after three steps, in learning rates.
FLOAT32 = 2e-4
FLOAT64 = 1e-12


def entrants(*modes: str) -> list[tuple[str, str, str]]:
    """Backend, style, mode: all there are of these modes."""
    return [
        (name, style, mode)
        for name, backend in BACKENDS.items()
        for style, mode in itertools.product(backend.info.styles, backend.info.modes)
        if mode in modes
    ]


def cells(
    of: list[tuple[str, str, str]], everyday: set[str], both: tuple[str, ...], compiled: str
) -> list[Any]:
    """Backend, style, mode, optimiser, kind, dtype; all but the everyday words are slow.

    Compiling takes seconds a cell: there is one kind of what is compiled. Of the frameworks those
    of `both`, where each kind and each dtype occurs, are for every day.
    """
    pairs = list(itertools.product(KINDS, ("float32", "float64")))
    return [
        pytest.param(*cell, id="-".join(cell), marks=[pytest.mark.slow] * (not quick))
        for entrant in of
        for optimizer, (kind, dtype) in itertools.product(NAMED, pairs)
        for cell in [(*entrant, optimizer, kind, dtype)]
        for light in [{entrant[2], kind, dtype} <= everyday]
        for chosen in [f"{kind}-{dtype}" in (both if entrant[2] == "eager" else (compiled,))]
        for quick in [light and (chosen or entrant[0] == "numpy")]
        if light or chosen
    ]


# Decay in float64 is compiled with the whole step.
EVERY_UPDATE = cells(
    entrants("eager", "jit"),
    everyday={"eager", *KINDS, "float32", "float64"},
    both=("plain-float32", "decay-float64"),
    compiled="plain-float32",
)
EVERY_TRAINING = cells(
    # Scratch in rows is as jit, some times over; concise as jit is in rows as well.
    [
        one
        for one in entrants("eager", "jit", "fused")
        if one[1:] not in (("scratch", "fused"), ("concise", "jit"))
    ],
    everyday=set(),
    both=("decay-float64",),
    compiled="decay-float64",
)


def plan_of(optimizer: str, kind: str, dtype: str) -> Plan:
    momentum = OPTIMIZERS[NAMED[optimizer]["optimizer"]].momentum
    settings = {**NAMED[optimizer], "lr": LR, "momentum": momentum, "dtype": dtype}
    return make_plan("softmax", **settings, **KINDS[kind])


def defined(plan: Plan, params: Arrays, grads: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
    """One update by the definition, in float64."""
    lr, decay, (b1, b2) = plan.lr, plan.weight_decay, plan.betas
    moved: Arrays = {}
    after: Arrays = {}
    if "step" in state:
        after["step"] = t = state["step"] + 1
    for name, p in params.items():
        g = grads[name].astype(np.float64)
        if plan.optimizer != "adamw":
            g = g + decay * p
        if plan.optimizer == "sgd":
            moved[name] = p - lr * g
            continue
        if plan.optimizer == "momentum":
            after[f"{name}/m"] = m = 0.9 * state[f"{name}/m"] + g
            moved[name] = p - lr * (g + 0.9 * m if plan.nesterov else m)
            continue
        if plan.optimizer in ("rmsprop", "adagrad"):
            keep, new = (plan.alpha, 1 - plan.alpha) if plan.optimizer == "rmsprop" else (1, 1)
            after[f"{name}/v"] = v = keep * state[f"{name}/v"] + new * g * g
            moved[name] = p - lr * g / (np.sqrt(v) + plan.eps)
            continue
        after[f"{name}/m"] = m = b1 * state[f"{name}/m"] + (1 - b1) * g
        after[f"{name}/v"] = v = b2 * state[f"{name}/v"] + (1 - b2) * g * g
        moved[name] = p - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + plan.eps)
        if plan.optimizer == "adamw":
            moved[name] = moved[name] - lr * decay * p
    return moved, after


def ruled(
    rule: Any, plan: Plan, params: Arrays, grads: Arrays, state: Arrays
) -> tuple[Arrays, Arrays]:
    """One update by a declared rule, in float64."""
    held, update = rule(params, *OPTIMIZERS[plan.optimizer].settings(plan.asdict()))
    for name, array in state.items():
        held[name][...] = array
    params, held = update({n: p.copy() for n, p in params.items()}, widened(grads), held)
    return params, held


def widened(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """As float64; the number of steps stays what it is."""
    return {n: a if n == "step" else a.astype(np.float64) for n, a in arrays.items()}


def sizes() -> dict[str, tuple[int, ...]]:
    return MODELS["softmax"].sizes(SHAPE, 0, CLASSES)


def gradients(draw: np.random.Generator, dtype: str) -> Arrays:
    """Of every size from 1e-6 to 1, so that it matters where eps is added."""
    return {
        name: (draw.choice([-1, 1], shape) * 10 ** draw.uniform(-6, 0, shape)).astype(dtype)
        for name, shape in sizes().items()
    }


def state_of(optimizer: str, draw: np.random.Generator, dtype: str, *, later: bool) -> Arrays:
    """Zeros; or as after five steps."""
    state: Arrays = {}
    for name, grad in gradients(draw, dtype).items():
        if optimizer in ("momentum", "nesterov", "adam", "adamw"):
            m = grad * draw.uniform(-1, 1, grad.shape)
            state[f"{name}/m"] = (m * later).astype(dtype)
        if optimizer not in ("sgd", "momentum", "nesterov"):
            state[f"{name}/v"] = (grad * grad * later).astype(dtype)
        if optimizer in ("adam", "adamw"):
            state["step"] = np.array(5 * later, np.int32)
    return state


def furthest(params: Arrays, others: Arrays) -> float:
    return max(float(np.abs(params[name] - others[name]).max()) for name in others)


@pytest.mark.parametrize(("backend", "style", "mode", "optimizer", "kind", "dtype"), EVERY_UPDATE)
def test_three_updates(
    backend: str, style: str, mode: str, optimizer: str, kind: str, dtype: str, opened: Any
) -> None:
    plan = plan_of(optimizer, kind, dtype)
    session = opened(backend, plan, style)
    declared = BACKENDS[backend].declared(style, plan)
    for later in (True, False):
        draw = np.random.default_rng(3)
        params = {name: draw.normal(0, 1, shape).astype(dtype) for name, shape in sizes().items()}
        state = state_of(optimizer, draw, dtype, later=later)
        right, memory = widened(params), widened(state)
        plain, plain_memory = right, memory
        for _ in range(3):
            grads, before = gradients(draw, dtype), params
            params, state = session.update(params, grads, state, mode == "jit")
            plain, plain_memory = defined(plan, plain, grads, plain_memory)
            if declared:
                (rule,) = BACKENDS[backend].rules(declared).values()
                right, memory = ruled(rule, plan, right, grads, memory)
            else:
                right, memory = plain, plain_memory
            assert all((params[name] != before[name]).any() for name in params)
        assert params.keys() == right.keys()
        assert state.keys() == memory.keys()
        scale = FLOAT32 * LR if dtype == "float32" else FLOAT64
        assert furthest(params, right) <= scale
        if declared:
            assert furthest(params, plain) > scale, "a difference in the ledger that is none"
        for name, array in state.items():
            assert array.dtype == (np.int32 if name == "step" else dtype)
            assert array.shape == memory[name].shape
            # float32(0.999) leaves 1 - b2 off by 1.3e-5.
            close = 3e-5 if dtype == "float32" else FLOAT64
            atol = 1e-12 if name.endswith("/v") else close * np.abs(memory[name]).max()
            np.testing.assert_allclose(array, memory[name], rtol=close, atol=atol, err_msg=name)


@pytest.mark.parametrize(("backend", "style", "mode", "optimizer", "kind", "dtype"), EVERY_TRAINING)
def test_training(
    backend: str,
    style: str,
    mode: str,
    optimizer: str,
    kind: str,
    dtype: str,
    opened: Any,
    session_data: Any,
) -> None:
    """Whole steps, from zero state and from another that is loaded: every mode like NumPy."""
    # Seven batches, so that a call of six has enough.
    size = 10 if mode == "fused" else BATCH
    plan = replace(plan_of(optimizer, kind, dtype), batch_size=size)
    session = opened(backend, plan, style, mode)
    declared = BACKENDS[backend].declared(style, plan)
    referee = LocalSession("numpy", BACKENDS[backend].rules(declared))
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    referee.open(plan.asdict(), choices, session_data(plan))
    order = np.random.default_rng(1).permutation(70).astype(np.int32)
    later = state_of(optimizer, np.random.default_rng(2), dtype, later=True)
    start = session.params()
    for state in (None, later):
        for each in (session, referee):
            each.load(start, state)
        if state is not None:
            held = session.state()
            assert held.keys() == later.keys()
            for name, array in later.items():
                np.testing.assert_array_equal(held[name], array, strict=True)
        trained, expected = session.train(order), referee.train(order)
        close = 1e-4 if dtype == "float32" else FLOAT64
        np.testing.assert_allclose(trained.losses, expected.losses, rtol=close)
        assert furthest(session.params(), referee.params()) <= 5 * close * LR
        if "step" in later:
            assert session.state()["step"] == referee.state()["step"]


@pytest.mark.parametrize(
    ("backend", "style", "mode"),
    entrants("jit"),
    ids=lambda value: str(value),
)
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.slow
def test_the_step_number_compiles_nothing(
    backend: str, style: str, mode: str, optimizer: str, opened: Any
) -> None:
    """What a warm-up compiled, another finds, whose steps have other numbers; the last is short."""
    session = opened(backend, plan_of(optimizer, "plain", "float32"), style, mode)
    start, order = session.params(), np.arange(BATCH + 6, dtype=np.int32)
    first, again = compiles(session, order), compiles(session, order[::-1].copy())
    assert first or backend == "mindspore"
    assert not again
    session.load(start)
    for _ in range(8):
        session.train(order)
    assert session.state()["step"] == 16


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_plan_is_all_an_optimizer_is_told(optimizer: str) -> None:
    told = OPTIMIZERS[optimizer]
    plan = plan_of(optimizer, "decay", "float64").asdict()
    assert told.settings(plan)[0] == LR
    assert told.settings(plan)[-1] == 0.1
    own = {"momentum", "betas", "alpha"} & set(told.told)
    assert len(own) == (optimizer != "adagrad")


def test_the_ledger_names_what_is_there() -> None:
    for backend in BACKENDS.values():
        for declared in backend.info.declared:
            assert callable(backend.rule(declared))
            assert declared.reason
            assert declared.bound
            assert declared.version
