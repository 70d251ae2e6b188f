"""A likely cause in words, where the numbers give it away.

Each known slip is a formula: what the wrong tensors would be, in float64, from the referee's
inputs. The slip whose formula explains the entrant's values, all but a thousandth of the
difference or what rounding may do, is named, with how to confirm it. Where none does, nothing
is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.agreement.checks import ROW, STEP, TOGETHER, Check
from common.agreement.expected import Expected, Yardstick
from common.contract.arrays import Array, Arrays
from common.contract.plan import Plan

#: Share of the difference that an explanation may leave unexplained.
UNEXPLAINED = 1e-3
#: Largest relative error of anybody's exp in float32.
EXP_ERROR = 1e-5


@dataclass(frozen=True)
class Slip:
    """One known slip.

    Attributes:
        predicted: tensor -> what it would be; tensors it does not name would be right.
        words: what it is.
        confirm: how to make sure.
        stage: where it is, if not where it shows.
    """

    predicted: Arrays
    words: str
    confirm: str
    stage: str | None = None


def likely_cause(
    yard: Yardstick, first: Check, values: Arrays, start: Arrays | None = None
) -> Slip | None:
    """Name the slip that explains what an entrant computed.

    Of those that explain all but a thousandth, the one listed first, for the general ones
    (a factor without a name) are listed last; else the one that leaves least.

    Args:
        yard: what the referee expects at this state.
        first: the check that failed.
        values: all tensors of the unit that failed, as the entrant has them.
        start: the parameters it started from, if not the state's.
    """
    expected = rights(yard, first, start)
    right = {name: e.right.astype("float64") for name, e in expected.items()}
    shapes = {name: array.shape for name, array in values.items()}
    if (
        first.unit == ROW
        or first.tensor not in right
        or any(shapes.get(n) != a.shape for n, a in right.items())
    ):
        return None
    best, least = None, np.inf
    for slip in slips(yard, first, right, values, start):
        left = unexplained(slip, first.tensor, values, expected)
        if left is not None and left < least:
            best, least = slip, left
        if least <= UNEXPLAINED:
            break
    return best


def rights(yard: Yardstick, first: Check, start: Arrays | None) -> Mapping[str, Expected]:
    """What the referee has for the unit that failed."""
    if first.unit == STEP:
        return yard.step
    if first.unit == TOGETHER:
        return yard.gradients
    if start is not None:
        return yard.update(start) if first.stage == "update" else yard.logits_of(start)
    return {
        "data": yard.batch,
        "forward": yard.forward,
        "loss": yard.loss,
        "accuracy": yard.accuracy,
        "gradient": yard.gradient,
    }.get(first.stage, {})


def unexplained(
    slip: Slip, tensor: str, values: Arrays, expected: Mapping[str, Expected]
) -> float | None:
    """The share of the difference that a slip leaves; None if it explains nothing."""
    if tensor not in slip.predicted:
        return None
    worst = 0.0
    for name, prediction in slip.predicted.items():
        value, wanted = values[name], expected[name]
        if value.shape != np.shape(prediction):
            return None
        unit = float(np.spacing(np.max(np.abs(value), initial=0.0).astype(kind_of(value))))
        left = np.abs(value - prediction)
        off = float(np.max(np.abs(value - wanted.right), initial=0.0))
        # An infinite or missing value is not explained by anything.
        rounding = wanted.allowed + EXP_ERROR * np.asarray(wanted.exp_reach)
        if not (left <= np.maximum(max(UNEXPLAINED * off, 4 * unit), rounding)).all():
            return None
        most = float(left.max(initial=0.0))
        if name == tensor:
            if most > off / 4:
                return None
            worst = most / off
    return worst


def kind_of(value: Array) -> Any:
    """The dtype whose units count."""
    return value.dtype if value.dtype.kind == "f" else np.dtype("float64")


def slips(
    yard: Yardstick, first: Check, right: Arrays, values: Arrays, start: Arrays | None
) -> Iterator[Slip]:
    """Every known slip that could show where this check failed."""
    with np.errstate(all="ignore"):
        if first.unit == STEP:
            yield from step_slips(yard, right, values)
        elif first.stage == "data":
            yield from data_slips(yard, values)
        elif first.stage == "forward":
            yield from forward_slips(yard, as_float64(start) if start else yard.params)
        elif first.stage == "loss":
            yield from loss_slips(yard, right, values, together=first.unit == TOGETHER)
        elif first.stage == "accuracy":
            yield from accuracy_slips(yard, values)
        elif first.stage == "gradient":
            grads = {name: right[name] for name in yard.params}
            yield from gradient_slips(yard, grads, values)
        elif first.stage == "update" and start is not None:
            yield from update_slips(yard, start, values)


# Data.


def data_slips(yard: Yardstick, values: Arrays) -> Iterator[Slip]:
    """What may have happened to pixels and labels."""
    images, labels = yard.images64, yard.labels
    look = "print the smallest and largest pixel of a batch: they should be 0 and 1"
    yield Slip({"images": images / 255}, "the pixels are divided by 255 twice", look)
    yield Slip({"images": images * 255}, "the pixels are not divided by 255", look)
    product = (np.rint(images * 255) * np.float32(1 / 255)).astype("float32")
    multiplied = product.astype(yard.dtype).astype("float64")
    yield Slip(
        {"images": multiplied},
        "the pixels are multiplied by 1/255 instead of divided by 255, which rounds 126 of the "
        "256 values differently",
        "convert the 256 values both ways and compare them bit for bit",
    )
    yield Slip({"images": 1 - images}, "the pixels are inverted, 1 - x", look)
    yield Slip({"images": 2 * images - 1}, "the pixels are scaled to [-1, 1]", look)
    side = round(images.shape[1] ** 0.5)
    if side * side == images.shape[1]:
        turned = images.reshape(-1, side, side).transpose(0, 2, 1).reshape(images.shape)
        yield Slip({"images": turned}, "rows and columns of the images are exchanged", "show one")
    theirs = values["images"].astype("float64")
    if images.std() > 0 and theirs.std() > 0:
        slope, offset = np.polyfit(images.ravel(), theirs.ravel(), 1)
        yield Slip(
            {"images": slope * images + offset},
            f"the pixels are standardised: {slope:.4g} x + {offset:.4g}",
            "look for a mean and a standard deviation in the transforms",
        )
    if yard.model.classifies:
        classes = yard.logits.shape[1]
        for shift in (1, -1):
            for moved in (labels + shift, (labels + shift) % classes):
                yield Slip(
                    {"labels": moved.astype("float64")},
                    f"the labels are shifted by {shift:+d}",
                    "compare the names of the first ten labels with their pictures",
                )
    yield from other_order(yard, values)


def other_order(yard: Yardstick, values: Arrays) -> Iterator[Slip]:
    """The right examples, but in another order, or images and labels that went apart."""
    look = "take labels and images by one and the same index"
    for name, ours in (("labels", yard.labels), ("images", yard.images64)):
        theirs = values[name]
        mine, other = rows_sorted(ours), rows_sorted(theirs)
        if np.array_equal(mine, other):
            words = f"the {name} are those of the batch in another order"
            yield Slip({name: theirs.astype("float64")}, words, look)
    before = yard.referee.exact.batch(yard.at.other)
    words = "this is another step's batch"
    for name, array in (("images", before[0]), ("labels", before[1])):
        yield Slip({name: array.astype("float64")}, f"{words}: its {name}", look)


def rows_sorted(array: Array) -> Array:
    """Rows in an order of their own."""
    rows = array.reshape(len(array), -1).astype("float64")
    ordered: Array = rows[np.lexsort(rows.T[::-1])]
    return ordered


# Forward.


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0)


def same(x: Array) -> Array:
    """x."""
    return x


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    result: Array = 1 / (1 + np.exp(-x))
    return result


def gelu_tanh(x: Array) -> Array:
    """GELU by its tanh approximation (Hendrycks and Gimpel, 2016)."""
    result: Array = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return result


def leaky(slope: float) -> Callable[[Array], Array]:
    """x where positive, slope times x elsewhere."""
    return lambda x: np.where(x > 0, x, slope * x)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "no activation at all": same,
    "a sigmoid instead of the ReLU": sigmoid,
    "tanh instead of the ReLU": np.tanh,
    "GELU (its tanh form) instead of the ReLU": gelu_tanh,
    "a leaky ReLU of slope 0.01": leaky(0.01),
    "a leaky ReLU of slope 0.2": leaky(0.2),
    "a ReLU after every layer, the last one included": relu,
}


def softmax(logits: Array) -> Array:
    """exp(o) / Σ exp(o), row by row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances: Array = powers / powers.sum(axis=1, keepdims=True)
    return chances


