"""A Parameter set to a transposed Tensor by set_data is never updated by MindSpore's nn.SGD.

No error: its values are right, only it stays as it is. An array that NumPy transposed before it
became a Tensor is trained. PyTorch and JAX train both.
"""

TOPIC = "update"
WHY = "Loading weights that had to be transposed can freeze a layer, and the loss still goes down."
SEE = (
    "https://docs.pytorch.org/docs/stable/tensor_view.html",
    "https://optax.readthedocs.io/en/latest/api/optimizers.html#optax.sgd",
    "https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.Parameter.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch

    array = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    moved = []
    for start in (torch.tensor(array).T, torch.tensor(array.T)):
        weight = torch.nn.Parameter(torch.zeros((2, 2)))
        weight.data = start
        optimizer = torch.optim.SGD([weight], lr=0.5)
        weight.grad = torch.ones((2, 2))
        optimizer.step()
        moved.append(weight.tolist())
    return {"Tensor transposed": moved[0], "array transposed": moved[1]}


def jax():
    import jax.numpy as jnp
    import numpy as np
    import optax

    array = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    moved = []
    for start in (jnp.array(array).T, jnp.array(array.T)):
        weight = start
        optimizer = optax.sgd(0.5)
        state = optimizer.init(weight)
        updates, state = optimizer.update(jnp.ones((2, 2)), state)
        moved.append(optax.apply_updates(weight, updates).tolist())
    return {"Tensor transposed": moved[0], "array transposed": moved[1]}


def mindspore():
    import numpy as np
    from mindspore import Parameter, Tensor, nn, ops

    array = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    moved = []
    for start in (Tensor(array).T, Tensor(array.T)):
        weight = Parameter(ops.zeros((2, 2)), name="weight")
        weight.set_data(start)
        optimizer = nn.SGD([weight], learning_rate=0.5)
        optimizer((ops.ones((2, 2)),))
        moved.append(weight.asnumpy().tolist())
    return {"Tensor transposed": moved[0], "array transposed": moved[1]}


CLAIM = {
    "torch": {
        "Tensor transposed": [[0.5, 2.5], [1.5, 3.5]],
        "array transposed": [[0.5, 2.5], [1.5, 3.5]],
    },
    "jax": {
        "Tensor transposed": [[0.5, 2.5], [1.5, 3.5]],
        "array transposed": [[0.5, 2.5], [1.5, 3.5]],
    },
    "mindspore": {
        "Tensor transposed": [[1.0, 3.0], [2.0, 4.0]],
        "array transposed": [[0.5, 2.5], [1.5, 3.5]],
    },
}
