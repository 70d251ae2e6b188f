"""What goes wrong where several devices train one model, in each backend's own lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Text as it is -> text with the slip.
Edits = Mapping[str, str]


@dataclass(frozen=True)
class Said:
    """What must be said of a slip.

    Attributes:
        stage: where it is.
        words: of the likely cause.
        size: of a batch; an odd one where shares must not be equal.
    """

    stage: str
    words: str
    size: int = 16


SAID = {
    "mean of unequal means": Said("loss", "each of the 2 ranks counts alike", 15),
    "sum for mean": Said("gradient", "every gradient is summed over the 2 ranks"),
    "divided twice": Said("gradient", "every gradient is divided by the 2 ranks once more"),
    "nothing reduced": Said("gradient", "no gradient is reduced"),
    "one parameter not reduced": Said("gradient", "the gradient of output.weight is not reduced"),
    "sampler repeats": Said("data", "its sampler repeats some", 15),
    "other initial weights": Said("start", "rank 1 starts from other parameters"),
    "rate times ranks": Said("update", "the learning rate is multiplied by the 2 ranks"),
    "gradient of the step before": Said("gradient", "this is the gradient of the batch before"),
    "shifted order": Said("data", "rank 1 takes its share of the batch from a shifted order"),
}

SHARE = "    return batch[rank::ranks]"
REPEATS = {
    SHARE: "    import numpy as np\n\n    part = batch[rank::ranks]\n"
    "    few = -(-len(batch) // ranks) - len(part)\n"
    "    return np.concatenate([part, batch[:few]])"
}
SHIFTED = {SHARE: "    import numpy as np\n\n    return np.roll(batch, -rank, axis=0)[rank::ranks]"}
KEPT = {
    "    def one_step(": "    kept = []\n\n    def one_step(",
    "        params, state = update(params, grads, state)\n": (
        "        kept.append({n: g + 0 for n, g in grads.items()})\n"
        "        params, state = update(params, kept[-2:][0], state)\n"
    ),
}

GRADS = "{n: p.grad for n, p in net.module.leaves().items()}"
TORCH: dict[str, tuple[str, Edits]] = {
    "mean of unequal means": (
        "parallel",
        {"weight = len(labels) * ranks / examples.item()": "weight = 1"},
    ),
    "sum for mean": ("parallel", {GRADS: GRADS.replace("p.grad ", "ranks * p.grad ")}),
    "divided twice": ("parallel", {GRADS: GRADS.replace("p.grad ", "p.grad / ranks ")}),
    "nothing reduced": ("parallel", {"logits = net(images)": "logits = net.module(images)"}),
    "one parameter not reduced": (
        "parallel",
        {
            "net = DistributedDataParallel(Net(forward, params))": "inner = Net(forward, params)\n"
            "    ignored = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model\n"
            "    ignored(inner, ['held.0'])\n"
            "    net = DistributedDataParallel(inner)"
        },
    ),
    "sampler repeats": ("parallel", REPEATS),
    "other initial weights": (
        "model",
        {
            "        param.copy_(to_tensor(arrays[name], param.device))": (
                "        param.copy_(to_tensor(arrays[name], param.device))\n"
                "        param.add_(1e-3 * torch.distributed.get_rank())"
            )
        },
    ),
    "rate times ranks": (
        "update",
        {"            lr=rate_of(lr, state),": "            lr=2 * rate_of(lr, state),"},
    ),
    "gradient of the step before": ("train", KEPT),
    "shifted order": ("parallel", SHIFTED),
}

MEANS = "{n: g for n, g in zip(params.keys(), means)}"
REDUCE = "reduce = nn.DistributedGradReducer(list(params.values()), mean=True)"
MINDSPORE: dict[str, tuple[str, Edits]] = {
    "mean of unequal means": (
        "parallel",
        {"weight = (mine * ranks / total(mine))[0]": "weight = 1.0"},
    ),
    "sum for mean": ("parallel", {REDUCE: REDUCE.replace("True", "False")}),
    "divided twice": ("parallel", {MEANS: MEANS.replace("g ", "g / ranks ", 1)}),
    "nothing reduced": (
        "parallel",
        {"reduce(tuple([weight * g for g in grads.values()]))": "grads.values()"},
    ),
    "one parameter not reduced": (
        "parallel",
        {REDUCE: f"params['output.weight'].layerwise_parallel = True\n    {REDUCE}"},
    ),
    "sampler repeats": ("parallel", REPEATS),
    "other initial weights": (
        "model",
        {
            "        ops.assign(param, to_tensor(arrays[name], ": (
                "        other = np.float32(1e-3 * communication.get_rank())\n"
                "        ops.assign(param, to_tensor(arrays[name] + other, "
            ),
            "import mindspore\n": "import mindspore\nimport numpy as np\n"
            "from mindspore import communication\n",
        },
    ),
    "rate times ranks": (
        "update",
        {"weights, schedule(lr), momentum": "weights, 2 * lr, momentum"},
    ),
    "gradient of the step before": ("train", KEPT),
    "shifted order": ("parallel", SHIFTED),
}

EDITS = {"torch": TORCH, "mindspore": MINDSPORE}
