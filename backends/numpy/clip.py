"""Clipping: gradients in, smaller gradients out, in NumPy."""

import numpy as np


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
        return {
            n: np.minimum(np.maximum(g, -most), most)
            for n, g in grads.items()
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

    def clip(grads):
        norm = np.sqrt(sum(np.square(g).sum() for g in grads.values()))
        scale = most / np.maximum(norm, most)
        return {n: scale * g for n, g in grads.items()}

    return clip
