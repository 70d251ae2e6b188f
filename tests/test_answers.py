"""What an entrant answers is read where it arrives: a malformed answer is its own failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from common.entrants.session import Evaluated, Inferred, Opened, Trained, WarmedUp
from common.errors import Failed
from tests.conftest import make_plan
from tests.fakes import FakeSession

CHOICES = {"style": "scratch", "mode": "eager", "data": "memory"}
INITIAL = {
    "output.weight": np.zeros((4, 10), np.float32),
    "output.bias": np.zeros(10, np.float32),
}
ORDER = np.arange(70, dtype=np.int32)
IMAGES, LABELS = np.zeros((32, 4), np.float32), np.zeros(32, np.int32)
LOGITS = np.zeros((32, 10), np.float32)

USUAL: dict[str, Any] = {
    "open": Opened({"fake": "1"}, {}, 0.5, 0.5, 10**7),
    "warm_up": WarmedUp(0.5, None),
    "train": Trained(np.ones(3, np.float32), np.ones(3, int), 0.5, None, None, 1, None),
    "evaluate": Evaluated(1.5, 3, 0.5),
    "infer": Inferred(np.full(4, 0.5), 0.75),
}

#: How each call is made on a session that is open.
CALLS: dict[str, Callable[[FakeSession], Any]] = {
    "open": lambda session: session.open(make_plan().asdict(), CHOICES, {"initial": INITIAL}),
    "warm_up": lambda session: session.warm_up(ORDER),
    "initial": lambda session: session.initial(0),
    "train": lambda session: session.train(ORDER),
    "evaluate": lambda session: session.evaluate(),
    "params": lambda session: session.params(),
    "state": lambda session: session.state(),
    "fingerprint": lambda session: session.fingerprint(ORDER),
    "batch": lambda session: session.batch(ORDER[:32]),
    "logits": lambda session: session.logits(INITIAL, IMAGES),
    "gradient": lambda session: session.gradient(LOGITS, LABELS),
    "backward": lambda session: session.backward(INITIAL, IMAGES, LOGITS),
    "gradients": lambda session: session.gradients(INITIAL, IMAGES, LABELS),
    "update": lambda session: session.update(INITIAL, INITIAL, {}),
    "correct": lambda session: session.correct(LOGITS, LABELS),
    "component_seconds": lambda session: session.component_seconds(ORDER[:32]),
    "infer": lambda session: session.infer(INITIAL, ORDER[None, :32], 4, 1.0),
    "predict": lambda session: session.predict(),
}

#: No field of any answer may be one of these.
NEVER: dict[str, Any] = {
    "complex": 1j,
    "object": object(),
    "surrogate": "\udcff",
    "huge": 10**40,
    "negative-infinity": float("-inf"),
    "array-of-complex": np.ones(3, complex),
    "array-of-words": np.array(["a", "b"]),
    "array-of-objects": np.array([None, {}]),
    "long-double": np.ones(3, np.longdouble),
    "set": {1},
    "nested": [[[[[[[[[[1]]]]]]]]]],
}

FIELDS = [(call, name) for call, answer in USUAL.items() for name in vars(answer)]


def answered(call: str, answer: Any) -> Any:
    """What comes of a call that is answered so."""
    session = FakeSession(answers={call: answer})
    if call != "open":
        CALLS["open"](session)
    return CALLS[call](session)


def refusal(call: str, answer: Any) -> str:
    """The words by which an answer is refused, which must be one line that names the call."""
    with pytest.raises(Failed) as failed:
        answered(call, answer)
    words = str(failed.value)
    assert call in words
    assert "\n" not in words
    words.encode()
    return words


def taken(call: str, answers: dict[str, Any], word: str) -> list[str]:
    """Which kinds of odd answers a call does not refuse in a line that says this word."""
    wrong = []
    for kind, answer in answers.items():
        try:
            if word not in refusal(call, answer):
                wrong.append(f"{kind}: {word} is not named")
        except pytest.fail.Exception:
            wrong.append(f"{kind} is taken")
    return wrong


@pytest.mark.parametrize(("call", "name"), FIELDS)
def test_no_field_takes_just_anything(call: str, name: str) -> None:
    """But for a loss, which may be infinite or NaN: that is a run that diverges."""
    odd = {
        kind: replace(USUAL[call], **{name: value})
        for kind, value in NEVER.items()
        if (name, kind) != ("loss", "negative-infinity")
    }
    assert taken(call, odd, name) == []


@pytest.mark.parametrize(("call", "name"), FIELDS)
def test_a_field_is_missing(call: str, name: str) -> None:
    fields = dict(vars(USUAL[call]))
    del fields[name]
    assert f"lacks '{name}'" in refusal(call, fields)


@pytest.mark.parametrize("call", USUAL)
def test_a_field_too_many(call: str) -> None:
    assert "adds 'more'" in refusal(call, {**vars(USUAL[call]), "more": 1})


@pytest.mark.parametrize("call", sorted(CALLS))
def test_no_answer_is_just_anything(call: str) -> None:
    assert taken(call, NEVER, call) == []


@pytest.mark.parametrize("call", ["initial", "params", "state", "backward", "component_seconds"])
def test_no_entry_of_a_table_is_just_anything(call: str) -> None:
    entries = {kind: {"output.bias": value} for kind, value in NEVER.items()}
    assert taken(call, entries, call) == []


def test_an_odd_answer_that_is_taken_would_be_seen() -> None:
    answers = {"right": USUAL["evaluate"], "wrong": 1j}
    assert taken("evaluate", answers, "evaluate") == ["right is taken"]
    assert taken("evaluate", {"wrong": 1j}, "no word of it") == [
        "wrong: no word of it is not named"
    ]


@pytest.mark.parametrize(
    ("call", "name", "value"),
    [
        ("open", "versions", {"fake": 1}),
        ("open", "versions", {1: "fake"}),
        ("open", "settings", {"fake": float("nan")}),
        ("open", "settings", {"fake": {"deep": "\ud800"}}),
        ("open", "import_seconds", -1.0),
        ("warm_up", "compile_seconds", float("inf")),
        ("train", "losses", np.ones((3, 1), np.float32)),
        ("train", "losses", np.ones(2, np.float32)),
        ("train", "losses", np.ones(3, int)),
        ("train", "losses", [1.0, 1.0, 1.0]),
        ("train", "counts", np.ones(3)),
        ("train", "counts", np.ones(4, int)),
        ("train", "seconds", 0.0),
        ("train", "seconds", float("nan")),
        ("train", "seconds", True),
        ("train", "steps_per_call", 0),
        ("train", "steps_per_call", 1.0),
        ("evaluate", "seconds", 0.0),
        ("evaluate", "count", 1.5),
        ("evaluate", "count", -1),
    ],
    ids=lambda value: str(value).replace("\n", ""),
)
def test_a_field_of_its_own_rules(call: str, name: str, value: Any) -> None:
    assert refusal(call, replace(USUAL[call], **{name: value}))


@pytest.mark.parametrize("size", [0, 71])
def test_losses_of_no_step_or_of_more_than_there_are_examples(size: int) -> None:
    lost = replace(USUAL["train"], losses=np.ones(size, np.float32), counts=np.ones(size, np.int64))
    assert f"{size} losses" in refusal("train", lost)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        pytest.param({**INITIAL, "more": np.zeros(1, np.float32)}, "adds 'more'", id="one-more"),
        pytest.param({"output.bias": INITIAL["output.bias"]}, "lacks 'output.w", id="one-less"),
        pytest.param(
            {**INITIAL, "output.weight": np.zeros((10, 4), np.float32)},
            "an array float32 (10, 4), not of shape (4, 10)",
            id="transposed",
        ),
    ],
)
def test_parameters_are_those_that_training_began_with(params: Any, words: str) -> None:
    assert words in refusal("params", params)
    assert words in refusal("initial", params)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("fingerprint", "0" * 63),
        ("fingerprint", "Z" * 64),
        ("batch", [IMAGES]),
        ("gradient", [LOGITS, LOGITS, LOGITS]),
        ("update", {"output.bias": LOGITS}),
        ("correct", 1.0),
        ("component_seconds", {"forward": -1e-6}),
        ("infer", Inferred(np.ones(5), 1.0)),
        ("infer", Inferred(np.ones(0), 1.0)),
        ("infer", Inferred(np.array([0.5, 0.0]), 1.0)),
        ("predict", np.zeros((3, 1), np.uint8)),
        ("predict", np.zeros(3)),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_answer_of_its_own_rules(call: str, answer: Any) -> None:
    refusal(call, answer)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        pytest.param("logits", LOGITS.astype(np.float64), id="logits-of-another-dtype"),
        pytest.param("logits", LOGITS.T, id="logits-of-another-shape"),
        pytest.param("logits", np.full_like(LOGITS, np.nan), id="logits-that-are-nan"),
        pytest.param("backward", {"another": LOGITS}, id="gradients-of-other-names"),
        pytest.param(
            "params",
            {name: array.astype(np.float64) for name, array in INITIAL.items()},
            id="parameters-of-another-dtype",
        ),
    ],
)
def test_another_tensor_is_left_to_the_judge(call: str, answer: Any) -> None:
    found = answered(call, answer)
    pairs = [(found, answer)] if call == "logits" else [(found[n], answer[n]) for n in answer]
    for came, sent in pairs:
        assert (came.dtype, came.shape) == (sent.dtype, sent.shape)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_may_be_infinite_or_nan(loss: float) -> None:
    """That is a run that diverges, which its answer says correctly."""
    assert str(answered("evaluate", replace(USUAL["evaluate"], loss=loss)).loss) == str(loss)


def test_big_endian_numbers_are_numbers() -> None:
    found = answered("logits", LOGITS.astype(">f4"))
    assert found.dtype == np.float32
    assert found.dtype.isnative
