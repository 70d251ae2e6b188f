"""Models: parameters in, a forward function out, in PyTorch."""

from collections import OrderedDict

from common.contract.axes import from_layout, to_layout
from torch.compiler import is_compiling

import torch
from torch import nn

from .data import to_array, to_tensor
from .layers import bind

#: A tensor's axes in the neutral order, and the order it is held in here.
LAYOUT = {
    ("in", "out"): ("out", "in"),  # nn.Linear
    ("length", "in", "out"): ("out", "in", "length"),  # nn.Conv1d
    ("height", "width", "in", "out"): ("out", "in", "height", "width"),
    # nn.Linear after nn.Flatten: channels are a picture's first axis.
    ("rows", "columns", "in", "out"): ("out", ("in", "rows", "columns")),
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
    """Set the parameters' values, in the memory they already have."""
    arrays = to_layout(arrays, axes, LAYOUT)
    for name, param in params.items():
        param.copy_(to_tensor(arrays[name], param.device))
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
        return images @ params["output.weight"].T + params["output.bias"]

    return forward


def linear_concise(params):
    """Linear regression with `nn.Linear`: y = X W + b.

    Returns:
        forward(params, images) -> (n, 1).

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
    """
    outputs, features = params["output.weight"].shape
    net = nn.Sequential(OrderedDict(output=nn.Linear(features, outputs)))
    return bind(net)


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
    """Softmax regression with `nn.Linear`: a dense layer.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
    """
    outputs, features = params["output.weight"].shape
    net = nn.Sequential(OrderedDict(output=nn.Linear(features, outputs)))
    return bind(net)


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
        hidden = torch.where(hidden > 0, hidden, 0)  # (n, hidden)
        return hidden @ params["output.weight"].T + params["output.bias"]

    return forward


def mlp_concise(params):
    """Two layers with `nn`: Linear, ReLU, Linear.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html
    """
    hidden, features = params["hidden.weight"].shape
    outputs = len(params["output.bias"])
    net = nn.Sequential(
        OrderedDict(
            hidden=nn.Linear(features, hidden),
            relu=nn.ReLU(),
            output=nn.Linear(hidden, outputs),
        )
    )
    return bind(net)


def backward(forward):
    """Pull a gradient back from the logits to every parameter.

    Args:
        forward: from one of the functions above.

    Returns:
        (params, images, dlogits) -> grads, named and shaped as the params.

    Differs: two forms: torch.compile takes only the functional one, and that
    refuses nn.GRU and nn.LSTM on a GPU ("Tensor that doesn't have storage").

    See: https://docs.pytorch.org/docs/stable/generated/torch.func.vjp.html
    """

    def functional(params, images, dlogits):
        _, vjp = torch.func.vjp(
            lambda params: forward(params, images), params
        )
        return vjp(dlogits)[0]

    def pull_back(params, images, dlogits):
        if is_compiling():
            return functional(params, images, dlogits)
        leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
        grads = torch.autograd.grad(
            forward(leaves, images),
            list(leaves.values()),
            dlogits,
            materialize_grads=True,
        )
        return dict(zip(leaves, grads, strict=True))

    return pull_back
