"""torch's and MindSpore's GRU reset what the weights made of the state; the textbook, the state.

With weights that swap the two units, a state (1, 2) and a gate open for the first unit only, the
one takes in what comes from unit 2 and the other what is left of unit 1. JAX has no GRU layer:
here it is written as the textbook has it.
"""

TOPIC = "model"
WHY = "Weights trained in the one form give another function in the other, however copied."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html",
    "https://zh.d2l.ai/chapter_recurrent-modern/gru.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.GRUCell.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    layer = torch.nn.GRUCell(2, 2)
    for weight in layer.parameters():
        torch.nn.init.zeros_(weight)
    # Rows: reset (open for unit 1), update (shut: all is new), candidate.
    layer.bias_ih.data[:4] = torch.tensor([20.0, -20.0, -20.0, -20.0])
    layer.weight_hh.data[4:] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    state = layer(torch.zeros(1, 2), torch.tensor([[1.0, 2.0]]))
    return {"new state": [round(value, 5) for value in state[0].tolist()]}


def jax():
    import jax
    import jax.numpy as jnp

    state = jnp.array([1.0, 2.0])
    swap = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    # Reset (open for unit 1), update (shut: all is new), candidate.
    reset = jax.nn.sigmoid(jnp.array([20.0, -20.0]))
    update = jax.nn.sigmoid(jnp.array([-20.0, -20.0]))
    candidate = jnp.tanh((reset * state) @ swap)
    state = update * state + (1 - update) * candidate
    return {"new state": [round(value, 5) for value in state.tolist()]}


def mindspore():
    import numpy as np
    from mindspore import Tensor, nn, ops

    layer = nn.GRUCell(2, 2)
    for weight in layer.get_parameters():
        ops.assign(weight, ops.zeros(weight.shape))
    # Rows: reset (open for unit 1), update (shut: all is new), candidate.
    ops.assign(layer.bias_ih, Tensor([20.0, -20.0, -20.0, -20.0, 0.0, 0.0]))
    swap = np.concatenate([np.zeros((4, 2)), [[0, 1], [1, 0]]]).astype(np.float32)
    ops.assign(layer.weight_hh, Tensor(swap))
    state = layer(ops.zeros((1, 2)), Tensor([[1.0, 2.0]]))
    return {"new state": [round(value, 5) for value in state[0].asnumpy().tolist()]}


CLAIM = {
    "torch": {"new state": [0.96403, 0.0]},
    "jax": {"new state": [0.0, 0.76159]},
    "mindspore": {"new state": [0.96403, 0.0]},
}
