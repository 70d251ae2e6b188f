"""Resized to 3 of 8 pixels, "nearest" takes 0, 2, 5 in torch and MindSpore, 1, 4, 6 in JAX.

The first take the pixel under each new one's corner, JAX the one under its centre, which torch
calls "nearest-exact". Cubic, torch's curve has the parameter -0.75 and the others' -0.5, which is
torch's, too, with antialias=True. Here of a line with one pixel of 8.
"""

TOPIC = "data"
WHY = "Masks and label maps move by up to a pixel, and pictures get other values at every edge."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.image.resize.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.interpolate.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn.functional import interpolate

    columns = torch.arange(8.0).reshape(1, 1, 1, 8)
    bright = 8.0 * (columns == 3)
    nearest = interpolate(columns, size=(1, 3), mode="nearest")
    centres = interpolate(columns, size=(1, 3), mode="nearest-exact")
    cubic = interpolate(bright, size=(1, 2), mode="bicubic")
    return {
        "nearest": nearest.flatten().tolist(),
        "by centres": centres.flatten().tolist(),
        "cubic, not blurred": cubic.flatten().tolist(),
    }


def jax():
    import jax
    import jax.numpy as jnp

    columns = jnp.arange(8.0).reshape(1, 8)
    bright = 8.0 * (columns == 3)
    nearest = jax.image.resize(columns, (1, 3), "nearest")
    centres = nearest
    cubic = jax.image.resize(bright, (1, 2), "cubic", antialias=False)
    return {
        "nearest": nearest.ravel().tolist(),
        "by centres": centres.ravel().tolist(),
        "cubic, not blurred": cubic.ravel().tolist(),
    }


def mindspore():
    from mindspore import ops

    columns = ops.arange(8.0).reshape(1, 1, 1, 8)
    bright = 8.0 * (columns == 3).float()
    nearest = ops.interpolate(columns, size=(1, 3), mode="nearest")
    centres = ops.interpolate(columns[:, :, 0], size=3, mode="nearest-exact")
    cubic = ops.interpolate(bright, size=(1, 2), mode="bicubic")
    return {
        "nearest": nearest.flatten().asnumpy().tolist(),
        "by centres": centres.flatten().asnumpy().tolist(),
        "cubic, not blurred": cubic.flatten().asnumpy().tolist(),
    }


CLAIM = {
    "torch": {
        "nearest": [0.0, 2.0, 5.0],
        "by centres": [1.0, 4.0, 6.0],
        "cubic, not blurred": [-0.75, 0.0],
    },
    "jax": {
        "nearest": [1.0, 4.0, 6.0],
        "by centres": [1.0, 4.0, 6.0],
        "cubic, not blurred": [-0.5, 0.0],
    },
    "mindspore": {
        "nearest": [0.0, 2.0, 5.0],
        "by centres": [1.0, 4.0, 6.0],
        "cubic, not blurred": [-0.5, 0.0],
    },
}
