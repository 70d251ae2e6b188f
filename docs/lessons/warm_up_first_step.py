"""A warm-up from 0 makes the first step 0 long in optax and MindSpore; torch's starts at a third.

LinearLR starts from 1/3 by default and refuses 0, since nothing grows by multiplying it. To climb
by a quarter of the rate at a time, one starts from a quarter, in each. A schedule is read at the
first step's number, and that is 0.
"""

TOPIC = "update"
WHY = "The first batch teaches nothing, and two frameworks' runs are a step apart from then on."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html",
    "https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html#optax.linear_schedule",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.warmup_lr.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.optim.lr_scheduler import LinearLR

    def steps(**settings):
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        scheduler = LinearLR(optimizer, **settings)
        weight.grad, path = torch.ones(1), [0.0]
        for _ in range(5):
            optimizer.step()
            scheduler.step()
            path.append(-weight.item())
        return [round(path[step + 1] - path[step], 4) for step in range(5)]

    return {
        "as it comes, 4 steps long": steps(total_iters=4),
        "from a quarter": steps(start_factor=0.25, total_iters=3),
    }


def jax():
    import jax.numpy as jnp
    import optax

    def steps(schedule):
        weight, optimizer = jnp.zeros(()), optax.sgd(schedule)
        state, path = optimizer.init(weight), [0.0]
        for _ in range(5):
            updates, state = optimizer.update(jnp.ones(()), state)
            weight = optax.apply_updates(weight, updates)
            path.append(-weight.item())
        return [round(path[step + 1] - path[step], 4) for step in range(5)]

    return {
        "as it comes, 4 steps long": steps(optax.linear_schedule(0.0, 0.1, 4)),
        "from a quarter": steps(optax.linear_schedule(0.025, 0.1, 3)),
    }


def mindspore():
    import mindspore
    from mindspore import Tensor, nn

    def steps(rates):
        weight = mindspore.Parameter(Tensor([0.0]), name="weight")
        optimizer, path = nn.Momentum([weight], learning_rate=rates, momentum=0.0), [0.0]
        for _ in range(5):
            optimizer((Tensor([1.0]),))
            path.append(-weight.asnumpy().item())
        return [round(path[step + 1] - path[step], 4) for step in range(5)]

    return {
        "as it comes, 4 steps long": steps(nn.warmup_lr(0.1, 5, 1, 4)),
        "from a quarter": steps(nn.warmup_lr(0.1, 6, 1, 4)[1:]),
    }


CLAIM = {
    "torch": {
        "as it comes, 4 steps long": [0.0333, 0.05, 0.0667, 0.0833, 0.1],
        "from a quarter": [0.025, 0.05, 0.075, 0.1, 0.1],
    },
    "jax": {
        "as it comes, 4 steps long": [0.0, 0.025, 0.05, 0.075, 0.1],
        "from a quarter": [0.025, 0.05, 0.075, 0.1, 0.1],
    },
    "mindspore": {
        "as it comes, 4 steps long": [0.0, 0.025, 0.05, 0.075, 0.1],
        "from a quarter": [0.025, 0.05, 0.075, 0.1, 0.1],
    },
}
