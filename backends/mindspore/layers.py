"""Layers that models are made of, in MindSpore."""

import mindspore
from mindspore import Tensor, ops


def bind(net, params):
    """Give a network these Parameters; layers bear their names."""
    for name, param in params.items():
        layer, _, which = name.partition(".")
        setattr(getattr(net, layer), which, param)

    def forward(params, images):
        return net(images)

    return forward


#: How nn.BatchNorm2d calls what a norm has.
OWN = {
    "scale": "gamma",
    "shift": "beta",
    "mean": "moving_mean",
    "variance": "moving_variance",
}


def bind_normalised(make, params, shape):
    """Give a network with norms, and its twin in training, these Parameters.

    Differs: a network in training changes its statistics in place, and they
    are these Parameters.
    """
    evaluated, trained = make().set_train(False), make().set_train(True)
    for net in (evaluated, trained):
        for name, param in params.items():
            layer, _, which = name.partition(".")
            setattr(getattr(net, layer), OWN.get(which, which), param)
    names = [name for name in params if name.endswith((".mean", ".variance"))]

    def forward(params, images):
        return evaluated(pictures(images, shape))

    def training(params, images):
        logits = trained(pictures(images, shape))
        return logits, tuple([params[name] for name in names])

    forward.training = training
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
    """Slide a kernel over images (n, in, height, width); add a bias."""
    sums = correlation(params[f"{layer}.weight"], images, padding, 1)
    return sums + ops.reshape(params[f"{layer}.bias"], (-1, 1, 1))


def correlation(kernel, images, padding, stride):
    """Sum what a kernel sees at every place, edges padded by 0.

    At each place of the window all images are seen at once, shifted; the sum
    over places and channels is one product of matrices.

    Differs: a comprehension that is compiled has one `for` alone; a slice
    with a stride has no gradient on a CPU (2.10.0): the first of each `stride`
    is taken by its shape, for which a picture needs a few more zeros.
    """
    outputs, channels, height, width = kernel.shape
    rows = (images.shape[2] + 2 * padding - height) // stride + 1
    columns = (images.shape[3] + 2 * padding - width) // stride + 1
    after = padding + stride - 1
    images = ops.pad(images, (padding, after, padding, after))
    apart = (len(images), channels, rows, stride, columns, stride)
    seen = []
    for i in range(height):
        for j in range(width):
            to, end = i + stride * rows, j + stride * columns
            place = ops.reshape(images[:, :, i:to, j:end], apart)
            seen.append(place[:, :, :, 0, :, 0])
    seen = ops.stack(seen, 2)  # (n, in, places, rows, columns)
    seen = ops.reshape(seen, (len(images), -1, rows * columns))
    sums = ops.matmul(ops.reshape(kernel, (outputs, -1)), seen)
    return ops.reshape(sums, (len(images), outputs, rows, columns))


def pooled(images):
    """The mean of each 2 x 2; an odd last row or column is left out."""
    n, channels, height, width = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, :, : 2 * rows, : 2 * columns]
    images = ops.reshape(images, (n, channels, rows, 2, columns, 2))
    return ops.mean(images, (3, 5))


def relu(x):
    """max(x, 0)."""
    return ops.where(x > 0, x, ops.zeros_like(x))


def sigmoid(x):
    """1 / (1 + exp(-x)), as a tanh, which no number makes overflow."""
    return (1 + ops.tanh(x / 2)) / 2


#: Of batch normalisation: added to the variance; the shares of old and new.
#: Made here, because compiled code makes a Tensor of a Python float in
#: float32, whatever dtype it is told (2.10.0): 0.9 would be off by 2.6e-8.
EPS, KEEP, SHARE = (Tensor(x, mindspore.float64) for x in (1e-5, 0.9, 0.1))


def normalised(params, layer, inputs):
    """Batch normalisation in training: γ (x - μ) / sqrt(σ² + ε) + β.

    μ and σ² = Σ (x - μ)² / m are those of the batch's m numbers of a channel.

    Returns:
        outputs, and the statistics' next values: 0.9 of the old ones and 0.1
        of μ and of Σ (x - μ)² / (m - 1).

    See: Dive into Deep Learning, 7.5; https://arxiv.org/abs/1502.03167
    """
    axes = [axis for axis in range(inputs.ndim) if axis != 1]
    m = inputs.size // inputs.shape[1]
    mean = inputs.mean(axes)
    squares = ops.square(inputs - by_channel(mean, inputs)).sum(axes)
    keep, share = KEEP.astype(inputs.dtype), SHARE.astype(inputs.dtype)
    next_mean = keep * params[f"{layer}.mean"] + share * mean
    held = params[f"{layer}.variance"]
    next_variance = keep * held + share * (squares / (m - 1))
    outputs = scaled(params, layer, inputs, mean, squares / m)
    return outputs, (next_mean, next_variance)


def standardised(params, layer, inputs):
    """Batch normalisation in evaluation: by the running statistics, which stay."""
    mean, variance = params[f"{layer}.mean"], params[f"{layer}.variance"]
    return scaled(params, layer, inputs, mean, variance), (mean, variance)


def scaled(params, layer, inputs, mean, variance):
    """γ (x - μ) / sqrt(σ² + ε) + β."""
    deviation = ops.sqrt(variance + EPS.astype(inputs.dtype))
    standard = inputs - by_channel(mean, inputs)
    standard = standard / by_channel(deviation, inputs)
    scale = by_channel(params[f"{layer}.scale"], inputs)
    return scale * standard + by_channel(params[f"{layer}.shift"], inputs)


def by_channel(numbers, inputs):
    """(channels,) as it meets inputs (n, channels, ...)."""
    return ops.reshape(numbers, (-1,) + (1,) * (inputs.ndim - 2))