def forward_slips(yard: Yardstick, params: Arrays) -> Iterator[Slip]:
    """What may be wrong with a model."""
    images = yard.images64

    def logits_of(params: Arrays, images: Array = images) -> Arrays:
        return {"logits": yard.referee.exact.logits(params, images)}

    def biases(factor: float) -> Arrays:
        return {name: factor * p if p.ndim == 1 else p for name, p in params.items()}

    right = logits_of(params)
    logits = right["logits"]
    if yard.model.classifies:
        look = "print a row of the logits: they need not lie in [0, 1], nor sum to 1"
        yield Slip(
            {"logits": softmax(logits)},
            "the model ends in a softmax, which the loss will apply once more",
            look,
        )
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        yield Slip({"logits": logs}, "the model ends in a log-softmax", look)
    look = "set the weights to 0 and the biases to 1"
    yield Slip(logits_of(biases(0.0)), "no bias is added", look)
    yield Slip(logits_of(biases(2.0)), "the bias is added twice", look)
    if yard.images.dtype.kind == "f":  # somebody's own network may take words
        inputs = {
            "softmax is applied to the pixels instead of the logits": softmax(images),
            "the pixels are divided by 255 once more in the model": images / 255,
            "the pixels are multiplied by 255 in the model": images * 255,
        }
        for words, array in inputs.items():
            yield Slip(logits_of(params, array), words, "compare the model's input with the batch")
    for name, array in params.items():
        if array.ndim == 2 and array.shape[0] == array.shape[1]:
            yield Slip(
                logits_of({**params, name: array.T}),
                f"{name} is transposed, which its square shape hides",
                "use a hidden width that is not the input's",
            )
    if has_hidden_layer(yard):
        for words, activation in ACTIVATIONS.items():
            hidden = activation(images @ params["hidden.weight"] + params["hidden.bias"])
            wrong = hidden @ params["output.weight"] + params["output.bias"]
            if words.startswith("a ReLU after"):
                wrong = relu(wrong)
            yield Slip({"logits": wrong}, f"the model has {words}", "print its layers in order")
    yield from ratio_slips(right, "the logits are {:.6g} times the referee's")


