"""mindspore.set_seed also seeds NumPy's global generator; torch.manual_seed and a JAX key do not.

JAX has no global seed at all: a key is a value that is handed to each draw. None of the three
reaches a generator of np.random.default_rng, which has its own state.
"""

TOPIC = "randomness"
WHY = "Data made with np.random repeats after one framework's seed and not after another's."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.manual_seed.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.random.key.html",
    "https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.set_seed.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch

    kept, draws, others = np.random.get_state(), [], []
    with torch.random.fork_rng(devices=[]):
        for _ in range(2):
            torch.manual_seed(0)
            draws.append(np.random.random())
            others.append(np.random.default_rng().random())
    np.random.set_state(kept)
    seeded = np.random.RandomState(0).random()
    return {
        "np.random repeats": draws[0] == draws[1],
        "as after np.random.seed(0)": draws[1] == seeded,
        "default_rng() repeats": others[0] == others[1],
    }


def jax():
    import jax
    import numpy as np

    kept, draws, others = np.random.get_state(), [], []
    for _ in range(2):
        jax.random.key(0)  # changes nothing anywhere: there is no state
        draws.append(np.random.random())
        others.append(np.random.default_rng().random())
    np.random.set_state(kept)
    seeded = np.random.RandomState(0).random()
    return {
        "np.random repeats": draws[0] == draws[1],
        "as after np.random.seed(0)": draws[1] == seeded,
        "default_rng() repeats": others[0] == others[1],
    }


def mindspore():
    import mindspore
    import numpy as np

    kept, draws, others = np.random.get_state(), [], []
    for _ in range(2):
        mindspore.set_seed(0)
        draws.append(np.random.random())
        others.append(np.random.default_rng().random())
    np.random.set_state(kept)
    seeded = np.random.RandomState(0).random()
    return {
        "np.random repeats": draws[0] == draws[1],
        "as after np.random.seed(0)": draws[1] == seeded,
        "default_rng() repeats": others[0] == others[1],
    }


CLAIM = {
    "torch": {
        "np.random repeats": False,
        "as after np.random.seed(0)": False,
        "default_rng() repeats": False,
    },
    "jax": {
        "np.random repeats": False,
        "as after np.random.seed(0)": False,
        "default_rng() repeats": False,
    },
    "mindspore": {
        "np.random repeats": True,
        "as after np.random.seed(0)": True,
        "default_rng() repeats": False,
    },
}
