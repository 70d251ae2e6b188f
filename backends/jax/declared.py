"""What JAX's optax does by another rule than the referee's, by design, in NumPy.

The referee takes such a rule in place of its own, so that everything else is
still held to rounding; `INFO.declared` says where.
"""

import numpy as np


def adagrad(params, lr, eps, decay):
    """AdaGrad as `optax.adagrad` has it: eps inside the root.

    g = grad + decay * p;  v = v + g²;  p = p - lr * g / sqrt(v + eps)

    Args, state and result are those of the NumPy backend's adagrad_scratch.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    state = {f"{name}/v": np.zeros_like(p) for name, p in params.items()}
    if np.ndim(lr):
        state["step"] = np.zeros((), np.int32)

    def update(params, grads, state):
        rate = lr
        if np.ndim(lr):
            rate = lr[min(state["step"], len(lr) - 1)]
            state["step"] += 1
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + decay * param
            v = state[f"{name}/v"]
            v += grad**2
            param -= rate * grad / np.sqrt(v + eps)
        return params, state

    return state, update
