"""A GRU of another rule: where its reset gate is, and which of both its update gate keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import permutations, product

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.between import close
from common.modules.causes.case import Batch, Case, Guess, in_parts
from common.modules.causes.functions import sigmoid
from common.modules.expected import Name

#: Axes of a batch of sequences.
SEQUENCES = 3

#: What may be another.
PARTS = ("reset gate", "update gate")

#: Where the reset gate is.
RESETS = {
    "after": "the reset gate after the state's matrix and its bias",
    "between": "the reset gate between the state's matrix and its bias",
    "before": "the reset gate before the state's matrix",
}

#: What the update gate is times.
UPDATES = {
    "old": "the update gate times the old state",
    "new": "the update gate times the new state",
}


@dataclass(frozen=True)
class Gru:
    """h' = (1 - z) n + z h, with n = tanh(W x + b + r (U h + c)); gates in the order r, z, n.

    Attributes:
        reset: in `RESETS`: "before" is U (r h) + c, "between" r U h + c.
        update: in `UPDATES`: "new" is h' = z n + (1 - z) h.
    """

    reset: str = "after"
    update: str = "old"

    def of(self, x: Array, weights: tuple[Array, ...]) -> Array:
        """All states (n, tokens, states) of inputs (n, tokens, features).

        Args:
            x: the inputs.
            weights: of the inputs and of the state, and both biases, three gates each.
        """
        weight, inner, bias, offset = weights
        size = inner.shape[1]
        h, states = np.zeros((len(x), size)), []
        for t in range(x.shape[1]):
            r, z, n = np.split(x[:, t] @ weight.T + bias, 3, axis=-1)
            rows = h @ inner[: 2 * size].T + offset[: 2 * size]
            r, z = sigmoid(r + rows[:, :size]), sigmoid(z + rows[:, size:])
            last, c = inner[2 * size :].T, offset[2 * size :]
            made = {
                "after": r * (h @ last + c),
                "between": r * (h @ last) + c,
                "before": (r * h) @ last + c,
            }[self.reset]
            n = np.tanh(n + made)
            h = (1 - z) * n + z * h if self.update == "old" else z * n + (1 - z) * h
            states.append(h)
        return np.stack(states, 1)

    def words(self) -> tuple[str, str]:
        """Each of its choices."""
        return RESETS[self.reset], UPDATES[self.update]


def gru_guesses(case: Case) -> Iterator[Guess]:
    """Another GRU, where the reference's is found."""
    rules = [Gru(*one) for one in product(RESETS, UPDATES)]
    batch = case.batches[0]
    x = batch.asked.inputs[0]
    if x.ndim != SEQUENCES or len(batch.asked.inputs) > 1:
        return
    for names, first in product(leaves_of(case), (True, False)):
        for mine in rules:
            right = predicted(case, names, first, mine, batch)
            if all(close(right[name], batch.right[name]) for name in right):
                for other in rules:
                    if other != mine:
                        parts = zip(PARTS, other.words(), mine.words(), strict=True)
                        kind, has, had = in_parts(parts)
                        yield Guess(
                            kind,
                            f"{has} where the original has {had}",
                            "compare one step of both cells with the papers' formulas",
                            partial(predicted, case, names, first, other),
                        )
                return


def leaves_of(case: Case) -> Iterator[tuple[str, ...]]:
    """Two matrices and two biases, in every order."""
    own = {name: leaf for name, leaf in case.leaves.items() if leaf.trained}
    matrices = [name for name, leaf in own.items() if leaf.value.ndim == 2]
    biases = [name for name, leaf in own.items() if leaf.value.ndim == 1]
    if len(matrices) == len(biases) == 2 and len(own) == 4:
        for some, others in product(permutations(matrices), permutations(biases)):
            rows, columns = own[some[1]].value.shape
            if rows == 3 * columns:
                yield (*some, *others)


def predicted(
    case: Case, names: tuple[str, ...], first: bool, rule: Gru, batch: Batch
) -> Mapping[Name, Array]:
    """Its states and the last of them, as far as they are held; the examples first, or second."""
    x = batch.asked.inputs[0]
    weights = tuple(batch.asked.values[name] for name in names)
    states = rule.of(x if first else x.swapaxes(0, 1), weights)
    last = states[:, -1][None]
    states = states if first else states.swapaxes(0, 1)
    made = {}
    for tensor in case.tensors:
        name = tensor.names[0]
        made[name] = last if batch.right[name].shape == last.shape else states
    return made
