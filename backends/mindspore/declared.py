"""What MindSpore does by another rule than the referee's, by design, in NumPy.

The referee takes such a rule in place of its own, so that everything else is
still held to rounding; `INFO.declared` says where.
"""

import numpy as np


def adam(params, lr, betas, eps, decay):
    """Adam as `nn.Adam` has it: eps before the bias correction of v.

    g = grad + decay * p;  m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g²;  t = t + 1;
    p = p - lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)

    Args, state and result are those of the NumPy backend's adam_scratch.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Adam.html
    """
    b1, b2 = betas
    state = {"step": np.zeros((), np.int32)}
    for name, param in params.items():
        state[f"{name}/m"] = np.zeros_like(param)
        state[f"{name}/v"] = np.zeros_like(param)

    def update(params, grads, state):
        t = int(state["step"]) + 1
        rate = lr if np.ndim(lr) == 0 else lr[min(t, len(lr)) - 1]
        rate = rate * (1 - b2**t) ** 0.5 / (1 - b1**t)
        state["step"] += 1
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + decay * param
            m, v = state[f"{name}/m"], state[f"{name}/v"]
            m[...] = b1 * m + (1 - b1) * grad
            v[...] = b2 * v + (1 - b2) * grad**2
            param -= rate * m / (np.sqrt(v) + eps)
        return params, state

    return state, update
