"""Models: parameters in, a forward function out, in PyTorch."""

from collections import OrderedDict

from common.contract.axes import from_layout, to_layout

import torch
from torch import nn

from .data import to_array, to_tensor

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

    See: Dive into Deep Learning, 3.2.3.
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


def lenet_scratch(params, shape):
    """LeNet from scratch, as the book has it: sigmoid, pooling by the mean.

        conv1  6 of 5 x 5, padded by 2 -> sigmoid -> mean of 2 x 2
        conv2  16 of 5 x 5             -> sigmoid -> mean of 2 x 2
        dense1 120 -> sigmoid, dense2 84 -> sigmoid, output

    Args:
        params: conv1.weight (6, channels, 5, 5), conv2.weight (16, 6, 5, 5),
            dense1.weight (120, 16 * rows * columns), dense2.weight (84, 120),
            output.weight (10, 84), and a bias (out,) of each.
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Dive into Deep Learning, 7.6; LeCun et al., Gradient-based learning
    applied to document recognition, 1998, II.B.
    """

    def forward(params, images):
        images = pictures(images, shape)
        first = sigmoid(convolved(params, "conv1", images, padding=2))
        second = convolved(params, "conv2", pooled(first), padding=0)
        flat = pooled(sigmoid(second)).flatten(1)
        third = sigmoid(dense(params, "dense1", flat))
        fourth = sigmoid(dense(params, "dense2", third))
        return dense(params, "output", fourth)

    return forward


def lenet_concise(params, shape):
    """LeNet with `nn`: Conv2d, Sigmoid, AvgPool2d, Linear.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """
    features = params["dense1.weight"].shape[1]
    net = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(shape[2], 6, kernel_size=5, padding=2),
            sigmoid1=nn.Sigmoid(),
            pool1=nn.AvgPool2d(kernel_size=2, stride=2),
            conv2=nn.Conv2d(6, 16, kernel_size=5),
            sigmoid2=nn.Sigmoid(),
            pool2=nn.AvgPool2d(kernel_size=2, stride=2),
            flatten=nn.Flatten(),
            dense1=nn.Linear(features, 120),
            sigmoid3=nn.Sigmoid(),
            dense2=nn.Linear(120, 84),
            sigmoid4=nn.Sigmoid(),
            output=nn.Linear(84, len(params["output.bias"])),
        )
    )
    run = bind(net)

    def forward(params, images):
        return run(params, pictures(images, shape))

    return forward


def backward(forward):
    """Pull a gradient back from the logits to every parameter.

    Args:
        forward: from one of the functions above.

    Returns:
        (params, images, dlogits) -> grads, named and shaped as the params.

    See: https://docs.pytorch.org/docs/stable/generated/torch.func.vjp.html
    """

    def pull_back(params, images, dlogits):
        _, vjp = torch.func.vjp(
            lambda params: forward(params, images), params
        )
        return vjp(dlogits)[0]

    return pull_back


def bind(net):
    """Make a module a function of its parameters; layers bear their names.

    See: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
    """

    def forward(params, images):
        return torch.func.functional_call(net, params, (images,))

    return forward


def pictures(images, shape):
    """Rows of numbers as pictures: (n, channels, height, width)."""
    return images.reshape(-1, *shape).permute(0, 3, 1, 2)


def dense(params, layer, inputs):
    """O = X Wᵀ + b."""
    return inputs @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]


def convolved(params, layer, images, padding):
    """Slide a kernel over images (n, in, height, width), edges padded by 0.

    At each place of the window all images are seen at once, shifted; the sum
    over places and channels is one product of matrices.
    """
    kernel, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    images = nn.functional.pad(images, [padding] * 4)
    _, _, height, width = kernel.shape
    rows = images.shape[2] - height + 1
    columns = images.shape[3] - width + 1
    seen = [
        images[:, :, i : i + rows, j : j + columns]
        for i in range(height)
        for j in range(width)
    ]
    seen = torch.stack(seen, dim=2)  # (n, in, places, rows, columns)
    seen = seen.reshape(len(images), -1, rows * columns)
    outputs = kernel.flatten(1) @ seen + bias[:, None]
    return outputs.reshape(len(images), -1, rows, columns)


def pooled(images):
    """The mean of each 2 x 2; an odd last row or column is left out."""
    n, channels, height, width = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, :, : 2 * rows, : 2 * columns]
    images = images.reshape(n, channels, rows, 2, columns, 2)
    return images.mean(dim=(3, 5))


def sigmoid(x):
    """1 / (1 + exp(-x)), as a tanh, which no number makes overflow."""
    return (1 + torch.tanh(x / 2)) / 2
