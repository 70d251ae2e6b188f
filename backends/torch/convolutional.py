"""Models of pictures: parameters in, a forward function out, in PyTorch."""

from collections import OrderedDict

from torch import nn

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
        flat = pooled(sigmoid(sums)).flatten(1)
        sums = flat @ params["dense1.weight"].T
        sums, third = norm(params, "norm3", sums)
        sums = sigmoid(sums) @ params["dense2.weight"].T
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

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
    """
    features = params["dense1.weight"].shape[1]
    net = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(shape[2], 6, 5, padding=2, bias=False),
            norm1=nn.BatchNorm2d(6),
            sigmoid1=nn.Sigmoid(),
            pool1=nn.AvgPool2d(kernel_size=2, stride=2),
            conv2=nn.Conv2d(6, 16, 5, bias=False),
            norm2=nn.BatchNorm2d(16),
            sigmoid2=nn.Sigmoid(),
            pool2=nn.AvgPool2d(kernel_size=2, stride=2),
            flatten=nn.Flatten(),
            dense1=nn.Linear(features, 120, bias=False),
            norm3=nn.BatchNorm1d(120),
            sigmoid3=nn.Sigmoid(),
            dense2=nn.Linear(120, 84, bias=False),
            norm4=nn.BatchNorm1d(84),
            sigmoid4=nn.Sigmoid(),
            output=nn.Linear(84, len(params["output.bias"])),
        )
    )
    return bind_normalised(net, shape)


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
        logits = dense(params, "output", active.mean((2, 3)))
        return logits, first + second + third

    def forward(params, images):
        return layers(params, images, standardised)[0]

    def training(params, images):
        return layers(params, images, normalised)

    forward.training = training
    return forward


def resnet_concise(params, shape):
    """A small residual network, by `nn`: Conv2d, BatchNorm2d, a Module.

    Returns:
        forward(params, images) -> logits (n, 10), as in evaluation; its
        `training` returns the statistics' next values, too.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """
    return bind_normalised(
        ResNet(shape[2], len(params["output.bias"])), shape
    )


class ResNet(nn.Module):
    """The layers of `resnet_scratch`."""

    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 3, 2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.conv4 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.conv5 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.conv6 = nn.Conv2d(8, 16, 1, stride=2, bias=False)
        self.norm1, self.norm2, self.norm3 = map(nn.BatchNorm2d, (8, 8, 8))
        self.norm4, self.norm5, self.norm6 = map(nn.BatchNorm2d, (16, 16, 16))
        self.relu, self.output = nn.ReLU(), nn.Linear(16, classes)

    def forward(self, images):
        """(n, channels, height, width) -> logits (n, classes)."""
        x = self.relu(self.norm1(self.conv1(images)))
        y = self.relu(self.norm2(self.conv2(x)))
        x = self.relu(self.norm3(self.conv3(y)) + x)
        y = self.relu(self.norm4(self.conv4(x)))
        y, x = self.norm5(self.conv5(y)), self.norm6(self.conv6(x))
        return self.output(self.relu(y + x).mean((2, 3)))


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
