"""In torch and MindSpore average pooling counts padded zeros unless told; MindSpore's SAME never.

count_include_pad=False divides by the number of pixels instead. JAX has sums over windows only:
what to divide by is written down, and reduce_window pads with zeros.
"""

TOPIC = "model"
WHY = "At the rim the averages are too small by up to 5/9, which no shape and no middle shows."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.lax.reduce_window.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.AvgPool2d.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn import AvgPool2d

    ones = torch.ones(1, 1, 4, 4)
    counted = AvgPool2d(3, stride=2, padding=1)
    left_out = AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
    return {
        "upper row, padding 1": counted(ones)[0, 0, 0].tolist(),
        "upper row, padding not counted": left_out(ones)[0, 0, 0].tolist(),
        "lower row, SAME": None,  # torch has none
    }


def jax():
    import jax.numpy as jnp
    from jax import lax

    def sums(values, padding):
        return lax.reduce_window(values, 0.0, lax.add, (1, 1, 3, 3), (1, 1, 2, 2), padding)

    ones, around = jnp.ones((1, 1, 4, 4)), ((0, 0), (0, 0), (1, 1), (1, 1))
    counted = sums(ones, around) / 9
    left_out = sums(ones, around) / sums(jnp.ones_like(ones), around)
    return {
        "upper row, padding 1": counted[0, 0, 0].tolist(),
        "upper row, padding not counted": left_out[0, 0, 0].tolist(),
        "lower row, SAME": (sums(ones, "SAME") / 9)[0, 0, 1].tolist(),
    }


def mindspore():
    from mindspore import ops
    from mindspore.nn import AvgPool2d

    ones = ops.ones((1, 1, 4, 4))
    counted = AvgPool2d(3, stride=2, pad_mode="pad", padding=1)
    left_out = AvgPool2d(3, stride=2, pad_mode="pad", padding=1, count_include_pad=False)
    same = AvgPool2d(3, stride=2, pad_mode="same")
    return {
        "upper row, padding 1": counted(ones)[0, 0, 0].asnumpy().tolist(),
        "upper row, padding not counted": left_out(ones)[0, 0, 0].asnumpy().tolist(),
        "lower row, SAME": same(ones)[0, 0, 1].asnumpy().tolist(),
    }


CLAIM = {
    "torch": {
        "upper row, padding 1": [0.44444, 0.66667],
        "upper row, padding not counted": [1.0, 1.0],
        "lower row, SAME": None,
    },
    "jax": {
        "upper row, padding 1": [0.44444, 0.66667],
        "upper row, padding not counted": [1.0, 1.0],
        "lower row, SAME": [0.66667, 0.44444],
    },
    "mindspore": {
        "upper row, padding 1": [0.44444, 0.66667],
        "upper row, padding not counted": [1.0, 1.0],
        "lower row, SAME": [1.0, 1.0],
    },
}
