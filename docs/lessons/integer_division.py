"""-7 // 2 is -4 in all; the mean of the integers 1 and 2 is an error in torch and 1 in MindSpore.

torch also refuses to divide an integer by 0; JAX and MindSpore return some number. NumPy differs
from all three: int32 with float32 makes float64, and so does int32 / 2.
"""

TOPIC = "types"
WHY = "An accuracy taken as the mean of hits counted as 0 and 1 is cut down to 0 in MindSpore."
SEE = (
    "https://docs.pytorch.org/docs/stable/tensor_attributes.html",
    "https://docs.jax.dev/en/latest/jep/9407-type-promotion.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.mean.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0", "numpy": "1.26.4"}


def numpy():
    import numpy as np

    whole = np.array([7, -7], dtype=np.int32)
    single = np.ones(2, dtype=np.float32)
    pair = np.array([1, 2], dtype=np.int32)

    def outcome(act):
        try:
            with np.errstate(divide="ignore"):
                return act().tolist()
        except Exception as error:
            return type(error).__name__

    return {
        "/ 2": (whole / 2).tolist(),
        "// 2": (whole // 2).tolist(),
        "dtype of / 2": (whole / 2).dtype.name,
        "dtype of // 2": (whole // 2).dtype.name,
        "dtype with float32": (whole + single).dtype.name,
        "// 0 is refused": outcome(lambda: whole // 0) == "RuntimeError",
        "mean of [1, 2]": outcome(pair.mean),
    }


def torch():
    import torch

    whole = torch.tensor([7, -7], dtype=torch.int32)
    single = torch.ones(2, dtype=torch.float32)
    pair = torch.tensor([1, 2], dtype=torch.int32)

    def outcome(act):
        try:
            return act().tolist()
        except Exception as error:
            return type(error).__name__

    return {
        "/ 2": (whole / 2).tolist(),
        "// 2": (whole // 2).tolist(),
        "dtype of / 2": (whole / 2).numpy().dtype.name,
        "dtype of // 2": (whole // 2).numpy().dtype.name,
        "dtype with float32": (whole + single).numpy().dtype.name,
        "// 0 is refused": outcome(lambda: whole // 0) == "RuntimeError",
        "mean of [1, 2]": outcome(pair.mean),
    }


def jax():
    import jax.numpy as jnp

    whole = jnp.array([7, -7], dtype=jnp.int32)
    single = jnp.ones(2, dtype=jnp.float32)
    pair = jnp.array([1, 2], dtype=jnp.int32)

    def outcome(act):
        try:
            return act().tolist()
        except Exception as error:
            return type(error).__name__

    return {
        "/ 2": (whole / 2).tolist(),
        "// 2": (whole // 2).tolist(),
        "dtype of / 2": (whole / 2).dtype.name,
        "dtype of // 2": (whole // 2).dtype.name,
        "dtype with float32": (whole + single).dtype.name,
        "// 0 is refused": outcome(lambda: whole // 0) == "RuntimeError",
        "mean of [1, 2]": outcome(pair.mean),
    }


def mindspore():
    import mindspore
    from mindspore import ops

    whole = mindspore.Tensor([7, -7], dtype=mindspore.int32)
    single = ops.ones(2, dtype=mindspore.float32)
    pair = mindspore.Tensor([1, 2], dtype=mindspore.int32)

    def outcome(act):
        try:
            return act().tolist()
        except Exception as error:
            return type(error).__name__

    return {
        "/ 2": (whole / 2).tolist(),
        "// 2": (whole // 2).tolist(),
        "dtype of / 2": (whole / 2).asnumpy().dtype.name,
        "dtype of // 2": (whole // 2).asnumpy().dtype.name,
        "dtype with float32": (whole + single).asnumpy().dtype.name,
        "// 0 is refused": outcome(lambda: whole // 0) == "RuntimeError",
        "mean of [1, 2]": outcome(pair.mean),
    }


CLAIM = {
    "numpy": {
        "/ 2": [3.5, -3.5],
        "// 2": [3, -4],
        "dtype of / 2": "float64",
        "dtype of // 2": "int32",
        "dtype with float32": "float64",
        "// 0 is refused": False,
        "mean of [1, 2]": 1.5,
    },
    "torch": {
        "/ 2": [3.5, -3.5],
        "// 2": [3, -4],
        "dtype of / 2": "float32",
        "dtype of // 2": "int32",
        "dtype with float32": "float32",
        "// 0 is refused": True,
        "mean of [1, 2]": "RuntimeError",
    },
    "jax": {
        "/ 2": [3.5, -3.5],
        "// 2": [3, -4],
        "dtype of / 2": "float32",
        "dtype of // 2": "int32",
        "dtype with float32": "float32",
        "// 0 is refused": False,
        "mean of [1, 2]": 1.5,
    },
    "mindspore": {
        "/ 2": [3.5, -3.5],
        "// 2": [3, -4],
        "dtype of / 2": "float32",
        "dtype of // 2": "int32",
        "dtype with float32": "float32",
        "// 0 is refused": False,
        "mean of [1, 2]": 1,
    },
}
