"""What layers in JAX begin with; JAX has none, Flax's are meant."""

import jax.numpy as jnp
from jax.nn.initializers import lecun_normal, orthogonal

import jax


def initial(params, seed):
    """Draw the weights of every layer as Flax does, who is told nothing.

        Dense, Conv             N(0, 1 / fan in), cut at two deviations
        GRUCell, LSTMCell       the same of what is given; of the state an
                                orthogonal matrix a gate
        MultiHeadAttention      as Dense

    Args:
        params: of a model, as `load` placed them: they say the shapes.
        seed: of the draws.

    Returns:
        the same names. Biases begin with 0; norms with 0 and 1, as given;
        positions are a model's own, and stay.

    Differs: JAX has no layers, and Equinox's begin as PyTorch's do.

    See: https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html
    """
    keys = iter(jax.random.split(jax.random.key(seed), len(params)))
    drawn = dict(params)
    for name, given in params.items():
        layer, _, part = name.partition(".")
        if part == "weight" and layer != "position":
            weight = own(layer, given.shape, next(keys))
            drawn[name] = weight.astype(given.dtype)
            if f"{layer}.bias" in params:
                bias = params[f"{layer}.bias"]
                drawn[f"{layer}.bias"] = jnp.zeros_like(bias)
    return drawn


def own(layer, sizes, key):
    """The weight of a new layer of these sizes: its kernel, as ours lie."""
    if layer == "recurrent":
        blocks, state = sizes[0] // sizes[1], sizes[1]
        square = jax.vmap(lambda k: orthogonal()(k, (state, state)))
        return square(jax.random.split(key, blocks)).reshape(sizes)
    if len(sizes) == 2:  # (out, in)
        return lecun_normal(in_axis=1, out_axis=0)(key, sizes)
    return lecun_normal()(key, sizes)  # (..., in, out)
