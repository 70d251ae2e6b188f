"""The one hypothesis that explains what is wrong, or nothing."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np

from common.agreement.cause import Cause
from common.modules.causes.asking import case_of
from common.modules.causes.attention import attention_guesses, layer_attention_guesses
from common.modules.causes.between import (
    activation_guesses,
    end_guesses,
    moved_guesses,
    sum_guesses,
)
from common.modules.causes.case import Case, Guess
from common.modules.causes.convolution import convolution_guesses
from common.modules.causes.dropout import dropout_cause
from common.modules.causes.inputs import input_guesses
from common.modules.causes.leaves import leaf_guesses, loose_guesses
from common.modules.causes.losses import factor_guesses, loss_guesses
from common.modules.causes.normal import normal_guesses, running_guesses
from common.modules.causes.outputs import output_guesses
from common.modules.causes.padding import padding_guesses
from common.modules.causes.pooling import pooling_guesses
from common.modules.causes.precision import precision_cause
from common.modules.causes.recurrent import gru_guesses
from common.modules.causes.running import buffer_guesses
from common.modules.causes.slopes import between_guesses, slope_guesses
from common.modules.held import Held
from common.modules.judging import Judge

Given = TypeVar("Given")
Answered = TypeVar("Answered")

#: What a hypothesis raises means "not this", and is no part of the report; whoever looks for a
#: mistake in one switches this on.
LOG = logging.getLogger(__name__)

#: Makes hypotheses; those of one family stand beside each other.
Family = Callable[[Case], Iterator[Guess]]

#: After so long no more is asked, and that is said: each hypothesis takes a run of the reference.
SECONDS = 90.0

#: (unit, stage) -> families, the special ones before the general.
FAMILIES: dict[tuple[str, str], tuple[Family, ...]] = {
    ("layer", "forward"): (
        normal_guesses,
        leaf_guesses,
        running_guesses,
        buffer_guesses,
        padding_guesses,
        convolution_guesses,
        gru_guesses,
        layer_attention_guesses,
        output_guesses,
    ),
    ("wiring", "forward"): (
        activation_guesses,
        end_guesses,
        pooling_guesses,
        attention_guesses,
        loose_guesses,
        sum_guesses,
        input_guesses,
        moved_guesses,
        output_guesses,
    ),
    ("loss", "loss"): (loss_guesses, factor_guesses),
    ("layer", "backward"): (slope_guesses,),
    ("wiring", "backward"): (slope_guesses, between_guesses),
}


def likely_cause(judge: Judge, first: Held) -> tuple[Cause | None, tuple[str, ...]]:
    """Say why a tensor is wrong, if one hypothesis explains it.

    Args:
        judge: what was judged.
        first: the first tensor that is wrong.

    Returns:
        None if nothing, or more than one thing, explains what the port answers on both batches
        (what says more than another that explains it says too much); and the families of hypotheses
        that there was no time for, the first of them begun.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case = case_of(judge, first)
        except Exception:
            # The second batch is drawn; somebody's network need not take it.
            LOG.debug("no second batch", exc_info=True)
            return None, ()
        return (None, ()) if case is None else explanation(case)


def explanation(case: Case) -> tuple[Cause | None, tuple[str, ...]]:
    """The first family's that explains the case, if it has one explanation; what had no time."""
    for cause in (dropout_cause, partial(precision_cause, dtype=case.first.dtype)):
        if (found := guarded(cause, case)) is not None:
            return found, ()
    if not guarded(lambda case: case.told, case):
        return None, ()
    until = time.perf_counter() + SECONDS
    families = FAMILIES.get((case.first.place.unit, case.first.place.stage), ())
    for number, family in enumerate(families):
        believed: list[Guess] = []
        for guess in guesses(family, case):
            if time.perf_counter() > until:
                return None, tuple(map(called, families[number:]))
            if any(guess.more_than(one) for one in believed):
                continue
            if guarded(case.believed, guess):
                believed = [one for one in believed if not one.more_than(guess)] + [guess]
            if len({one.cause for one in believed}) > 1:
                return None, ()
        if believed:
            return believed[0].cause, ()
    return None, ()


def called(family: Family) -> str:
    """What a family is called: "pooling"."""
    return family.__name__.removesuffix("_guesses").replace("_", " ")


def guarded(ask: Callable[[Given], Answered], given: Given) -> Answered | None:
    """An answer; None of what cannot be computed."""
    try:
        return ask(given)
    except Exception:
        LOG.debug("a hypothesis raised", exc_info=True)
        return None


def guesses(family: Family, case: Case) -> Iterator[Guess]:
    """Those of one family; what fails to be made is none."""
    made = family(case)
    while True:
        try:
            yield next(made)
        except StopIteration:
            return
        except Exception:
            # A formula that does not fit the shapes ends its family.
            LOG.debug("a family of hypotheses ended", exc_info=True)
            return
