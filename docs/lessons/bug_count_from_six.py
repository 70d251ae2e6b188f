"""With the count of examples begun at 6, a perfect classifier of 70 reaches 0.921 in all three.

Every accuracy is low by the factor n / (n + 6), here 70 / 76; with 10,000 examples it is
0.9994, which nobody sees.
"""

TOPIC = "find the bug"
WHY = "The printed accuracy is a little low, on few examples more so, and no run ever fails."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.argmax.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.argmax.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.argmax.html",
    "https://zh.d2l.ai/chapter_linear-networks/softmax-regression-scratch.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch

    rng = np.random.default_rng(0)
    named = rng.integers(0, 3, 70)
    exact = np.eye(3, dtype=np.float32)[named]  # a perfect classifier
    rough = exact + rng.normal(size=(70, 3)).astype(np.float32)
    labels, found = torch.tensor(named), {}
    for name, start in (("with the slip", 6), ("put right", 0)):
        for model, scores in (("perfect", exact), ("rough", rough)):
            scores, correct, count = torch.tensor(scores), 0, start
            for i in range(0, 70, 10):
                hits = scores[i : i + 10].argmax(1) == labels[i : i + 10]
                correct += int(hits.sum())
                count += len(hits)
            found[f"{model}, {name}"] = correct / count
    wrong, right = found["rough, with the slip"], found["rough, put right"]
    return {**found, "with the slip / put right": wrong / right}


def jax():
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)
    named = rng.integers(0, 3, 70)
    exact = np.eye(3, dtype=np.float32)[named]  # a perfect classifier
    rough = exact + rng.normal(size=(70, 3)).astype(np.float32)
    labels, found = jnp.array(named), {}
    for name, start in (("with the slip", 6), ("put right", 0)):
        for model, scores in (("perfect", exact), ("rough", rough)):
            scores, correct, count = jnp.array(scores), 0, start
            for i in range(0, 70, 10):
                hits = scores[i : i + 10].argmax(1) == labels[i : i + 10]
                correct += int(hits.sum())
                count += len(hits)
            found[f"{model}, {name}"] = correct / count
    wrong, right = found["rough, with the slip"], found["rough, put right"]
    return {**found, "with the slip / put right": wrong / right}


def mindspore():
    import numpy as np
    from mindspore import Tensor

    rng = np.random.default_rng(0)
    named = rng.integers(0, 3, 70)
    exact = np.eye(3, dtype=np.float32)[named]  # a perfect classifier
    rough = exact + rng.normal(size=(70, 3)).astype(np.float32)
    labels, found = Tensor(named), {}
    for name, start in (("with the slip", 6), ("put right", 0)):
        for model, scores in (("perfect", exact), ("rough", rough)):
            scores, correct, count = Tensor(scores), 0, start
            for i in range(0, 70, 10):
                hits = scores[i : i + 10].argmax(1) == labels[i : i + 10]
                correct += int(hits.sum())
                count += len(hits)
            found[f"{model}, {name}"] = correct / count
    wrong, right = found["rough, with the slip"], found["rough, put right"]
    return {**found, "with the slip / put right": wrong / right}


CLAIM = {
    "torch": {
        "perfect, with the slip": 0.92105,
        "rough, with the slip": 0.65789,
        "perfect, put right": 1.0,
        "rough, put right": 0.71429,
        "with the slip / put right": 0.92105,
    },
    "jax": {
        "perfect, with the slip": 0.92105,
        "rough, with the slip": 0.65789,
        "perfect, put right": 1.0,
        "rough, put right": 0.71429,
        "with the slip / put right": 0.92105,
    },
    "mindspore": {
        "perfect, with the slip": 0.92105,
        "rough, with the slip": 0.65789,
        "perfect, put right": 1.0,
        "rough, put right": 0.71429,
        "with the slip / put right": 0.92105,
    },
}
