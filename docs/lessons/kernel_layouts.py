"""torch and MindSpore hold kernels as (out, in, h, w), JAX's libraries as (h, w, in, out).

The latter is the order of Flax, Haiku and Keras, and the one that JAX's initialisers expect;
lax.conv takes the former, or any that is named. Here a kernel (3, 3, in 3, out 3) of 0 to 80 meets
one patch of 0 to 26: once transposed, once taken as it is.
"""

TOPIC = "model"
WHY = "A kernel with equal sides fits untransposed, without an error, and sums the wrong weights."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Conv2d.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    layer = torch.nn.Conv2d(1, 6, 5)
    kernel = torch.arange(81.0).reshape(3, 3, 3, 3)
    picture = torch.arange(27.0).reshape(1, 3, 3, 3)
    turned = torch.nn.functional.conv2d(picture, kernel.permute(3, 2, 0, 1))
    straight = torch.nn.functional.conv2d(picture, kernel)
    return {
        "5 × 5 kernel from 1 to 6": list(layer.weight.shape),
        "transposed": turned.flatten().tolist(),
        "as it is": straight.flatten().tolist(),
    }


def jax():
    import jax
    import jax.numpy as jnp
    from jax import lax

    kernel = jax.nn.initializers.lecun_normal()(jax.random.key(0), (5, 5, 1, 6))
    usual = kernel.shape
    kernel = jnp.arange(81.0).reshape(3, 3, 3, 3)
    picture = jnp.arange(27.0).reshape(1, 3, 3, 3)
    last = ("NHWC", "HWIO", "NHWC")
    turned = lax.conv_general_dilated(
        picture.transpose(0, 2, 3, 1), kernel, (1, 1), "VALID", dimension_numbers=last
    )
    straight = lax.conv_general_dilated(picture, kernel, (1, 1), "VALID")
    return {
        "5 × 5 kernel from 1 to 6": list(usual),
        "transposed": turned.ravel().tolist(),
        "as it is": straight.ravel().tolist(),
    }


def mindspore():
    import numpy as np
    from mindspore import Tensor, nn, ops

    layer = nn.Conv2d(1, 6, 5)
    kernel = np.arange(81, dtype=np.float32).reshape(3, 3, 3, 3)
    picture = ops.arange(27.0).reshape(1, 3, 3, 3)
    turned = ops.conv2d(picture, Tensor(kernel.transpose(3, 2, 0, 1).copy()))
    straight = ops.conv2d(picture, Tensor(kernel))
    return {
        "5 × 5 kernel from 1 to 6": list(layer.weight.shape),
        "transposed": turned.flatten().asnumpy().tolist(),
        "as it is": straight.flatten().asnumpy().tolist(),
    }


CLAIM = {
    "torch": {
        "5 × 5 kernel from 1 to 6": [6, 1, 5, 5],
        "transposed": [15795.0, 16146.0, 16497.0],
        "as it is": [6201.0, 15678.0, 25155.0],
    },
    "jax": {
        "5 × 5 kernel from 1 to 6": [5, 5, 1, 6],
        "transposed": [15795.0, 16146.0, 16497.0],
        "as it is": [6201.0, 15678.0, 25155.0],
    },
    "mindspore": {
        "5 × 5 kernel from 1 to 6": [6, 1, 5, 5],
        "transposed": [15795.0, 16146.0, 16497.0],
        "as it is": [6201.0, 15678.0, 25155.0],
    },
}
