"""Layers that models are made of, in MindSpore."""

from mindspore import ops


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
