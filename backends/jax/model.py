"""Models: parameters in, a forward function out, in JAX."""

import jax.numpy as jnp
from common.contract.axes import from_layout, to_layout

import jax

from .data import to_array, to_tensor

#: A tensor's axes in the neutral order, and the order it is held in here.
LAYOUT = {
    ("in", "out"): ("out", "in"),  # X Wᵀ: quicker than X W for ten columns
    ("length", "in", "out"): ("length", "in", "out"),
    ("height", "width", "in", "out"): ("height", "width", "in", "out"),
    # What takes a flattened picture: channels are its last axis.
    ("rows", "columns", "in", "out"): ("out", ("rows", "columns", "in")),
}


def load(arrays, axes, device):
    """Place the initial values, every tensor in the order LAYOUT says.

    Args:
        arrays: the values, under neutral names, their axes in neutral order.
        axes: parameter -> axis -> size; what has none stays as it is.
        device: "cpu" or "cuda".

    Returns:
        params, under the same names.
    """
    arrays = to_layout(arrays, axes, LAYOUT)
    return {name: to_tensor(array, device) for name, array in arrays.items()}


def assign(params, arrays, axes):
    """Set the parameters' values.

    Differs: arrays are immutable, so the result is a new dict.
    """
    arrays = to_layout(arrays, axes, LAYOUT)
    return {
        name: jax.device_put(arrays[name], param.sharding)
        for name, param in params.items()
    }


def dump(params, axes):
    """Hand the values back: neutral names and order, contiguous."""
    arrays = {name: to_array(param) for name, param in params.items()}
    return from_layout(arrays, axes, LAYOUT)


def linear_scratch(params):
    """Linear regression from scratch: y = X W + b.

    Args:
        params: output.weight (1, features), output.bias (1,).

    Returns:
        forward(params, images) -> (n, 1).

    See: Dive into Deep Learning, 3.2.3.
    """

    def forward(params, images):
        return images @ params["output.weight"].T + params["output.bias"]

    return forward


def linear_concise(params):
    """Linear regression with `jax.numpy`: y = X W + b.

    Returns:
        forward(params, images) -> (n, 1).

    Differs: JAX itself has no layers; a layer is this function.

    See: https://docs.jax.dev/en/latest/jax.numpy.html
    """

    def forward(params, images):
        return dense(params, "output", images)

    return forward


def softmax_scratch(params):
    """Softmax regression from scratch: O = X W + b; the softmax is the loss's.

    Args:
        params: output.weight (10, features), output.bias (10,).

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Dive into Deep Learning, 3.6.3.
    """

    def forward(params, images):
        return images @ params["output.weight"].T + params["output.bias"]

    return forward


def softmax_concise(params):
    """Softmax regression with `jax.numpy`: a dense layer.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: JAX itself has no layers; a layer is this function.

    See: https://docs.jax.dev/en/latest/jax.numpy.html
    """

    def forward(params, images):
        return dense(params, "output", images)

    return forward


def mlp_scratch(params):
    """Two layers from scratch: H = max(X W1 + b1, 0), O = H W2 + b2.

    Args:
        params: hidden.weight (hidden, features), hidden.bias (hidden,),
            output.weight (10, hidden), output.bias (10,).

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Dive into Deep Learning, 4.2.
    """

    def forward(params, images):
        hidden = images @ params["hidden.weight"].T + params["hidden.bias"]
        hidden = jnp.where(hidden > 0, hidden, 0)  # (n, hidden)
        return hidden @ params["output.weight"].T + params["output.bias"]

    return forward


def mlp_concise(params):
    """Two layers with `jax.nn`: dense, ReLU, dense.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: https://docs.jax.dev/en/latest/_autosummary/jax.nn.relu.html
    """

    def forward(params, images):
        hidden = jax.nn.relu(dense(params, "hidden", images))  # (n, hidden)
        return dense(params, "output", hidden)

    return forward