def has_hidden_layer(yard: Yardstick) -> bool:
    """Whether the model is the one with a hidden layer and a ReLU; not one of somebody's own."""
    return "hidden.weight" in yard.model.shapes


# Loss.


def loss_slips(yard: Yardstick, right: Arrays, values: Arrays, *, together: bool) -> Iterator[Slip]:
    """What may be wrong with a loss, its gradient in the logits, or both."""
    logits, labels = yard.logits.astype("float64"), yard.labels64
    names = ("loss",) if together else ("loss", "dlogits")
    parts = {name: right[name] for name in names}
    exact = yard.referee.exact

    def loss_at(logits: Array, labels: Array) -> Arrays:
        value, dlogits = exact.gradient(logits, labels)
        both = {"loss": np.asarray(value), "dlogits": dlogits}
        return {name: both[name] for name in names}

    if yard.model.classifies:
        chances = softmax(logits)
        value, slope = exact.gradient(chances, labels)
        through = chances * (slope - (slope * chances).sum(axis=1, keepdims=True))
        twice = {"loss": np.asarray(value), "dlogits": through}
        yield Slip(
            {name: twice[name] for name in names},
            "softmax is applied twice: the loss takes probabilities for logits",
            "give the loss logits; framework losses apply the softmax themselves",
        )
        classes = logits.shape[1]
        for shift in (1, -1):
            yield Slip(
                loss_at(logits, (labels + shift) % classes),
                f"the labels are shifted by {shift:+d}",
                "compare the loss of one example with -log of its label's probability",
            )
        n = len(labels)
        yield Slip(
            {"dlogits": chances / n},
            "the gradient lacks the -1 at the label: it is that of log Σ exp alone",
            "its rows should sum to 0",
        )
        if not together:
            yield smoothed(chances, labels, right["dlogits"], values["dlogits"])
    yield from ratio_slips(parts, "the loss is {:.6g} times the mean", yard)
    for name in names:
        yield from ratio_slips({name: right[name]}, f"{name} alone is {{:.6g}} times", yard)


