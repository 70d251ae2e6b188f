"""Models: parameters in, a forward function out, in JAX."""

import jax.numpy as jnp
from common.contract.axes import from_layout, to_layout

import jax
import numpy as np

from .data import to_array, to_tensor
from .layers import dense

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
        name: placed(arrays[name], param) for name, param in params.items()
    }


def placed(array, other):
    """An array as another is: its dtype, and where it is, in all processes.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.make_array_from_process_local_data.html
    """
    return jax.make_array_from_process_local_data(
        other.sharding, np.asarray(array, other.dtype)
    )


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

    See: Dive into Deep Learning, 3.2.4.
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
