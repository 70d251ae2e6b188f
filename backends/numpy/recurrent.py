"""Models that read a picture row by row, in NumPy.

Every forward carries its backward, derived by the chain rule.
"""

import numpy as np

from .layers import dense, dense_back, sigmoid

HIDDEN = 64  # numbers in a state


def gru_scratch(params, shape):
    """A GRU from scratch; its last state goes to a dense layer.

        r = σ(x Wᵣ + bᵣ + h Uᵣ + cᵣ)          reset
        z = σ(x W_z + b_z + h U_z + c_z)      update
        m = tanh(x Wₘ + bₘ + r (h Uₘ + cₘ))   new: reset after the product
        h = (1 - z) m + z h, from 0

    Args:
        params: input.weight (columns * channels, 192) and input.bias are W
            and b, recurrent.weight (64, 192) and recurrent.bias U and c:
            reset, update and new, 64 columns each; output.weight (64, 10),
            output.bias (10,).
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Cho et al., Learning phrase representations using RNN
    encoder-decoder, 2014, 2.3; PyTorch's nn.GRU, which resets after.
    """

    def read(params, images):
        seen = rows(images, shape)
        states, steps = [np.zeros((len(images), HIDDEN), images.dtype)], []
        for given in dense(params, "input", seen):
            state, step = gru_step(params, given, states[-1])
            states.append(state)
            steps.append(step)
        return seen, states, steps

    def forward(params, images):
        _, states, _ = read(params, images)
        return dense(params, "output", states[-1])

    def backward(params, images, dlogits):
        seen, states, steps = read(params, images)
        grads = {}
        dstate = dense_back(params, "output", states.pop(), dlogits, grads)
        for row, state, step in zip(seen[::-1], states[::-1], steps[::-1]):
            dgiven, dkept, dstate = gru_step_back(state, step, dstate)
            dense_back(params, "input", row, dgiven, grads)
            dstate += dense_back(params, "recurrent", state, dkept, grads)
        return {name: grads[name] for name in params}

    forward.backward = backward
    return forward


def lstm_scratch(params, shape):
    """An LSTM from scratch; its last state goes to a dense layer.

        i = σ(x Wᵢ + bᵢ + h Uᵢ + cᵢ)        input
        f = σ(x W_f + b_f + h U_f + c_f)    forget
        m = tanh(x Wₘ + bₘ + h Uₘ + cₘ)     new
        o = σ(x Wₒ + bₒ + h Uₒ + cₒ)        output
        s = f s + i m, h = o tanh(s), both from 0

    Args:
        params: input.weight (columns * channels, 256) and input.bias are W
            and b, recurrent.weight (64, 256) and recurrent.bias U and c:
            input, forget, new and output, 64 columns each; output.weight
            (64, 10), output.bias (10,).
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Hochreiter and Schmidhuber, Long short-term memory, 1997; with a
    forget gate: Gers et al., 2000; the order is that of PyTorch's nn.LSTM.
    """

    def read(params, images):
        seen = rows(images, shape)
        start = np.zeros((len(images), HIDDEN), images.dtype)
        states, steps = [(start, start)], []
        for given in dense(params, "input", seen):
            state, step = lstm_step(params, given, states[-1])
            states.append(state)
            steps.append(step)
        return seen, states, steps

    def forward(params, images):
        _, states, _ = read(params, images)
        return dense(params, "output", states[-1][0])

    def backward(params, images, dlogits):
        seen, states, steps = read(params, images)
        grads, (last, _) = {}, states.pop()
        dstate = dense_back(params, "output", last, dlogits, grads)
        dmemory = np.zeros_like(dstate)
        for row, state, step in zip(seen[::-1], states[::-1], steps[::-1]):
            dgates, dmemory = lstm_step_back(state, step, dstate, dmemory)
            dense_back(params, "input", row, dgates, grads)
            dstate = dense_back(params, "recurrent", state[0], dgates, grads)
        return {name: grads[name] for name in params}

    forward.backward = backward
    return forward


def gru_step(params, given, state):
    """The next state of a GRU, and what led to it.

    Args:
        given: x W + b of the row, (n, 192).
        state: h, (n, 64).
    """
    kept = dense(params, "recurrent", state)  # h U + c
    kept_r, kept_z, kept_m = np.split(kept, 3, axis=1)
    given_r, given_z, given_m = np.split(given, 3, axis=1)
    reset = sigmoid(given_r + kept_r)
    update = sigmoid(given_z + kept_z)
    new = np.tanh(given_m + reset * kept_m)
    step = reset, update, new, kept_m
    return (1 - update) * new + update * state, step


def gru_step_back(state, step, dnext):
    """From the gradient in the next state to those in x W + b, h U + c, h."""
    reset, update, new, kept = step
    dupdate = dnext * (state - new) * update * (1 - update)
    dnew = dnext * (1 - update) * (1 - new**2)  # tanh' = 1 - tanh²
    dreset = dnew * kept * reset * (1 - reset)
    dgiven = np.concatenate([dreset, dupdate, dnew], axis=1)
    dkept = np.concatenate([dreset, dupdate, dnew * reset], axis=1)
    return dgiven, dkept, dnext * update


def lstm_step(params, given, state):
    """The next state of an LSTM, (h, s), and what led to it.

    Args:
        given: x W + b of the row, (n, 256).
        state: h and s, (n, 64) each.
    """
    state, memory = state
    gates = given + dense(params, "recurrent", state)
    gate_i, gate_f, gate_m, gate_o = np.split(gates, 4, axis=1)
    enter, forget = sigmoid(gate_i), sigmoid(gate_f)
    new, leave = np.tanh(gate_m), sigmoid(gate_o)
    memory = forget * memory + enter * new
    shown = np.tanh(memory)
    return (leave * shown, memory), (enter, forget, new, leave, shown)


def lstm_step_back(state, step, dnext, dmemory):
    """From the gradients in the next h and s to those in the gates and s."""
    enter, forget, new, leave, shown = step
    _, memory = state
    dmemory = dmemory + dnext * leave * (1 - shown**2)  # tanh' = 1 - tanh²
    dgates = [
        dmemory * new * enter * (1 - enter),
        dmemory * memory * forget * (1 - forget),
        dmemory * enter * (1 - new**2),
        dnext * shown * leave * (1 - leave),
    ]
    return np.concatenate(dgates, axis=1), dmemory * forget


def rows(images, shape):
    """Pictures as sequences of their rows: (rows, n, columns * channels)."""
    height, width, channels = shape
    return images.reshape(-1, height, width * channels).swapaxes(0, 1)