def smoothed(chances: Array, labels: Array, right: Array, theirs: Array) -> Slip:
    """Labels that give a share of their chance to all classes."""
    n, classes = chances.shape
    one_hot = np.eye(classes)[labels]
    share = fitted({"dlogits": theirs - right}, {"dlogits": (one_hot - 1 / classes) / n})
    targets = (1 - share) * one_hot + share / classes
    predicted = {
        "loss": np.asarray(-(targets * np.log(chances)).sum() / n),
        "dlogits": (chances - targets) / n,
    }
    return Slip(predicted, f"label smoothing of {share:.3g}", "look for that argument of the loss")


def factors(yard: Yardstick | None) -> dict[float, tuple[str, str]]:
    """Ratios that have a name: what they mean, and how to confirm it."""
    known: dict[float, tuple[str, str]] = {
        -1.0: ("the sign is turned round", "the loss should fall, not rise"),
        1 / np.log(2): ("the logarithm is to base 2", "the loss at the start should be ln 10"),
    }
    if yard is not None:
        n, classes = len(yard.labels), yard.logits.shape[1]
        batch = "double the batch: it should hardly change"
        if not yard.model.classifies:
            half = "the 1/2 of the squared error"
            known[2.0] = (f"{half} is missing", "differentiate (y - t)²/2 by hand")
            known[0.5] = (f"{half} is there twice", "differentiate (y - t)²/2 by hand")
        else:
            known[2.0] = ("it is doubled: counted or applied twice", "halve it and compare")
            known[0.5] = ("it is halved: a 1/2 that belongs to squared error", "double it")
            known[1 / classes] = (
                "it is averaged over the classes, too",
                "look for a mean over both axes",
            )
        if n > 1:
            known[float(n)] = (f"it is summed over the batch of {n}, not averaged", batch)
            known[1 / n] = (f"it is divided by the batch size, {n}, once more", batch)
    return known


def ratio_slips(
    parts: Mapping[str, Array], words: str, yard: Yardstick | None = None
) -> Iterator[Slip]:
    """All of some tensors multiplied by one number that has a name."""
    for factor, (meaning, confirm) in factors(yard).items():
        predicted = {name: factor * array for name, array in parts.items()}
        yield Slip(predicted, f"{words.format(factor)}: {meaning}", confirm)


# Gradient.


def gradient_slips(yard: Yardstick, grads: Arrays, values: Arrays) -> Iterator[Slip]:
    """What may be wrong with gradients: `grads` are the referee's."""
    yield from wrong_gradients(yard, grads)
    theirs = {name: values[name].astype("float64") for name in grads}
    yield from clipped(grads, theirs)
    factor = fitted(theirs, grads)
    yield Slip(
        {name: factor * array for name, array in grads.items()},
        f"every gradient is {factor:.7g} times the referee's, in all tensors alike",
        "look for that number among the constants",
    )
    shrink = fitted({n: theirs[n] - grads[n] for n in grads}, yard.params)
    if shrink:
        yield Slip(
            {n: grads[n] + shrink * yard.params[n] for n in grads},
            f"a weight decay of {shrink:.3g} is in the gradient",
            "look for a penalty on the weights in the loss",
        )


