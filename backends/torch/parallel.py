"""Training in several processes: DistributedDataParallel, in PyTorch."""

from torch.nn.parallel import DistributedDataParallel

import torch
from torch import distributed, nn


def join(rank, ranks, port):
    """Meet the other processes, at a port of this machine.

    Differs: gloo sums on a CPU.

    See: https://docs.pytorch.org/docs/stable/distributed.html
    """
    distributed.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=ranks,
    )


def share(batch, rank, ranks):
    """The part of a batch that this process takes: every ranks-th example.

    Differs: DistributedSampler would repeat examples until all processes have
    as many; then a mean over the batch counts those twice.

    See: https://docs.pytorch.org/docs/stable/data.html
    """
    return batch[rank::ranks]


def gradients(forward, loss, mode, params):
    """Differentiate the mean loss of the whole batch, each process its share.

    Args:
        forward: (params, images) -> logits.
        loss: (logits, labels) -> the mean of a share.
        mode: "eager".
        params: what will be trained; the wrapper holds the same memory.

    Returns:
        (params, images, labels) -> value, logits, grads: value and logits of
        this share, weighted, so that the values' mean over the processes is
        the loss of the batch; grads of the batch, the same in all.

    Differs: DistributedDataParallel divides the sum of the processes'
    gradients by their number, whatever the number of their examples. A share
    of m among n examples counts m * ranks / n times.

    See: https://docs.pytorch.org/docs/stable/notes/ddp.html
    """
    net = DistributedDataParallel(Net(forward, params))
    ranks = distributed.get_world_size()

    def reduced(params, images, labels):
        examples = torch.tensor(len(labels), device=labels.device)
        distributed.all_reduce(examples)
        logits = net(images)
        weight = len(labels) * ranks / examples.item()
        value = weight * loss(logits, labels)
        net.zero_grad()
        value.backward()
        grads = {n: p.grad for n, p in net.module.leaves().items()}
        return value.detach(), logits.detach(), grads

    return reduced


class Net(nn.Module):
    """A forward function as a module that holds its parameters."""

    def __init__(self, forward, params):
        super().__init__()
        self.function, self.names = forward, list(params)
        self.held = nn.ParameterList(map(nn.Parameter, params.values()))

    def leaves(self):
        """The parameters by name."""
        return dict(zip(self.names, self.held, strict=True))

    def forward(self, images):
        """Call the function: logits."""
        return self.function(self.leaves(), images)
