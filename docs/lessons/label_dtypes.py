"""uint8 labels suit torch and optax, not MindSpore; int32 suits optax and MindSpore, not torch.

int64 suits all three, though JAX makes int32 of it unless x64 is on. MindSpore is asked with both
ops.cross_entropy and nn.SoftmaxCrossEntropyWithLogits(sparse=True).
"""

TOPIC = "types"
WHY = "The files of Fashion-MNIST have uint8 labels: they need a cast here and none there."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch
    from torch.nn.functional import cross_entropy

    logits, taken, errors = torch.zeros(3, 2), [], set()
    for name in ("uint8", "int8", "int16", "int32", "int64", "float32"):
        labels = torch.tensor(np.array([0, 1, 1], dtype=name))
        try:
            cross_entropy(logits, labels).item()
            taken.append(name)
        except Exception as error:
            errors.add(type(error).__name__)
    plain = torch.tensor(np.array([0, 1, 1], dtype="int64"))
    return {
        "taken": taken,
        "the others": sorted(errors),
        "int64 becomes": plain.numpy().dtype.name,
    }


def jax():
    import jax.numpy as jnp
    import numpy as np
    from optax import softmax_cross_entropy_with_integer_labels as each

    logits, taken, errors = jnp.zeros((3, 2)), [], set()
    for name in ("uint8", "int8", "int16", "int32", "int64", "float32"):
        labels = jnp.array(np.array([0, 1, 1], dtype=name))
        try:
            each(logits, labels).mean().item()
            taken.append(name)
        except Exception as error:
            errors.add(type(error).__name__)
    plain = jnp.array(np.array([0, 1, 1], dtype="int64"))
    return {
        "taken": taken,
        "the others": sorted(errors),
        "int64 becomes": plain.dtype.name,
    }


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import nn, ops

    sparse = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
    logits, taken, errors = ops.zeros((3, 2)), [], set()
    for name in ("uint8", "int8", "int16", "int32", "int64", "float32"):
        labels = mindspore.Tensor(np.array([0, 1, 1], dtype=name))
        try:
            ops.cross_entropy(logits, labels).item()
            sparse(logits, labels).item()
            taken.append(name)
        except Exception as error:
            errors.add(type(error).__name__)
    plain = mindspore.Tensor(np.array([0, 1, 1], dtype="int64"))
    return {
        "taken": taken,
        "the others": sorted(errors),
        "int64 becomes": plain.asnumpy().dtype.name,
    }


CLAIM = {
    "torch": {
        "taken": ["uint8", "int64"],
        "the others": ["RuntimeError"],
        "int64 becomes": "int64",
    },
    "jax": {
        "taken": ["uint8", "int8", "int16", "int32", "int64"],
        "the others": ["TypeError"],
        "int64 becomes": "int32",
    },
    "mindspore": {
        "taken": ["int32", "int64"],
        "the others": ["TypeError", "ValueError"],
        "int64 becomes": "int64",
    },
}