def wrong_gradients(yard: Yardstick, grads: Arrays) -> Iterator[Slip]:
    """Gradients as known slips would have them; in a whole step they go on to the update."""
    yield from ratio_slips(grads, "every gradient is {:.6g} times the referee's", yard)
    for name, array in grads.items():
        yield Slip(
            {name: np.zeros_like(array)},
            f"the gradient of {name} is zero: it never moves",
            "look for a detach, a stop_gradient, or a parameter the optimiser was not given",
        )
        yield from ratio_slips(
            {name: array}, f"the gradient of {name} is {{:.6g}} times the referee's", yard
        )
        if array.ndim == 2 and array.shape[0] == array.shape[1]:
            yield Slip(
                {name: array.T},
                f"the gradient of {name} is transposed, which its square shape hides",
                "use a hidden width that is not the input's",
            )
    exact, params = yard.referee.exact, yard.params
    other_images, other_labels = exact.batch(yard.at.other)
    _, _, before = exact.gradients(params, other_images, other_labels)
    yield Slip(
        before,
        "this is the gradient of the batch before",
        "make two steps on two batches and compare the second",
    )
    yield Slip(
        {name: grads[name] + before[name] for name in grads},
        "gradients add up from step to step: they are not set to zero",
        "print a gradient before and after the step; look for zero_grad()",
    )
    if has_hidden_layer(yard):
        yield from no_mask(yard, grads)
    if yard.model.classifies:
        logits = exact.logits(params, yard.images64)
        chances = softmax(logits)
        _, slope = exact.gradient(chances, yard.labels64)
        through = chances * (slope - (slope * chances).sum(axis=1, keepdims=True))
        yield Slip(
            exact.backward(params, yard.images64, through),
            "softmax is applied twice before the loss",
            "print a row of what the loss is given: logits need not sum to 1",
        )


def no_mask(yard: Yardstick, grads: Arrays) -> Iterator[Slip]:
    """A ReLU that passes every gradient back."""
    params, images = yard.params, yard.images64
    dhidden = yard.dlogits.astype("float64") @ params["output.weight"].T
    predicted = {"hidden.weight": images.T @ dhidden, "hidden.bias": dhidden.sum(axis=0)}
    rest = {name: grads[name] for name in grads if name not in predicted}
    yield Slip(
        {**rest, **predicted},
        "the gradient goes through the ReLU as if it were not there",
        "compare the gradient of the hidden bias by finite differences",
    )


def fitted(values: Arrays, by: Arrays) -> float:
    """The number c for which c · by is nearest to values."""
    above = sum(float(np.vdot(by[n], values[n])) for n in by)
    below = sum(float(np.vdot(by[n], by[n])) for n in by)
    return above / below if below else 0.0


def clipped(grads: Arrays, theirs: Arrays) -> Iterator[Slip]:
    """Gradients scaled down, all alike, to a norm that is a round number."""
    factor = fitted(theirs, grads)
    norm = float(np.sqrt(sum(float((array**2).sum()) for array in theirs.values())))
    rounded = float(f"{norm:.2g}")
    if 0 < factor < 1 and abs(norm - rounded) < 1e-4 * norm:
        yield Slip(
            {name: factor * array for name, array in grads.items()},
            f"the gradients are clipped to a norm of {rounded:g}",
            "look for clip_grad_norm, clip_by_global_norm",
        )


# Update.


def update_slips(yard: Yardstick, start: Arrays, values: Arrays) -> Iterator[Slip]:
    """What may be wrong with an update by the referee's gradients."""
    grads, params = as_float64(yard.grads), as_float64(start)
    yield from wrong_updates(yard, params, grads)
    yield from another_length(yard, params, grads, values)


def as_float64(arrays: Arrays) -> Arrays:
    """Every array widened."""
    return {name: array.astype("float64") for name, array in arrays.items()}


