"""A rate halved after 1: in torch 1 call of step(), in optax 1 update, in MindSpore 1 epoch.

Called once an epoch, torch's StepLR counts epochs. optax knows updates only, so an epoch is said
in steps. MindSpore's exponential_decay_lr takes both numbers and makes a list, a rate a step.
"""

TOPIC = "update"
WHY = "Its number taken over as it is, a schedule decays once a batch, and learning soon stops."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html",
    "https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html#optax.exponential_decay",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.exponential_decay_lr.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.optim.lr_scheduler import StepLR

    def rates(after, calls):
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer, used = torch.optim.SGD([weight], lr=0.1), []
        scheduler = StepLR(optimizer, after, gamma=0.5)
        for step in range(6):
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step in calls:
                scheduler.step()
        return used

    return {
        "after 1, 3 steps an epoch": rates(1, calls=(2, 5)),
        "after 1, counted in steps": rates(1, calls=range(6)),
        "after 3 steps": rates(3, calls=range(6)),
    }


def jax():
    import optax

    def rates(after):
        schedule = optax.exponential_decay(0.1, after, 0.5, staircase=True)
        return [float(schedule(step)) for step in range(6)]

    return {
        "after 1, 3 steps an epoch": rates(1),
        "after 1, counted in steps": rates(1),
        "after 3 steps": rates(3),
    }


def mindspore():
    from mindspore import nn

    def rates(after, an_epoch):
        return nn.exponential_decay_lr(0.1, 0.5, 6, an_epoch, after, is_stair=True)

    return {
        "after 1, 3 steps an epoch": rates(1, an_epoch=3),
        "after 1, counted in steps": rates(1, an_epoch=1),
        "after 3 steps": rates(3, an_epoch=1),
    }


CLAIM = {
    "torch": {
        "after 1, 3 steps an epoch": [0.1, 0.1, 0.1, 0.05, 0.05, 0.05],
        "after 1, counted in steps": [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125],
        "after 3 steps": [0.1, 0.1, 0.1, 0.05, 0.05, 0.05],
    },
    "jax": {
        "after 1, 3 steps an epoch": [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125],
        "after 1, counted in steps": [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125],
        "after 3 steps": [0.1, 0.1, 0.1, 0.05, 0.05, 0.05],
    },
    "mindspore": {
        "after 1, 3 steps an epoch": [0.1, 0.1, 0.1, 0.05, 0.05, 0.05],
        "after 1, counted in steps": [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125],
        "after 3 steps": [0.1, 0.1, 0.1, 0.05, 0.05, 0.05],
    },
}
