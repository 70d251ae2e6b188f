"""Models of pictures: parameters in, a forward function out, in MindSpore."""

from collections import OrderedDict
from functools import partial

import mindspore
from mindspore import nn, ops

from .layers import (
    bind,
    bind_normalised,
    convolved,
    correlation,
    dense,
    normalised,
    pictures,
    pooled,
    relu,
    sigmoid,
    standardised,
)


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

    See: Dive into Deep Learning, 6.6; LeCun et al., Gradient-based learning
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


def lenet_bn_scratch(params, shape):
    """LeNet with batch normalisation before every sigmoid, from scratch.

        conv1  6 of 5 x 5, padded by 2 -> norm1 -> sigmoid -> mean of 2 x 2
        conv2  16 of 5 x 5             -> norm2 -> sigmoid -> mean of 2 x 2
        dense1 120 -> norm3 -> sigmoid, dense2 84 -> norm4 -> sigmoid, output

    What a layer before a norm would add, the norm takes off again: only the
    output has a bias.

    Args:
        params: those of LeNet, without biases but the output's; of each norm
            scale, shift, mean and variance (out,).
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10), as in evaluation; its
        `training` returns the statistics' next values, too.

    See: Dive into Deep Learning, 7.5.
    """

    def layers(params, images, norm):
        images = pictures(images, shape)
        sums = correlation(params["conv1.weight"], images, 2, 1)
        sums, first = norm(params, "norm1", sums)
        halved = pooled(sigmoid(sums))
        sums = correlation(params["conv2.weight"], halved, 0, 1)
        sums, second = norm(params, "norm2", sums)
        flat = ops.flatten(pooled(sigmoid(sums)))
        sums = ops.matmul(flat, params["dense1.weight"].T)
        sums, third = norm(params, "norm3", sums)
        sums = ops.matmul(sigmoid(sums), params["dense2.weight"].T)
        sums, fourth = norm(params, "norm4", sums)
        logits = dense(params, "output", sigmoid(sums))
        return logits, first + second + third + fourth

    def forward(params, images):
        return layers(params, images, standardised)[0]

    def training(params, images):
        return layers(params, images, normalised)

    forward.training = training
    return forward


def lenet_bn_concise(params, shape):
    """LeNet with batch normalisation, by `nn`: BatchNorm2d, BatchNorm1d.

    Returns:
        forward(params, images) -> logits (n, 10), as in evaluation; its
        `training` returns the statistics' next values, too.

    Differs: `momentum` is the share of the old, not of the new. On a CPU a
    convolution refuses float64 (2.10.0): from scratch then.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.BatchNorm2d.html
    """
    if params["conv1.weight"].dtype == mindspore.float64:
        return lenet_bn_scratch(params, shape)
    features = params["dense1.weight"].shape[1]
    classes = len(params["output.bias"])

    def make():
        return nn.SequentialCell(
            OrderedDict(
                conv1=nn.Conv2d(shape[2], 6, 5, pad_mode="pad", padding=2),
                norm1=nn.BatchNorm2d(6, momentum=0.9),
                sigmoid1=nn.Sigmoid(),
                pool1=nn.AvgPool2d(kernel_size=2, stride=2),
                conv2=nn.Conv2d(6, 16, 5, pad_mode="valid"),
                norm2=nn.BatchNorm2d(16, momentum=0.9),
                sigmoid2=nn.Sigmoid(),
                pool2=nn.AvgPool2d(kernel_size=2, stride=2),
                flatten=nn.Flatten(),
                dense1=nn.Dense(features, 120, has_bias=False),
                norm3=nn.BatchNorm1d(120, momentum=0.9),
                sigmoid3=nn.Sigmoid(),
                dense2=nn.Dense(120, 84, has_bias=False),
                norm4=nn.BatchNorm1d(84, momentum=0.9),
                sigmoid4=nn.Sigmoid(),
                output=nn.Dense(84, classes),
            )
        )

    return bind_normalised(make, params, shape)