Rule = Callable[..., tuple[Arrays, Arrays]]


def wrong_updates(yard: Yardstick, start: Arrays, grads: Arrays) -> Iterator[Slip]:
    """Parameters and state as known slips in the update would have them."""
    plan, state = yard.plan, yard.state
    rule, usual = rule_of(plan), settings(plan)

    def slip(words: str, confirm: str, **changes: Any) -> Slip:
        moved, memory = rule(start, grads, state, **{**usual, **changes})
        return Slip({**moved, **memory}, words, confirm)

    yield Slip(start, "the parameters do not move", "are they those the optimiser was given?")
    for name in start:
        yield Slip({name: start[name]}, f"{name} does not move", "was the optimiser given it?")
    n, lr = len(yard.labels), plan.lr
    yield slip(
        f"the update divides by the batch size, {n}, although the loss is a mean already: "
        f"the learning rate is {n} times too small",
        "double the batch: the step should hardly change",
        lr=lr / n,
    )
    yield slip("the update goes up the gradient", "the loss should fall, not rise", lr=-lr)
    for factor in (0.1, 10.0, 2.0, 0.5, float(n)):
        words = f"the learning rate is {factor:g} times lr"
        if factor == 2.0:
            words += ", or the update is made twice"
        yield slip(words, "print it", lr=factor * lr)
    rounded = {name: float32(value) for name, value in usual.items() if name in CONSTANTS}
    for name, value in rounded.items():
        yield slip(
            f"{WORDS[name]} is rounded to float32",
            "subtract the number from what the optimiser holds: it should be 0, not 1e-9",
            **{name: value},
        )
    yield slip("the constants are rounded to float32", "print them with 17 digits", **rounded)
    decays = {
        "none": "weight decay is left out",
        "coupled": "weight decay is coupled: added to the gradient, not to the step",
        "decoupled": "weight decay is decoupled: taken off the parameters, not added to the "
        "gradient",
        "weights": "weight decay spares the biases",
        "unscaled": "weight decay is not multiplied by the learning rate",
        "twice": "weight decay is applied twice",
    }
    if plan.weight_decay:
        look = "make one step with a gradient of zero and look what remains"
        for kind, words in decays.items():
            yield slip(words, look, decay_kind=kind)
    if rule is sgd_rule:
        look = "make three steps with a gradient of one and compare with 1, 1 + m, 1 + m + m²"
        yield slip(
            "momentum has dampening: m = momentum · m + (1 - momentum) · g", look, dampening=True
        )
        yield slip("Nesterov momentum", look, nesterov=True)
        yield slip("there is no momentum", look, momentum=0.0)
        yield slip("the learning rate is inside the momentum buffer", look, inside=True)
    else:
        look = "make one step with a gradient of 1e-6 and compare with lr · g / (|g| + eps)"
        yield slip("the bias correction is left out", look, correct_m=False, correct_v=False)
        yield slip("the mean is not bias-corrected", look, correct_m=False)
        yield slip("the mean square is not bias-corrected", look, correct_v=False)
        yield slip("eps is inside the square root", look, eps_kind="inside")
        yield slip(
            "eps is not scaled by the bias correction: lr · sqrt(1 - b2^t) / (1 - b1^t) · "
            "m / (sqrt(v) + eps)",
            look,
            eps_kind="unscaled",
        )
        yield slip("the two betas are exchanged", look, betas=tuple(reversed(plan.betas)))
        yield slip("the step count is one behind", "print it at the first step", late=-1)
        yield slip("the step count is one ahead", "print it at the first step", late=1)
    moved, memory = rule(start, grads, state, **usual)
    moved, memory = rule(moved, grads, memory, **usual)
    yield Slip({**moved, **memory}, "the update is made twice", "count its calls")


