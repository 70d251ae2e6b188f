"""BatchNorm's momentum weighs the new batch in PyTorch (0.1), and the old mean in MindSpore (0.9).

By default both come to the same, the unbiased running variance included; momentum=0.1 passed to
both does not. JAX has no batch normalisation, only libraries on top of it have: left out.
"""

TOPIC = "model"
WHY = "With momentum=0.1 in MindSpore, evaluation rests on little more than the last batch."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.BatchNorm1d.html",
)
SEEN = {"torch": "2.14.1", "mindspore": "2.10.0"}


def torch():
    import inspect

    import torch

    named = inspect.signature(torch.nn.BatchNorm1d).parameters
    layer = torch.nn.BatchNorm1d(1)
    other = torch.nn.BatchNorm1d(1, momentum=0.1)
    # Mean 1; variance 1, unbiased 2. Running values start at 0 and 1.
    layer(torch.tensor([[0.0], [2.0]]))
    other(torch.tensor([[0.0], [2.0]]))
    return {
        "default momentum": named["momentum"].default,
        "running mean": layer.running_mean.item(),
        "running variance": layer.running_var.item(),
        "running mean, momentum=0.1": other.running_mean.item(),
    }


def mindspore():
    import inspect

    from mindspore import Tensor, nn

    # It inherits that: of the class Python 3.11.2 sees what `Cell.__new__` takes.
    named = inspect.signature(nn.BatchNorm1d.__init__).parameters
    layer = nn.BatchNorm1d(1).set_train()
    other = nn.BatchNorm1d(1, momentum=0.1).set_train()
    # Mean 1; variance 1, unbiased 2. Running values start at 0 and 1.
    layer(Tensor([[0.0], [2.0]]))
    other(Tensor([[0.0], [2.0]]))
    return {
        "default momentum": named["momentum"].default,
        "running mean": layer.moving_mean.asnumpy().item(),
        "running variance": layer.moving_variance.asnumpy().item(),
        "running mean, momentum=0.1": other.moving_mean.asnumpy().item(),
    }


CLAIM = {
    "torch": {
        "default momentum": 0.1,
        "running mean": 0.1,
        "running variance": 1.1,
        "running mean, momentum=0.1": 0.1,
    },
    "mindspore": {
        "default momentum": 0.9,
        "running mean": 0.1,
        "running variance": 1.1,
        "running mean, momentum=0.1": 0.9,
    },
}
