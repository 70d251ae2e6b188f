"""torch's and MindSpore's LSTM stack input, forget, candidate, output gates; others another way.

JAX has an LSTM for GPUs only. Its libraries and its users choose an order: Haiku, as TensorFlow 1
did, has the candidate before the forget gate, and so has the cell written here; ONNX has the output
gate second. All weights are 0 but the bias, whose four blocks are told apart by what they do.
"""

TOPIC = "model"
WHY = "All shapes fit: copied in another order, what to remember decides how much is forgotten."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html",
    "https://dm-haiku.readthedocs.io/en/latest/api.html#lstm",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.LSTMCell.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    def cell(bias):
        layer = torch.nn.LSTMCell(1, 1)
        for weight in layer.parameters():
            torch.nn.init.zeros_(weight)
        layer.bias_ih.data[:] = torch.tensor(bias)
        hidden, memory = layer(torch.zeros(1, 1), (torch.zeros(1, 1), torch.full((1, 1), 2.0)))
        return round(memory.item(), 3), round(hidden.item(), 3)

    # Memory 2 is halved unless the forget gate is open; the candidate adds a half.
    gates = {(2.0, 0.482): "forget", (1.5, 0.453): "candidate", (1.0, 0.762): "output"}
    opened = [cell([20.0 * (block == at) for at in range(4)]) for block in range(4)]
    return {
        "blocks": [gates.get(found, "input") for found in opened],
        "memory, blocks 0, 1, 2, 0": cell([0.0, 1.0, 2.0, 0.0])[0],
    }


def jax():
    import jax
    import jax.numpy as jnp

    def cell(bias):
        memory, sigmoid = jnp.array(2.0), jax.nn.sigmoid
        enter, candidate, forget, output = jnp.array(bias)
        memory = sigmoid(forget) * memory + sigmoid(enter) * jnp.tanh(candidate)
        hidden = sigmoid(output) * jnp.tanh(memory)
        return round(memory.item(), 3), round(hidden.item(), 3)

    # Memory 2 is halved unless the forget gate is open; the candidate adds a half.
    gates = {(2.0, 0.482): "forget", (1.5, 0.453): "candidate", (1.0, 0.762): "output"}
    opened = [cell([20.0 * (block == at) for at in range(4)]) for block in range(4)]
    return {
        "blocks": [gates.get(found, "input") for found in opened],
        "memory, blocks 0, 1, 2, 0": cell([0.0, 1.0, 2.0, 0.0])[0],
    }


def mindspore():
    from mindspore import Tensor, nn, ops

    def cell(bias):
        layer = nn.LSTMCell(1, 1)
        for weight in layer.get_parameters():
            ops.assign(weight, ops.zeros(weight.shape))
        ops.assign(layer.bias_ih, Tensor(bias))
        hidden, memory = layer(ops.zeros((1, 1)), (ops.zeros((1, 1)), Tensor([[2.0]])))
        return round(memory.item(), 3), round(hidden.item(), 3)

    # Memory 2 is halved unless the forget gate is open; the candidate adds a half.
    gates = {(2.0, 0.482): "forget", (1.5, 0.453): "candidate", (1.0, 0.762): "output"}
    opened = [cell([20.0 * (block == at) for at in range(4)]) for block in range(4)]
    return {
        "blocks": [gates.get(found, "input") for found in opened],
        "memory, blocks 0, 1, 2, 0": cell([0.0, 1.0, 2.0, 0.0])[0],
    }


CLAIM = {
    "torch": {
        "blocks": ["input", "forget", "candidate", "output"],
        "memory, blocks 0, 1, 2, 0": 1.944,
    },
    "jax": {
        "blocks": ["input", "candidate", "forget", "output"],
        "memory, blocks 0, 1, 2, 0": 2.142,
    },
    "mindspore": {
        "blocks": ["input", "forget", "candidate", "output"],
        "memory, blocks 0, 1, 2, 0": 1.944,
    },
}