def lenet_scratch(params, shape):
    """LeNet from scratch, as the book has it: sigmoid, pooling by the mean.

        conv1  6 of 5 x 5, padded by 2 -> sigmoid -> mean of 2 x 2
        conv2  16 of 5 x 5             -> sigmoid -> mean of 2 x 2
        dense1 120 -> sigmoid, dense2 84 -> sigmoid, output

    Args:
        params: conv1.weight (5, 5, channels, 6), conv2.weight (5, 5, 6, 16),
            dense1.weight (120, rows * columns * 16), dense2.weight (84, 120),
            output.weight (10, 84), and a bias (out,) of each.
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Dive into Deep Learning, 7.6; LeCun et al., Gradient-based learning
    applied to document recognition, 1998, II.B.
    """

    def forward(params, images):
        images = images.reshape(-1, *shape)
        first = sigmoid(convolved(params, "conv1", images, padding=2))
        second = convolved(params, "conv2", pooled(first), padding=0)
        flat = pooled(sigmoid(second)).reshape(len(images), -1)
        third = sigmoid(dense(params, "dense1", flat))
        fourth = sigmoid(dense(params, "dense2", third))
        return dense(params, "output", fourth)

    return forward


def lenet_concise(params, shape):
    """LeNet with `lax` and `jax.nn`: convolution, window sums, sigmoid.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: pooling is a reduction of windows, the mean their sum by four.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated.html
    """

    def forward(params, images):
        images = images.reshape(-1, *shape)
        first = jax.nn.sigmoid(
            convolution(params, "conv1", images, padding=2)
        )
        second = convolution(params, "conv2", means(first), padding=0)
        flat = means(jax.nn.sigmoid(second)).reshape(len(images), -1)
        third = jax.nn.sigmoid(dense(params, "dense1", flat))
        fourth = jax.nn.sigmoid(dense(params, "dense2", third))
        return dense(params, "output", fourth)

    return forward


def backward(forward):
    """Pull a gradient back from the logits to every parameter.

    Args:
        forward: from one of the functions above.

    Returns:
        (params, images, dlogits) -> grads, named and shaped as the params.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.vjp.html
    """

    def pull_back(params, images, dlogits):
        _, vjp = jax.vjp(lambda params: forward(params, images), params)
        return vjp(dlogits)[0]

    return pull_back


def dense(params, layer, inputs):
    """One dense layer: inputs Wᵀ + b, with W held as (out, in)."""
    weight, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    return jnp.inner(inputs, weight) + bias


def convolved(params, layer, images, padding):
    """Slide a kernel over images (n, height, width, in), edges padded by 0.

    At each place of the window all images are seen at once, shifted; the sum
    over places and channels is one product of matrices.
    """
    kernel, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    around = (padding, padding)
    images = jnp.pad(images, ((0, 0), around, around, (0, 0)))
    height, width, _, outputs = kernel.shape
    rows = images.shape[1] - height + 1
    columns = images.shape[2] - width + 1
    seen = [
        images[:, i : i + rows, j : j + columns]
        for i in range(height)
        for j in range(width)
    ]
    seen = jnp.stack(seen, axis=3)  # (n, rows, columns, places, in)
    seen = seen.reshape(len(images), rows, columns, -1)
    return seen @ kernel.reshape(-1, outputs) + bias


def pooled(images):
    """The mean of each 2 x 2; an odd last row or column is left out."""
    n, height, width, channels = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, : 2 * rows, : 2 * columns]
    images = images.reshape(n, rows, 2, columns, 2, channels)
    return images.mean(axis=(2, 4))


def sigmoid(x):
    """1 / (1 + exp(-x)), as a tanh, which no number makes overflow."""
    return (1 + jnp.tanh(x / 2)) / 2


def convolution(params, layer, images, padding):
    """The same as `convolved`, by `lax`.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated.html
    """
    sums = jax.lax.conv_general_dilated(
        images,
        params[f"{layer}.weight"],
        window_strides=(1, 1),
        padding=[(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return sums + params[f"{layer}.bias"]


def means(images):
    """The same as `pooled`, by `lax`.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.reduce_window.html
    """
    window = (1, 2, 2, 1)
    sums = jax.lax.reduce_window(
        images, 0.0, jax.lax.add, window, window, "VALID"
    )
    return sums / 4
