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
        model: that is trained.
    """

    stage: str
    words: str
    size: int = 16
    model: str = "softmax"


#: The stage of a slip that lets nothing be judged: the entrant fails, and says why.
FAILS = "fails"

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
    "local statistics": Said(
        "forward", "each of the 2 ranks normalises by the statistics of its share", model="lenet_bn"
    ),
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

WHOLE = "    return train.gradients(divided, loss, mode)\n"
#: As whoever writes what each device does, and reduces by hand; one that forgets says so nowhere.
MEAN_LOSS = '        value = jax.lax.pmean(value, "ranks")\n'
BY_HAND = """    differentiate = train.gradients(forward, loss, mode)

    def alone(params, images, labels):
        value, logits, grads = differentiate(params, images, labels)
        value = jax.lax.pmean(value, "ranks")
        return value, logits, grads

    spread = jax.shard_map(
        alone,
        mesh=mesh,
        in_specs=(P(), P("ranks"), P("ranks")),
        out_specs=(P(), P("ranks"), P()),
        check_vma=False,
    )

    def reduced(params, images, labels):
        rows, back = places(len(images), mesh.size)
        value, logits, grads = spread(params, images[rows], labels[rows])
        return value, logits[back], grads

    return reduced
"""
SCALED = """    differentiate = train.gradients(divided, loss, mode)

    def scaled(params, images, labels):
        value, logits, grads = differentiate(params, images, labels)
        return value, logits, {n: FACTOR * g for n, g in grads.items()}

    return scaled
"""
APART = "        return apart.gradients(divided, loss, mode, statistics)\n"
#: Each device's own mean and variance, as where nobody synchronises them.
LOCAL = """        differentiate = apart.gradients(forward, loss, mode, statistics)

        def alone(params, images, labels):
            value, logits, grads = differentiate(params, images, labels)
            value, grads = jax.lax.pmean((value, grads), "ranks")
            return value, logits, grads

        spread = jax.shard_map(
            alone,
            mesh=mesh,
            in_specs=(P(), P("ranks"), P("ranks")),
            out_specs=(P(), P("ranks"), P()),
            check_vma=False,
        )

        def reduced(params, images, labels):
            rows, back = places(len(images), mesh.size)
            value, logits, grads = spread(params, images[rows], labels[rows])
            return value, logits[back], grads

        return reduced
"""
JAX: dict[str, tuple[str, Edits]] = {
    "mean of unequal means": (
        "parallel",
        {
            WHOLE: """    def by_share(logits, labels):
        shares = [slice(rank, None, mesh.size) for rank in range(mesh.size)]
        return jnp.mean(jnp.stack([loss(logits[s], labels[s]) for s in shares]))

    return train.gradients(divided, by_share, mode)
"""
        },
    ),
    "sum for mean": ("parallel", {WHOLE: SCALED.replace("FACTOR", "mesh.size")}),
    "divided twice": ("parallel", {WHOLE: SCALED.replace("FACTOR", "1 / mesh.size")}),
    "nothing reduced": ("parallel", {WHOLE: BY_HAND}),
    "one parameter not reduced": (
        "parallel",
        {
            WHOLE: BY_HAND.replace(
                "        return value, logits, grads\n\n    spread",
                "        grads['output.bias'] = jax.lax.pmean(grads['output.bias'], 'ranks')\n"
                "        return value, logits, grads\n\n    spread",
            )
        },
    ),
    "sampler repeats": (
        "parallel",
        {
            WHOLE: """    def filled_up(params, images, labels):
        rows, back = places(len(images), mesh.size)
        differentiate = train.gradients(forward, loss, mode)
        value, logits, grads = differentiate(params, images[rows], labels[rows])
        return value, logits[back], grads

    return filled_up
"""
        },
    ),
    "other initial weights": (
        "model",
        {
            "        name: placed(arrays[name], param) for name, param in params.items()\n": """\
        name: jax.make_array_from_single_device_arrays(
            param.shape,
            param.sharding,
            [
                jax.device_put(np.asarray(arrays[name] + 1e-3 * device.id, param.dtype), device)
                for device in param.sharding.addressable_devices
            ],
        )
        for name, param in params.items()
"""
        },
    ),
    "rate times ranks": ("update", {"optax.sgd(schedule(lr)": "optax.sgd(2 * lr"}),
    "local statistics": ("parallel", {APART: LOCAL}),
    "shifted order": (
        "parallel",
        {
            "    return rows, np.argsort(slots)": "    rows = np.roll(rows, -1)\n"
            "    return rows, np.argsort(slots)"
        },
    ),
}

#: By the word that asks for it.
EDITS = {
    "ddp": TORCH,
    "parallel": MINDSPORE,
    "sharded": JAX,
    # Who forgets to reduce forgets the loss, too.
    "distributed": {
        **JAX,
        "nothing reduced": ("parallel", {WHOLE: BY_HAND.replace(MEAN_LOSS, "")}),
    },
}

#: In JAX one program says of a whole batch who computes what.
PROGRAM = {
    "sampler repeats": Said("loss", "what fills up the shares counts, too", 15),
    "shifted order": Said("forward", ""),
}

#: Where it is not said to be what it is in processes that take shares.
OTHERWISE = {
    **{(word, name): said for word in ("sharded", "distributed") for name, said in PROGRAM.items()},
    ("sharded", "nothing reduced"): Said(
        FAILS, "different copies of output.bias, output.weight after"
    ),
    ("sharded", "one parameter not reduced"): Said(
        FAILS, "different copies of output.weight after"
    ),
    ("sharded", "other initial weights"): Said(FAILS, "start from different copies of output"),
}
