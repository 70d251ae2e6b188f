"""Models: parameters in, a forward function out, in MindSpore."""

from collections import OrderedDict

from common.contract.axes import from_layout, to_layout

import mindspore
from mindspore import Parameter, nn, ops

from .data import to_array, to_tensor
from .layers import bind

#: A tensor's axes in the neutral order, and the order it is held in here.
LAYOUT = {
    ("in", "out"): ("out", "in"),  # nn.Dense
    ("length", "in", "out"): ("out", "in", "length"),  # nn.Conv1d
    ("height", "width", "in", "out"): ("out", "in", "height", "width"),
    # nn.Dense after nn.Flatten: channels are a picture's first axis.
    ("rows", "columns", "in", "out"): ("out", ("in", "rows", "columns")),
}


def load(arrays, axes, device):
    """Place the initial values, every tensor in the order LAYOUT says.

    Args:
        arrays: the values, under neutral names, their axes in neutral order.
        axes: parameter -> axis -> size; what has none stays as it is.
        device: "cpu".

    Returns:
        params, under the same names.

    Differs: every Parameter has a name, and contiguous memory: a transposed
    view would never be trained.
    """
    arrays = to_layout(arrays, axes, LAYOUT)
    return {
        name: Parameter(to_tensor(array, device), name=name)
        for name, array in arrays.items()
    }


def assign(params, arrays, axes):
    """Set the parameters' values, in the memory they already have.

    Differs: `Parameter.set_data` would not be seen by a compiled function.
    """
    arrays = to_layout(arrays, axes, LAYOUT)
    for name, param in params.items():
        ops.assign(param, to_tensor(arrays[name], "cpu"))
    return params


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
        weight, bias = params["output.weight"], params["output.bias"]
        return ops.matmul(images, weight.T) + bias

    return forward


def linear_concise(params):
    """Linear regression with `nn.Dense`: y = X W + b.

    Returns:
        forward(params, images) -> (n, 1).

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Dense.html
    """
    outputs, features = params["output.weight"].shape
    net = nn.SequentialCell(OrderedDict(output=nn.Dense(features, outputs)))
    return bind(net, params)


def softmax_scratch(params):
    """Softmax regression from scratch: O = X W + b; the softmax is the loss's.

    Args:
        params: output.weight (10, features), output.bias (10,).

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Dive into Deep Learning, 3.6.3.
    """

    def forward(params, images):
        weight, bias = params["output.weight"], params["output.bias"]
        return ops.matmul(images, weight.T) + bias

    return forward


def softmax_concise(params):
    """Softmax regression with `nn.Dense`: a dense layer.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Dense.html
    """
    outputs, features = params["output.weight"].shape
    net = nn.SequentialCell(OrderedDict(output=nn.Dense(features, outputs)))
    return bind(net, params)


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
        weight, bias = params["hidden.weight"], params["hidden.bias"]
        hidden = ops.matmul(images, weight.T) + bias
        hidden = ops.where(hidden > 0, hidden, ops.zeros_like(hidden))
        weight, bias = params["output.weight"], params["output.bias"]
        return ops.matmul(hidden, weight.T) + bias

    return forward


def mlp_concise(params):
    """Two layers with `nn`: Dense, ReLU, Dense.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.ReLU.html
    """
    hidden, features = params["hidden.weight"].shape
    outputs = len(params["output.bias"])
    net = nn.SequentialCell(
        OrderedDict(
            hidden=nn.Dense(features, hidden),
            relu=nn.ReLU(),
            output=nn.Dense(hidden, outputs),
        )
    )
    return bind(net, params)


def backward(forward):
    """Pull a gradient back from the logits to every parameter.

    Args:
        forward: from one of the functions above.

    Returns:
        (params, images, dlogits) -> grads, named and shaped as the params.

    Differs: gradients of Parameters want a scalar; Σ logits * dlogits has
    the derivative dlogits in the logits.

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.grad.html
    """

    def pull_back(params, images, dlogits):
        def weighted(images, dlogits):
            return (forward(params, images) * dlogits).sum()

        weights = tuple(params.values())
        differentiate = mindspore.grad(weighted, None, weights)
        grads = differentiate(images, dlogits)
        return {n: g for n, g in zip(params.keys(), grads)}

    return pull_back
