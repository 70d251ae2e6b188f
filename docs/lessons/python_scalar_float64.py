"""0.1 times a float64 tensor is 0.1 in torch and JAX, and 0.1 rounded to float32 in MindSpore.

The result is float64 all the same. Divided by 10, or times a float64 tensor, it is right. In JAX
there is float64 only while x64 is on: else the array is float32, with a warning.
"""

TOPIC = "types"
WHY = "A float64 step of 0.1 * gradient is off by 1.5e-8 of itself: no reference for the others."
SEE = (
    "https://docs.pytorch.org/docs/stable/tensor_attributes.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.enable_x64.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.mul.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch

    asked = torch.ones(1, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    tenth = torch.tensor([0.1], dtype=torch.float64)
    product = (0.1 * one).numpy()
    return {
        "float64 asked for is": asked.numpy().dtype.name,
        "0.1 * one: dtype": product.dtype.name,
        "0.1 * one is 0.1": product.item() == 0.1,
        "it is 0.1 of float32": product.item() == float(np.float32(0.1)),
        "one / 10 is 0.1": (one / 10).item() == 0.1,
        "tensor 0.1 * one is 0.1": (tenth * one).item() == 0.1,
    }


def jax():
    import jax.numpy as jnp
    import numpy as np

    try:
        from jax import enable_x64
    except ImportError:  # before 0.8
        from jax.experimental import enable_x64

    asked = jnp.ones(1, dtype=jnp.float64)
    with enable_x64():
        one = jnp.ones(1, dtype=jnp.float64)
        tenth = jnp.array([0.1], dtype=jnp.float64)
        product = np.asarray(0.1 * one)
        return {
            "float64 asked for is": asked.dtype.name,
            "0.1 * one: dtype": product.dtype.name,
            "0.1 * one is 0.1": product.item() == 0.1,
            "it is 0.1 of float32": product.item() == float(np.float32(0.1)),
            "one / 10 is 0.1": (one / 10).item() == 0.1,
            "tensor 0.1 * one is 0.1": (tenth * one).item() == 0.1,
        }


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import ops

    asked = ops.ones(1, dtype=mindspore.float64)
    one = ops.ones(1, dtype=mindspore.float64)
    tenth = mindspore.Tensor([0.1], dtype=mindspore.float64)
    product = (0.1 * one).asnumpy()
    return {
        "float64 asked for is": asked.asnumpy().dtype.name,
        "0.1 * one: dtype": product.dtype.name,
        "0.1 * one is 0.1": product.item() == 0.1,
        "it is 0.1 of float32": product.item() == float(np.float32(0.1)),
        "one / 10 is 0.1": (one / 10).item() == 0.1,
        "tensor 0.1 * one is 0.1": (tenth * one).item() == 0.1,
    }


CLAIM = {
    "torch": {
        "float64 asked for is": "float64",
        "0.1 * one: dtype": "float64",
        "0.1 * one is 0.1": True,
        "it is 0.1 of float32": False,
        "one / 10 is 0.1": True,
        "tensor 0.1 * one is 0.1": True,
    },
    "jax": {
        "float64 asked for is": "float32",
        "0.1 * one: dtype": "float64",
        "0.1 * one is 0.1": True,
        "it is 0.1 of float32": False,
        "one / 10 is 0.1": True,
        "tensor 0.1 * one is 0.1": True,
    },
    "mindspore": {
        "float64 asked for is": "float64",
        "0.1 * one: dtype": "float64",
        "0.1 * one is 0.1": False,
        "it is 0.1 of float32": True,
        "one / 10 is 0.1": True,
        "tensor 0.1 * one is 0.1": True,
    },
}
