"""A torch module is made in training mode, a MindSpore Cell in evaluation: set_train() is yours.

Until then dropout does nothing and BatchNorm neither uses the batch nor learns from it. In torch
it is eval() that is forgotten. JAX has no modes: its functions are told, so it is left out.
"""

TOPIC = "model"
WHY = "Ported without set_train(), a network trains with no dropout, on statistics it never learns."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.train",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Cell.html#mindspore.nn.Cell.set_train",
)
SEEN = {"torch": "2.14.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch import nn

    batch = torch.tensor([[0.0], [2.0]])
    norm, dropout = nn.BatchNorm1d(1), nn.Dropout(p=0.5)
    made = norm.training
    drops = bool((dropout(torch.ones(1000)) == 0).any())
    first = norm(batch).flatten().tolist()
    norm.eval(), dropout.eval()
    stays = bool((dropout(torch.ones(1000)) == 1).all())
    return {
        "made for training": made,
        "dropout drops": drops,
        "BatchNorm of [0, 2]": first,
        "running mean": norm.running_mean.item(),
        "told to evaluate, none drops": stays,
    }


def mindspore():
    from mindspore import Tensor, nn, ops

    batch = Tensor([[0.0], [2.0]])
    norm, dropout = nn.BatchNorm1d(1), nn.Dropout(p=0.5)
    made = norm.training
    drops = bool((dropout(ops.ones(1000)) == 0).any())
    first = norm(batch).flatten().asnumpy().tolist()
    norm.set_train(False), dropout.set_train(False)
    stays = bool((dropout(ops.ones(1000)) == 1).all())
    return {
        "made for training": made,
        "dropout drops": drops,
        "BatchNorm of [0, 2]": first,
        "running mean": norm.moving_mean.asnumpy().item(),
        "told to evaluate, none drops": stays,
    }


CLAIM = {
    "torch": {
        "made for training": True,
        "dropout drops": True,
        "BatchNorm of [0, 2]": [-1.0, 1.0],
        "running mean": 0.1,
        "told to evaluate, none drops": True,
    },
    "mindspore": {
        "made for training": False,
        "dropout drops": False,
        "BatchNorm of [0, 2]": [0.0, 2.0],
        "running mean": 0.0,
        "told to evaluate, none drops": True,
    },
}
