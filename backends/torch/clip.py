"""Clipping: gradients in, smaller gradients out, in PyTorch."""

from torch.nn.utils import clip_grad_norm_, clip_grad_value_

import torch


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

    def clip(grads):
        return {n: g.clamp(-most, most) for n, g in grads.items()}

    return clip


def clip_value_concise(params, most):
    """Clip the gradients by value, by torch.nn.utils.

    Differs: it looks for gradients at parameters, and writes them there.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html
    """

    def clip(grads):
        clip_grad_value_([Holder(g) for g in grads.values()], most)
        return grads

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

    def clip(grads):
        norm = torch.sqrt(sum(g.square().sum() for g in grads.values()))
        scale = most / norm.clamp(min=most)
        return {n: scale * g for n, g in grads.items()}

    return clip


def clip_norm_concise(params, most):
    """Clip the gradients by their global norm, by torch.nn.utils.

    grads * min(1, most / (norm + 1e-6))

    Differs: the 1e-6, so that what is left has a norm below most, and a norm
    that is less than that below it is clipped, too. It looks for gradients at
    parameters, and writes them there.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
    """

    def clip(grads):
        clip_grad_norm_([Holder(g) for g in grads.values()], most)
        return grads

    return clip


class Holder:
    """What has a gradient, as a parameter has."""

    def __init__(self, grad):
        self.grad = grad