def another_length(yard: Yardstick, start: Arrays, grads: Arrays, values: Arrays) -> Iterator[Slip]:
    """All parameters moved too far, or not far enough, by a factor without a name."""
    moved, _ = rule_of(yard.plan)(start, grads, yard.state, **settings(yard.plan))
    theirs = {n: values[n].astype("float64") - start[n] for n in start}
    ours = {n: moved[n] - start[n] for n in start}
    if factor := fitted(theirs, ours):
        yield Slip(
            {n: start[n] + factor * ours[n] for n in ours},
            f"every parameter moves {factor:.7g} times as far as it should: "
            f"a learning rate of {factor * yard.plan.lr:.7g}",
            "print the learning rate that the optimiser holds",
        )


def float32(value: Any) -> Any:
    """One number, or a pair of them, as float32 has it."""
    if isinstance(value, (tuple, list)):
        return tuple(float32(one) for one in value)
    return float(np.float32(value))


#: what an update is told, and what it is called
WORDS = {
    "lr": "the learning rate",
    "momentum": "the momentum",
    "decay": "the weight decay",
    "betas": "beta 1 and 2",
}
CONSTANTS = set(WORDS)


def rule_of(plan: Plan) -> Rule:
    """The rule below that a plan's update has."""
    return adam_rule if plan.optimizer.startswith("adam") else sgd_rule


def settings(plan: Plan) -> dict[str, Any]:
    """What the rules below are told of a plan."""
    if plan.optimizer.startswith("adam"):
        kind = "coupled" if plan.optimizer == "adam" else "decoupled"
        return {
            "lr": plan.lr,
            "betas": tuple(plan.betas),
            "eps": plan.eps,
            "decay": plan.weight_decay,
            "decay_kind": kind,
        }
    return {"lr": plan.lr, "momentum": plan.momentum, "decay": plan.weight_decay}


def decayed(
    name: str, param: Array, grad: Array, lr: float, decay: float, kind: str
) -> tuple[Array, Array | float]:
    """The gradient, and what is taken off the parameter directly, for a kind of decay."""
    if kind == "none" or (kind == "weights" and param.ndim == 1):
        return grad, 0.0
    if kind == "decoupled":
        return grad, lr * decay * param
    if kind == "unscaled":
        return grad, decay * param
    if kind == "twice":
        return grad + 2 * decay * param, 0.0
    return grad + decay * param, 0.0


def sgd_rule(
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    *,
    lr: float,
    momentum: float,
    decay: float,
    decay_kind: str = "coupled",
    dampening: bool = False,
    nesterov: bool = False,
    inside: bool = False,
) -> tuple[Arrays, Arrays]:
    """Mini-batch gradient descent with every slip it may have."""
    moved, memory = {}, {}
    for name, param in params.items():
        step, taken = decayed(name, param, grads[name], lr, decay, decay_kind)
        rate = lr
        if f"{name}/m" in state:
            share = 1 - momentum if dampening else 1.0
            grad = step
            step = momentum * state[f"{name}/m"] + share * (lr if inside else 1.0) * step
            memory[f"{name}/m"] = step
            rate = 1.0 if inside else lr
            if nesterov:
                step = grad + momentum * step
        moved[name] = param - rate * step - taken
    return moved, memory


def adam_rule(
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    decay: float,
    decay_kind: str,
    correct_m: bool = True,
    correct_v: bool = True,
    eps_kind: str = "outside",
    late: int = 0,
) -> tuple[Arrays, Arrays]:
    """Adam with every slip it may have."""
    (b1, b2), t = betas, float(state["step"]) + 1 + late
    moved: Arrays = {}
    memory: Arrays = {}
    c1 = 1 - b1**t if correct_m and t > 0 else 1.0
    c2 = 1 - b2**t if correct_v and t > 0 else 1.0
    for name, param in params.items():
        grad, taken = decayed(name, param, grads[name], lr, decay, decay_kind)
        m = b1 * state[f"{name}/m"] + (1 - b1) * grad
        v = b2 * state[f"{name}/v"] + (1 - b2) * grad**2
        root = {
            "outside": np.sqrt(v / c2) + eps,
            "inside": np.sqrt(v / c2 + eps),
            "unscaled": (np.sqrt(v) + eps) / np.sqrt(c2),
        }[eps_kind]
        moved[name] = param - lr * m / c1 / root - taken
        memory |= {f"{name}/m": m, f"{name}/v": v}
    memory["step"] = np.asarray(t - late)
    return moved, memory