def resnet_scratch(params, shape):
    """A small residual network from scratch.

        conv1 8 of 3 x 3, stride 2, norm1, ReLU
        block of conv2, conv3: 8 of 3 x 3, the inputs added
        block of conv4, conv5: 16 of 3 x 3, stride 2, conv6 of the inputs added
        mean over the picture, output

    Every convolution is padded by 1, conv6 of 1 x 1 is not, and has a norm
    in the place of a bias.

    Args:
        params: conv1.weight, ..., conv6.weight (out, in, height, width), of each norm
            scale, shift, mean and variance (out,), output.weight, output.bias.
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10), as in evaluation; its
        `training` returns the statistics' next values, too.

    See: Dive into Deep Learning, 7.6; https://arxiv.org/abs/1512.03385
    """

    def layers(params, images, norm):
        images = pictures(images, shape)
        sums = correlation(params["conv1.weight"], images, 1, 2)
        sums, first = norm(params, "norm1", sums)
        active = relu(sums)
        active, second = residual(params, active, 2, 1, norm)
        active, third = residual(params, active, 4, 2, norm)
        logits = dense(params, "output", ops.mean(active, (2, 3)))
        return logits, first + second + third

    def forward(params, images):
        return layers(params, images, standardised)[0]

    def training(params, images):
        return layers(params, images, normalised)

    forward.training = training
    return forward


def resnet_concise(params, shape):
    """A small residual network, by `nn`: Conv2d, BatchNorm2d, a Cell.

    Returns:
        forward(params, images) -> logits (n, 10), as in evaluation; its
        `training` returns the statistics' next values, too.

    Differs: from scratch in float64, as lenet_concise.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Cell.html
    """
    if params["conv1.weight"].dtype == mindspore.float64:
        return resnet_scratch(params, shape)
    make = partial(ResNet, shape[2], len(params["output.bias"]))
    return bind_normalised(make, params, shape)


class ResNet(nn.Cell):
    """The layers of `resnet_scratch`."""

    def __init__(self, channels, classes):
        super().__init__()
        padded = {"pad_mode": "pad", "padding": 1}
        self.conv1 = nn.Conv2d(channels, 8, 3, stride=2, **padded)
        self.conv2 = nn.Conv2d(8, 8, 3, **padded)
        self.conv3 = nn.Conv2d(8, 8, 3, **padded)
        self.conv4 = nn.Conv2d(8, 16, 3, stride=2, **padded)
        self.conv5 = nn.Conv2d(16, 16, 3, **padded)
        self.conv6 = nn.Conv2d(8, 16, 1, stride=2, pad_mode="valid")
        norm = partial(nn.BatchNorm2d, momentum=0.9)
        self.norm1, self.norm2, self.norm3 = map(norm, (8, 8, 8))
        self.norm4, self.norm5, self.norm6 = map(norm, (16, 16, 16))
        self.relu, self.output = nn.ReLU(), nn.Dense(16, classes)

    def construct(self, images):
        """(n, channels, height, width) -> logits (n, classes)."""
        x = self.relu(self.norm1(self.conv1(images)))
        y = self.relu(self.norm2(self.conv2(x)))
        x = self.relu(self.norm3(self.conv3(y)) + x)
        y = self.relu(self.norm4(self.conv4(x)))
        y, x = self.norm5(self.conv5(y)), self.norm6(self.conv6(x))
        return self.output(ops.mean(self.relu(y + x), (2, 3)))


def residual(params, inputs, number, stride, norm):
    """Two convolutions, and the inputs added to what they make of them.

    A stride leaves less of a picture, and the inputs go through a convolution
    of 1 x 1 with that stride.
    """
    sums = correlation(params[f"conv{number}.weight"], inputs, 1, stride)
    sums, first = norm(params, f"norm{number}", sums)
    kernel = params[f"conv{number + 1}.weight"]
    sums = correlation(kernel, relu(sums), 1, 1)
    sums, second = norm(params, f"norm{number + 1}", sums)
    if stride == 1:
        return relu(sums + inputs), first + second
    kernel = params[f"conv{number + 2}.weight"]
    inputs = correlation(kernel, inputs, 0, stride)
    inputs, third = norm(params, f"norm{number + 2}", inputs)
    return relu(sums + inputs), first + second + third
