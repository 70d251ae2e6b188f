"""Models: parameters in, a forward function out, in MindSpore."""

from collections import OrderedDict

from common.contract.axes import from_layout, to_layout

import mindspore
from mindspore import Parameter, nn, ops

from .data import to_array, to_tensor

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

    See: Dive into Deep Learning, 3.2.3.
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
        first = sigmoid(convolved(params, "conv1", images, 2))
        second = convolved(params, "conv2", pooled(first), 0)
        flat = ops.flatten(pooled(sigmoid(second)))
        third = sigmoid(dense(params, "dense1", flat))
        fourth = sigmoid(dense(params, "dense2", third))
        return dense(params, "output", fourth)

    return forward


def lenet_concise(params, shape):
    """LeNet with `nn`: Conv2d, Sigmoid, AvgPool2d, Dense.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: a convolution has no bias, and pads to the same size, unless it
    is told otherwise. On a CPU it refuses float64 (2.10.0): from scratch then.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Conv2d.html
    """
    if params["conv1.weight"].dtype == mindspore.float64:
        return lenet_scratch(params, shape)
    features = params["dense1.weight"].shape[1]
    net = nn.SequentialCell(
        OrderedDict(
            conv1=nn.Conv2d(
                shape[2], 6, 5, pad_mode="pad", padding=2, has_bias=True
            ),
            sigmoid1=nn.Sigmoid(),
            pool1=nn.AvgPool2d(kernel_size=2, stride=2),
            conv2=nn.Conv2d(6, 16, 5, pad_mode="valid", has_bias=True),
            sigmoid2=nn.Sigmoid(),
            pool2=nn.AvgPool2d(kernel_size=2, stride=2),
            flatten=nn.Flatten(),
            dense1=nn.Dense(features, 120),
            sigmoid3=nn.Sigmoid(),
            dense2=nn.Dense(120, 84),
            sigmoid4=nn.Sigmoid(),
            output=nn.Dense(84, len(params["output.bias"])),
        )
    )
    run = bind(net, params)

    def forward(params, images):
        return run(params, pictures(images, shape))

    return forward


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


def bind(net, params):
    """Give a network these Parameters; layers bear their names."""
    for name, param in params.items():
        layer, _, which = name.partition(".")
        setattr(getattr(net, layer), which, param)

    def forward(params, images):
        return net(images)

    return forward


def pictures(images, shape):
    """Rows of numbers as pictures: (n, channels, height, width)."""
    height, width, channels = shape
    images = ops.reshape(images, (-1, height, width, channels))
    return ops.transpose(images, (0, 3, 1, 2))


def dense(params, layer, inputs):
    """O = X Wᵀ + b."""
    weight, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    return ops.matmul(inputs, weight.T) + bias


def convolved(params, layer, images, padding):
    """Slide a kernel over images (n, in, height, width), edges padded by 0.

    At each place of the window all images are seen at once, shifted; the sum
    over places and channels is one product of matrices.

    Differs: a comprehension that is compiled has one `for` alone.
    """
    kernel, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    images = ops.pad(images, (padding, padding, padding, padding))
    outputs, _, height, width = kernel.shape
    rows = images.shape[2] - height + 1
    columns = images.shape[3] - width + 1
    seen = []
    for i in range(height):
        for j in range(width):
            seen.append(images[:, :, i : i + rows, j : j + columns])
    seen = ops.stack(seen, 2)  # (n, in, places, rows, columns)
    seen = ops.reshape(seen, (len(images), -1, rows * columns))
    kernel = ops.reshape(kernel, (outputs, -1))
    sums = ops.matmul(kernel, seen) + ops.reshape(bias, (-1, 1))
    return ops.reshape(sums, (len(images), outputs, rows, columns))


def pooled(images):
    """The mean of each 2 x 2; an odd last row or column is left out."""
    n, channels, height, width = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, :, : 2 * rows, : 2 * columns]
    images = ops.reshape(images, (n, channels, rows, 2, columns, 2))
    return ops.mean(images, (3, 5))


def sigmoid(x):
    """1 / (1 + exp(-x)), as a tanh, which no number makes overflow."""
    return (1 + ops.tanh(x / 2)) / 2
