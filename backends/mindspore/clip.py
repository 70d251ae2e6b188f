"""Clipping: gradients in, smaller gradients out, in MindSpore."""

import mindspore
from mindspore import Tensor, ops


def clip_value_scratch(params, most):
    """Clip the gradients by value, written out.

    Every number of them to [-most, most].

    Args:
        params: whose gradients they will be.
        most: the largest that is left.

    Returns:
        clip(grads) -> grads.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html
    """

    limit = Tensor(most, next(iter(params.values())).dtype)

    def clip(grads):
        return {
            n: ops.minimum(ops.maximum(g, -limit), limit)
            for n, g in grads.items()
        }

    return clip


def clip_value_concise(params, most):
    """Clip the gradients by value, by `ops.clip_by_value`.

    Differs: the limits are Tensors, because a Python float meets a float64
    Tensor as float32.

    See: https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.clip_by_value.html
    """
    limit = Tensor(most, next(iter(params.values())).dtype)

    def clip(grads):
        return {
            n: ops.clip_by_value(g, -limit, limit) for n, g in grads.items()
        }

    return clip


def clip_norm_scratch(params, most):
    """Clip the gradients by their global norm, written out.

    grads * min(1, most / norm), norm = sqrt(sum of all squares, all tensors)

    Args:
        params: whose gradients they will be.
        most: the largest norm that is left.

    Returns:
        clip(grads) -> grads.

    See: https://arxiv.org/abs/1211.5063, algorithm 1; Dive into Deep
    Learning, 8.5.5.
    """

    limit = Tensor(most, next(iter(params.values())).dtype)

    def clip(grads):
        # Not in a loop: compiled, it leaves a tuple of `grads` (2.10.0).
        norm = ops.sqrt(sum([ops.square(g).sum() for g in grads.values()]))
        scale = limit / ops.maximum(norm, limit)
        return {n: scale * g for n, g in grads.items()}

    return clip


def clip_norm_concise(params, most):
    """Clip the gradients by their norm, by `ops.clip_by_global_norm`.

    Differs: of float64 the norm is rounded to float32; clip_norm_scratch
    stands in for it there.

    See: https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.clip_by_global_norm.html
    """
    if next(iter(params.values())).dtype == mindspore.float64:
        return clip_norm_scratch(params, most)

    def clip(grads):
        left = ops.clip_by_global_norm(
            tuple([g for g in grads.values()]), most
        )
        return {n: g for n, g in zip(grads.keys(), left)}

    return clip
