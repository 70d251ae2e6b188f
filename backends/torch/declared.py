"""What PyTorch does by another rule than the referee's, by design, in NumPy.

The referee takes such a rule in place of its own, so that everything else is
still held to rounding; `INFO.declared` says where.
"""

import numpy as np


def clip_norm(params, most):
    """Clipping by the global norm as `clip_grad_norm_` has it.

    grads * min(1, most / (norm + 1e-6))

    Args and result are those of the NumPy backend's clip_norm_scratch.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
    """

    def clip(grads):
        norm = np.sqrt(sum(np.square(g).sum() for g in grads.values()))
        scale = np.minimum(most / (norm + 1e-6), 1)
        return {n: scale * g for n, g in grads.items()}

    return clip
