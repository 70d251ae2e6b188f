"""Models that read a picture row by row, in JAX."""

import jax.numpy as jnp

import jax

from .layers import dense, sigmoid

HIDDEN = 64  # numbers in a state


def gru_scratch(params, shape):
    """A GRU from scratch; its last state goes to a dense layer.

        r = σ(x Wᵣ + bᵣ + h Uᵣ + cᵣ)          reset
        z = σ(x W_z + b_z + h U_z + c_z)      update
        m = tanh(x Wₘ + bₘ + r (h Uₘ + cₘ))   new: reset after the product
        h = (1 - z) m + z h, from 0

    Args:
        params: input.weight (192, columns * channels) and input.bias are Wᵀ
            and b, recurrent.weight (192, 64) and recurrent.bias Uᵀ and c:
            reset, update and new, 64 rows each; output.weight (10, 64),
            output.bias (10,).
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: a loop is a scan; laid out in a row, its rows compile for as
    long as there are many of them.

    See: Cho et al., Learning phrase representations using RNN
    encoder-decoder, 2014, 2.3; PyTorch's nn.GRU, which resets after.
    """

    def forward(params, images):
        given = dense(params, "input", rows(images, shape))
        state = jnp.zeros((len(images), HIDDEN), images.dtype)
        return dense(params, "output", gru_read(params, given, state))

    return forward


def gru_concise(params, shape):
    """A GRU with `lax.scan` and `jax.nn`.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: JAX itself has no recurrent layers; a layer is this function.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html
    """

    def forward(params, images):
        given = dense(params, "input", rows(images, shape))
        state = jnp.zeros((len(images), HIDDEN), images.dtype)
        return dense(params, "output", gru_layer(params, given, state))

    return forward


def lstm_scratch(params, shape):
    """An LSTM from scratch; its last state goes to a dense layer.

        i = σ(x Wᵢ + bᵢ + h Uᵢ + cᵢ)        input
        f = σ(x W_f + b_f + h U_f + c_f)    forget
        m = tanh(x Wₘ + bₘ + h Uₘ + cₘ)     new
        o = σ(x Wₒ + bₒ + h Uₒ + cₒ)        output
        s = f s + i m, h = o tanh(s), both from 0

    Args:
        params: input.weight (256, columns * channels) and input.bias are Wᵀ
            and b, recurrent.weight (256, 64) and recurrent.bias Uᵀ and c:
            input, forget, new and output, 64 rows each; output.weight
            (10, 64), output.bias (10,).
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Hochreiter and Schmidhuber, Long short-term memory, 1997; with a
    forget gate: Gers et al., 2000; the order is that of PyTorch's nn.LSTM.
    """

    def forward(params, images):
        given = dense(params, "input", rows(images, shape))
        state = jnp.zeros((len(images), HIDDEN), images.dtype)
        return dense(params, "output", lstm_read(params, given, state))

    return forward


def lstm_concise(params, shape):
    """An LSTM with `lax.scan` and `jax.nn`.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: JAX itself has no recurrent layers; a layer is this function.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html
    """

    def forward(params, images):
        given = dense(params, "input", rows(images, shape))
        state = jnp.zeros((len(images), HIDDEN), images.dtype)
        return dense(params, "output", lstm_layer(params, given, state))

    return forward


@jax.jit
def gru_read(params, given, state):
    """The last state of a GRU, from what the rows give, (rows, n, 192).

    Differs: op by op a scan is compiled, too, and when it is differentiated
    anew in each call, unless it is in a compiled function.
    """

    def step(state, given):
        kept = dense(params, "recurrent", state)  # h U + c
        kept_r, kept_z, kept_m = jnp.split(kept, 3, axis=1)
        given_r, given_z, given_m = jnp.split(given, 3, axis=1)
        reset = sigmoid(given_r + kept_r)
        update = sigmoid(given_z + kept_z)
        new = jnp.tanh(given_m + reset * kept_m)
        return (1 - update) * new + update * state, None

    return jax.lax.scan(step, state, given)[0]


@jax.jit
def gru_layer(params, given, state):
    """The same as `gru_read`, by `jax.nn`; two gates are one sigmoid.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.nn.sigmoid.html
    """

    def step(state, given):
        kept = dense(params, "recurrent", state)
        gates = jax.nn.sigmoid((given + kept)[:, : 2 * HIDDEN])
        reset, update = jnp.split(gates, 2, axis=1)
        new = given[:, 2 * HIDDEN :] + reset * kept[:, 2 * HIDDEN :]
        return (1 - update) * jnp.tanh(new) + update * state, None

    return jax.lax.scan(step, state, given)[0]


@jax.jit
def lstm_read(params, given, state):
    """The last state of an LSTM, from what the rows give, (rows, n, 256)."""

    def step(carry, given):
        state, memory = carry
        gates = given + dense(params, "recurrent", state)
        gate_i, gate_f, gate_m, gate_o = jnp.split(gates, 4, axis=1)
        enter, forget = sigmoid(gate_i), sigmoid(gate_f)
        new, leave = jnp.tanh(gate_m), sigmoid(gate_o)
        memory = forget * memory + enter * new
        return (leave * jnp.tanh(memory), memory), None

    (state, _), _ = jax.lax.scan(step, (state, state), given)
    return state


@jax.jit
def lstm_layer(params, given, state):
    """The same as `lstm_read`, by `jax.nn`."""

    def step(carry, given):
        state, memory = carry
        gates = given + dense(params, "recurrent", state)
        enter, forget, new, leave = jnp.split(gates, 4, axis=1)
        memory = jax.nn.sigmoid(forget) * memory
        memory += jax.nn.sigmoid(enter) * jax.nn.tanh(new)
        state = jax.nn.sigmoid(leave) * jax.nn.tanh(memory)
        return (state, memory), None

    (state, _), _ = jax.lax.scan(step, (state, state), given)
    return state


def rows(images, shape):
    """Pictures as sequences of their rows: (rows, n, columns * channels)."""
    height, width, channels = shape
    return images.reshape(-1, height, width * channels).swapaxes(0, 1)
