"""x * (1/255) is not x / 255 in 126 of 256 pixel values; JAX's jit turns the second into the first.

1/255 is rounded before it is multiplied. Divided, all three agree with NumPy to the bit, JAX only
outside jit. torch.compile needs a C++ compiler on a CPU and is left out.
"""

TOPIC = "data"
WHY = "Two pipelines of the same images feed different numbers, and runs drift apart from step 1."
SEE = (
    "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.jit.html",
    "https://www.mindspore.cn/docs/en/master/api_python/dataset_vision/"
    "mindspore.dataset.vision.Rescale.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0", "numpy": "1.26.4"}


def numpy():
    import numpy as np

    pixels = np.arange(256, dtype=np.float32)
    exact = pixels / np.float32(255)

    def quotient(x):
        return x / np.float32(255)

    def product(x):
        return x * np.float32(1 / 255)

    def other(scale):
        return int((scale(pixels) != exact).sum())

    return {"product": other(product), "quotient": other(quotient)}


def torch():
    import numpy as np
    import torch

    pixels = np.arange(256, dtype=np.float32)
    exact = pixels / np.float32(255)

    def quotient(x):
        return x / 255

    def product(x):
        return x * (1 / 255)

    def other(scale):
        scaled = scale(torch.tensor(pixels)).numpy()
        return int((scaled != exact).sum())

    return {"product": other(product), "quotient": other(quotient)}


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np

    pixels = np.arange(256, dtype=np.float32)
    exact = pixels / np.float32(255)

    def quotient(x):
        return x / 255

    def product(x):
        return x * (1 / 255)

    def other(scale):
        scaled = np.asarray(scale(jnp.array(pixels)))
        return int((scaled != exact).sum())

    return {
        "product": other(product),
        "quotient": other(quotient),
        "quotient in jit": other(jax.jit(quotient)),
    }


def mindspore():
    import mindspore
    import numpy as np

    pixels = np.arange(256, dtype=np.float32)
    exact = pixels / np.float32(255)

    def quotient(x):
        return x / 255

    def product(x):
        return x * (1 / 255)

    def other(scale):
        scaled = scale(mindspore.Tensor(pixels)).asnumpy()
        return int((scaled != exact).sum())

    return {
        "product": other(product),
        "quotient": other(quotient),
        "quotient in jit": other(mindspore.jit(quotient)),
    }


CLAIM = {
    "numpy": {"product": 126, "quotient": 0},
    "torch": {"product": 126, "quotient": 0},
    # Outside jit newer versions of JAX multiply too: shown, not claimed.
    "jax": {"product": 126, "quotient in jit": 126},
    "mindspore": {"product": 126, "quotient": 0, "quotient in jit": 0},
}
