"""With stride 2 on an even width, SAME starts a pixel further right than padding=1.

SAME adds only what is needed, an odd pixel on the right and below; on an odd width both agree.
torch refuses padding="same" with a stride: it is padded by hand. In MindSpore it is the default.
"""

TOPIC = "model"
WHY = "A strided network ported from SAME has the right shapes and reads other pixels."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Conv2d.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn import functional

    # Of each 3 × 3 window, the pixel in its middle; each pixel holds its column.
    middle = torch.zeros(1, 1, 3, 3)
    middle[..., 1, 1] = 1

    def columns(width, *pads):
        picture = functional.pad(torch.arange(float(width)).repeat(1, 1, width, 1), pads)
        return functional.conv2d(picture, middle, stride=2)[0, 0, 1].tolist()

    refused = False
    try:
        torch.nn.Conv2d(1, 1, 3, stride=2, padding="same")
    except ValueError:
        refused = True
    return {
        "SAME is refused": refused,
        "of 8 columns, SAME": columns(8, 0, 1, 0, 1),
        "of 8 columns, padding 1": columns(8, 1, 1, 1, 1),
        "of 7 columns, SAME": columns(7, 1, 1, 1, 1),
        "of 7 columns, padding 1": columns(7, 1, 1, 1, 1),
    }


def jax():
    import jax.numpy as jnp
    from jax import lax

    # Of each 3 × 3 window, the pixel in its middle; each pixel holds its column.
    middle = jnp.zeros((1, 1, 3, 3)).at[..., 1, 1].set(1)

    def columns(width, padding):
        picture = jnp.tile(jnp.arange(float(width)), (1, 1, width, 1))
        return lax.conv_general_dilated(picture, middle, (2, 2), padding)[0, 0, 1].tolist()

    refused = False
    try:
        columns(8, "SAME")
    except ValueError:
        refused = True
    return {
        "SAME is refused": refused,
        "of 8 columns, SAME": columns(8, "SAME"),
        "of 8 columns, padding 1": columns(8, [(1, 1), (1, 1)]),
        "of 7 columns, SAME": columns(7, "SAME"),
        "of 7 columns, padding 1": columns(7, [(1, 1), (1, 1)]),
    }


def mindspore():
    import numpy as np
    from mindspore import Tensor, nn

    # Of each 3 × 3 window, the pixel in its middle; each pixel holds its column.
    middle = np.zeros((1, 1, 3, 3), np.float32)
    middle[..., 1, 1] = 1

    def columns(width, **padding):
        picture = Tensor(np.tile(np.arange(width, dtype=np.float32), (1, 1, width, 1)))
        layer = nn.Conv2d(1, 1, 3, stride=2, weight_init=Tensor(middle), **padding)
        return layer(picture)[0, 0, 1].asnumpy().tolist()

    refused = False
    try:
        columns(8, pad_mode="same")
    except ValueError:
        refused = True
    return {
        "SAME is refused": refused,
        "of 8 columns, SAME": columns(8),
        "of 8 columns, padding 1": columns(8, pad_mode="pad", padding=1),
        "of 7 columns, SAME": columns(7),
        "of 7 columns, padding 1": columns(7, pad_mode="pad", padding=1),
    }


CLAIM = {
    "torch": {
        "SAME is refused": True,
        "of 8 columns, SAME": [1.0, 3.0, 5.0, 7.0],
        "of 8 columns, padding 1": [0.0, 2.0, 4.0, 6.0],
        "of 7 columns, SAME": [0.0, 2.0, 4.0, 6.0],
        "of 7 columns, padding 1": [0.0, 2.0, 4.0, 6.0],
    },
    "jax": {
        "SAME is refused": False,
        "of 8 columns, SAME": [1.0, 3.0, 5.0, 7.0],
        "of 8 columns, padding 1": [0.0, 2.0, 4.0, 6.0],
        "of 7 columns, SAME": [0.0, 2.0, 4.0, 6.0],
        "of 7 columns, padding 1": [0.0, 2.0, 4.0, 6.0],
    },
    "mindspore": {
        "SAME is refused": False,
        "of 8 columns, SAME": [1.0, 3.0, 5.0, 7.0],
        "of 8 columns, padding 1": [0.0, 2.0, 4.0, 6.0],
        "of 7 columns, SAME": [0.0, 2.0, 4.0, 6.0],
        "of 7 columns, padding 1": [0.0, 2.0, 4.0, 6.0],
    },
}
