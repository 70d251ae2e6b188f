"""What a newcomer types wrong is answered by what was meant, in one line."""

from __future__ import annotations

import pytest

from common.contract.meant import meant
from tests.conftest import Command

TYPED = {
    "--backends pytorch": "did you mean torch?",
    "--backends Torch": "did you mean torch?",
    "--backends mindspor": "did you mean mindspore?",
    "--backends tensorflow": "there are jax, mindspore, numpy, torch",
    "--backends torch,scratch": "did you mean torch:scratch?",
    "--backends torch,jax": "did you mean torch jax?",
    "--backends torch:fussed": "did you mean fused?",
    "--backend torch": "did you mean --backends? (see compare.py run --help)",
    "--backend mindspor": "did you mean --backends?",
    "--epoch 3": "did you mean --epochs?",
    "--models mlp": "did you mean --model?",
    "--batchsize=3": "did you mean --batch-size?",
    "--model cnn": "did you mean lenet?",
    "--model resnt": "did you mean resnet?",
    "--lr .1.": "'.1.' is not a finite number above 0; did you mean .1?",
    "--epochs 3x": "did you mean 3?",
    "--epochs 1.5": "'1.5' is not a whole number of at least 1 and at most 1000000 (see",
    "--optimizer adm": "did you mean adam?",
    "diagnos --backends torch": "did you mean diagnose?",
    "lessons softmax": "did you mean softmax_overflow?",
    "lessons momentum_first": "did you mean momentum_first_step?",
    "--learning-rate 0.1": "did you mean --lr?",
    "--bs 32": "did you mean --batch-size?",
    "--gpu": "did you mean --device cuda?",
    "--model softmax-regression": "did you mean softmax?",
    "--model linear-regression": "did you mean linear?",
    "torch jax": "did you mean --backends torch?",
    "softmax": "did you mean --model softmax?",
    "lessons data": "data is a topic; did you mean --topic data?",
    "lessons bad_labels --topic frobnicate": "invalid choice: 'frobnicate'",
    "lessons --html": "give its NAME, without --all and --backends",
    "lessons bad_labels --html --backends torch": "give its NAME, without --all and --backends",
    "lessons --site DIR --backends torch": "do not go with it",
    "lessons --backends torch": "--backends are those that lessons run in: give a NAME",
    "lessons bad_labels --all": "bad_labels is one lesson, and --all are all",
    "exercise --hint": "give its NAME",
    "exercise --start DIR": "give its NAME",
    "show cnn": "did you mean model --model lenet?",
    "show softmax": "did you mean model --model softmax?",
    "show sgd": "did you mean update.sgd_concise?",
    "show los": "did you mean loss?",
    "show loss.cross_entropy": "did you mean cross_entropy_scratch?",
}


@pytest.mark.parametrize("typed", TYPED)
def test_what_was_meant(compare: Command, typed: str) -> None:
    done = compare(*typed.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert TYPED[typed] in done.stderr


@pytest.mark.parametrize("option", ["--test", "--path", "--loader", "--frobnicate"])
def test_dashes_make_no_option_alike(compare: Command, option: str) -> None:
    done = compare(option, "x")
    assert done.returncode == 2
    assert "did you mean" not in done.stderr


@pytest.mark.parametrize("typed", ["lessons data", "diff a b --fail-above 5"])
def test_a_word_that_is_said_twice_is_translated(compare: Command, typed: str) -> None:
    """Quoted in one of two places it is not the same word, and the sentence nobody's."""
    told = compare("--lang", "zh", *typed.split()).stderr
    assert "是不是想写" in told
    assert " is " not in told


def test_nothing_is_meant_by_what_is_far_from_everything() -> None:
    assert meant("frobnicate", ["run", "list"]) == ""
    assert meant("", ["run"]) == ""