# The whole step, and counts.


def step_slips(yard: Yardstick, right: Arrays, values: Arrays) -> Iterator[Slip]:
    """What may be wrong only where the components meet: what a step remembers, and when."""
    exact, plan = yard.referee.exact, yard.plan
    grads = {name: yard.gradients[name].right for name in yard.params}
    after = {name: right[name] for name in yard.params}
    value, logits, _ = exact.gradients(after, yard.images64, yard.labels64)
    look = "print the loss of the very first step: ln 10 = 2.3026 for ten classes and small weights"
    later = {"loss": np.asarray(value)}
    count = {"correct": np.asarray(exact.correct(logits, yard.labels64), dtype="float64")}
    words = "are measured after the update"
    yield Slip({**later, **count}, f"loss and count {words}", look, "loss")
    yield Slip(later, f"the loss is {words[4:]}", look, "loss")
    yield Slip(count, f"the count is {words[4:]}", look, "accuracy")
    yield from accuracy_slips(yard, values)
    # Before the gradients: model and loss as one were right, and where a learning rate and a
    # factor in the gradient come to the same, it is more likely the former.
    yield from wrong_updates(yard, yard.params, grads)
    wrongs = [*wrong_gradients(yard, grads), *clipped(grads, implied_gradients(yard, values))]
    for slip in wrongs:
        wrong = {**grads, **slip.predicted}
        moved, memory = rule_of(plan)(yard.params, wrong, yard.state, **settings(plan))
        yield Slip({**moved, **memory}, slip.words, slip.confirm, "gradient")
    yield from another_length(yard, yard.params, grads, values)


def implied_gradients(yard: Yardstick, values: Arrays) -> Arrays:
    """The gradients that a step must have had, from what it made of the parameters."""
    plan, grads = yard.plan, {}
    b1, share = plan.momentum, 1.0
    if plan.optimizer.startswith("adam"):
        b1 = plan.betas[0]
        share = 1 - b1
    for name, param in yard.params.items():
        step = (param - values[name]) / plan.lr
        if (memory := f"{name}/m") in yard.state:
            step = (values[memory] - b1 * yard.state[memory]) / share
        coupled = plan.optimizer != "adamw"
        grads[name] = step - (plan.weight_decay * param if coupled else 0.0)
    return grads


def accuracy_slips(yard: Yardstick, values: Arrays) -> Iterator[Slip]:
    """What may be wrong with a count of correct rows."""
    if "correct" not in values or not yard.model.classifies:
        return
    labels, logits = yard.labels, yard.logits
    n, counted = len(labels), float(values["correct"])
    right = float((logits.argmax(axis=1) == labels).sum())

    def slip(count: float, words: str, confirm: str, tensor: str = "correct") -> Slip:
        return Slip({tensor: np.asarray(count)}, words, confirm, "accuracy")

    last = logits.shape[1] - 1 - yard.ties[:, ::-1].argmax(axis=1)
    yield slip(
        float((last == labels).sum()),
        "ties go to the highest index",
        "count the correct ones among equal logits: the label 0 alone is right",
        "ties",
    )
    smallest = float((logits.argmin(axis=1) == labels).sum())
    yield slip(smallest, "the smallest logit is taken", "look for argmin, or for a sign")
    for shift in (1, -1):
        moved = float((logits.argmax(axis=1) == labels + shift).sum())
        yield slip(moved, f"labels are shifted by {shift:+d}", "compare one by one")
    yield slip(n - right, "the wrong ones are counted", "count a batch by hand")
    yield slip(right / n, "it is a share, not a count", "multiply by the batch size")
    if counted.is_integer() and counted != right:
        yield slip(
            counted,
            f"the count is off by {counted - right:+g}: a counter that does not start at 0?",
            "print the counter before the first batch",
        )
