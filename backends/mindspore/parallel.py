"""Training in several processes: DistributedGradReducer, in MindSpore."""

from datetime import timedelta

from mindspore.communication.management import _init_with_store
from mindspore.mint.distributed import TCPStore

import mindspore
from mindspore import communication, nn, ops

from . import train


def join(rank, ranks, port):
    """Meet the other processes, at a port of this machine.

    Differs: its own collectives ("mccl") sum on a CPU. The public function
    that meets at an address, mint.distributed.init_process_group, takes
    Ascend's alone; this is what it calls. `init` would want one process more,
    a scheduler, and tries to reach it twice a second, not a hundred times
    (2.10.0).

    See: https://www.mindspore.cn/docs/en/master/api_python/mint/mindspore.mint.distributed.TCPStore.html
    """
    store = TCPStore("127.0.0.1", port, ranks, rank == 0)
    within = timedelta(minutes=5)
    _init_with_store("mccl", within, ranks, rank, store)


def share(batch, rank, ranks):
    """The part of a batch that this process takes: every ranks-th example.

    Differs: DistributedSampler would repeat examples until all processes have
    as many; then a mean over the batch counts those twice.

    See: https://www.mindspore.cn/docs/en/master/api_python/dataset/mindspore.dataset.DistributedSampler.html
    """
    return batch[rank::ranks]


def gradients(forward, loss, mode, params):
    """Differentiate the mean loss of the whole batch, each process its share.

    Args:
        forward: (params, images) -> logits.
        loss: (logits, labels) -> the mean of a share.
        mode: "eager" or "jit".
        params: what will be trained.

    Returns:
        (params, images, labels) -> value, logits, grads: value and logits of
        this share, weighted, so that the values' mean over the processes is
        the loss of the batch; grads of the batch, the same in all.

    Differs: DistributedGradReducer divides the sum of the processes'
    gradients by their number, whatever the number of their examples. A share
    of m among n examples counts m * ranks / n times: its gradient, because a
    graph finds no weight inside of what it differentiates (2.10.0).

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.DistributedGradReducer.html
    """
    differentiate = train.gradients(forward, loss, mode)
    reduce = nn.DistributedGradReducer(list(params.values()), mean=True)
    ranks, total = communication.get_group_size(), ops.AllReduce()

    def reduced(params, images, labels):
        mine = len(labels) * ops.ones((1,), mindspore.float32)
        value, logits, grads = differentiate(params, images, labels)
        weight = (mine * ranks / total(mine))[0]
        means = reduce(tuple([weight * g for g in grads.values()]))
        grads = {n: g for n, g in zip(params.keys(), means)}
        return weight * value, logits, grads

    return reduced
