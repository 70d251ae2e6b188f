"""Models of pictures: parameters in, a forward function out, in NumPy.

Every forward carries its backward, derived by the chain rule.
"""

import numpy as np

from .layers import (
    convolved,
    convolved_back,
    correlation,
    dense,
    dense_back,
    images_gradient,
    kernel_gradient,
    normalised,
    normalised_back,
    pooled,
    pooled_back,
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
        params: conv1.weight (5, 5, channels, 6), conv2.weight (5, 5, 6, 16),
            dense1.weight (rows * columns * 16, 120), dense2.weight (120, 84),
            output.weight (84, 10), and a bias (out,) of each.
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Dive into Deep Learning, 6.6; LeCun et al., Gradient-based learning
    applied to document recognition, 1998, II.B.
    """

    def layers(params, images):
        images = images.reshape(-1, *shape)
        first = sigmoid(convolved(params, "conv1", images, padding=2))
        halved = pooled(first)
        second = sigmoid(convolved(params, "conv2", halved, padding=0))
        flat = pooled(second).reshape(len(images), -1)
        third = sigmoid(dense(params, "dense1", flat))
        fourth = sigmoid(dense(params, "dense2", third))
        return images, first, halved, second, flat, third, fourth

    def forward(params, images):
        *_, fourth = layers(params, images)
        return dense(params, "output", fourth)

    def backward(params, images, dlogits):
        images, first, halved, second, flat, third, fourth = layers(
            params, images
        )
        grads = {}
        dfourth = dense_back(params, "output", fourth, dlogits, grads)
        dfourth *= fourth * (1 - fourth)  # sigmoid' = s (1 - s)
        dthird = dense_back(params, "dense2", third, dfourth, grads)
        dthird *= third * (1 - third)
        dflat = dense_back(params, "dense1", flat, dthird, grads)
        dsecond = pooled_back(second, dflat) * second * (1 - second)
        convolved_back(params, "conv2", halved, 0, dsecond, grads)
        kernel = params["conv2.weight"]
        dhalved = images_gradient(kernel, halved, 0, 1, dsecond)
        dfirst = pooled_back(first, dhalved) * first * (1 - first)
        convolved_back(params, "conv1", images, 2, dfirst, grads)
        return {name: grads[name] for name in params}

    forward.backward = backward
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
        images = images.reshape(-1, *shape)
        sums1 = correlation(params["conv1.weight"], images, 2, 1)
        outputs, first = norm(params, "norm1", sums1)
        active1 = sigmoid(outputs)
        halved = pooled(active1)
        sums2 = correlation(params["conv2.weight"], halved, 0, 1)
        outputs, second = norm(params, "norm2", sums2)
        active2 = sigmoid(outputs)
        flat = pooled(active2).reshape(len(images), -1)
        sums3 = flat @ params["dense1.weight"]
        outputs, third = norm(params, "norm3", sums3)
        active3 = sigmoid(outputs)
        sums4 = active3 @ params["dense2.weight"]
        outputs, fourth = norm(params, "norm4", sums4)
        active4 = sigmoid(outputs)
        logits = dense(params, "output", active4)
        seen = images, sums1, active1, halved, sums2, active2, flat
        seen = *seen, sums3, active3, sums4, active4
        return logits, first + second + third + fourth, seen

    def forward(params, images):
        return layers(params, images, standardised)[0]

    def training(params, images):
        return layers(params, images, normalised)[:2]

    def backward(params, images, dlogits):
        _, _, seen = layers(params, images, normalised)
        return lenet_bn_back(params, seen, dlogits)

    forward.training, forward.backward = training, backward
    return forward


def lenet_bn_back(params, seen, dlogits):
    """The chain rule, from the last layer to the first."""
    images, sums1, active1, halved, sums2, active2, flat = seen[:7]
    sums3, active3, sums4, active4 = seen[7:]
    grads = {}

    def back(layer, sums, active, dactive):
        doutputs = dactive * active * (1 - active)  # sigmoid' = s (1 - s)
        return normalised_back(params, layer, sums, doutputs, grads)

    dactive4 = dense_back(params, "output", active4, dlogits, grads)
    dsums4 = back("norm4", sums4, active4, dactive4)
    grads["dense2.weight"] = active3.T @ dsums4
    dsums3 = back("norm3", sums3, active3, dsums4 @ params["dense2.weight"].T)
    grads["dense1.weight"] = flat.T @ dsums3
    dactive2 = pooled_back(active2, dsums3 @ params["dense1.weight"].T)
    dsums2 = back("norm2", sums2, active2, dactive2)
    kernel1, kernel2 = params["conv1.weight"], params["conv2.weight"]
    grads["conv2.weight"] = kernel_gradient(kernel2, halved, 0, 1, dsums2)
    dhalved = images_gradient(kernel2, halved, 0, 1, dsums2)
    dsums1 = back("norm1", sums1, active1, pooled_back(active1, dhalved))
    grads["conv1.weight"] = kernel_gradient(kernel1, images, 2, 1, dsums1)
    return {name: grads[name] for name in params}


def resnet_scratch(params, shape):
    """A small residual network from scratch.

        conv1 8 of 3 x 3, stride 2, norm1, ReLU
        block of conv2, conv3: 8 of 3 x 3, the inputs added
        block of conv4, conv5: 16 of 3 x 3, stride 2, conv6 of the inputs added
        mean over the picture, output

    Every convolution is padded by 1, conv6 of 1 x 1 is not, and has a norm
    in the place of a bias.

    Args:
        params: conv1.weight, ..., conv6.weight (height, width, in, out), of each norm
            scale, shift, mean and variance (out,), output.weight, output.bias.
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10), as in evaluation; its
        `training` returns the statistics' next values, too.

    See: Dive into Deep Learning, 7.6; https://arxiv.org/abs/1512.03385
    """

    def layers(params, images, norm):
        images = images.reshape(-1, *shape)
        sums = correlation(params["conv1.weight"], images, 1, 2)
        outputs, first = norm(params, "norm1", sums)
        active = relu(outputs)
        middle, second, seen2 = residual(params, active, 2, 1, norm)
        last, third, seen4 = residual(params, middle, 4, 2, norm)
        logits = dense(params, "output", last.mean(axis=(1, 2)))
        seen = images, sums, active, seen2, last, seen4
        return logits, first + second + third, seen

    def forward(params, images):
        return layers(params, images, standardised)[0]

    def training(params, images):
        return layers(params, images, normalised)[:2]

    def backward(params, images, dlogits):
        _, _, seen = layers(params, images, normalised)
        return resnet_back(params, seen, dlogits)

    forward.training, forward.backward = training, backward
    return forward


def residual(params, inputs, number, stride, norm):
    """Two convolutions, and the inputs added to what they make of them.

    A stride leaves less of a picture, and the inputs go through a convolution
    of 1 x 1 with that stride.
    """
    kernel = params[f"conv{number}.weight"]
    sums1 = correlation(kernel, inputs, 1, stride)
    outputs, first = norm(params, f"norm{number}", sums1)
    active = relu(outputs)
    sums2 = correlation(params[f"conv{number + 1}.weight"], active, 1, 1)
    outputs, second = norm(params, f"norm{number + 1}", sums2)
    added, sums3, statistics = inputs, None, first + second
    if stride > 1:
        kernel = params[f"conv{number + 2}.weight"]
        sums3 = correlation(kernel, inputs, 0, stride)
        added, third = norm(params, f"norm{number + 2}", sums3)
        statistics = statistics + third
    outputs = relu(outputs + added)
    return outputs, statistics, (inputs, sums1, active, sums2, sums3, outputs)


def residual_back(params, seen, doutputs, number, stride, grads):
    """The gradient in a block's inputs; those of its parameters to `grads`."""
    inputs, sums1, active, sums2, sums3, outputs = seen

    def back(number, sums, dactive, given, padding, stride):
        conv, norm = f"conv{number}.weight", f"norm{number}"
        dsums = normalised_back(params, norm, sums, dactive, grads)
        told = params[conv], given, padding, stride, dsums
        grads[conv] = kernel_gradient(*told)
        return images_gradient(*told)

    dadded = np.where(outputs > 0, doutputs, 0)  # relu'(0) = 0
    dactive = back(number + 1, sums2, dadded, active, 1, 1)
    dactive = np.where(active > 0, dactive, 0)
    dinputs = back(number, sums1, dactive, inputs, 1, stride)
    if stride == 1:
        return dinputs + dadded
    return dinputs + back(number + 2, sums3, dadded, inputs, 0, stride)


def resnet_back(params, seen, dlogits):
    """The chain rule, from the last layer to the first."""
    images, sums, active, seen2, last, seen4 = seen
    grads = {}
    places = last.shape[1] * last.shape[2]
    means = last.mean(axis=(1, 2))
    dmeans = dense_back(params, "output", means, dlogits, grads)
    dlast = np.zeros_like(last) + dmeans[:, None, None] / places
    dmiddle = residual_back(params, seen4, dlast, 4, 2, grads)
    dactive = residual_back(params, seen2, dmiddle, 2, 1, grads)
    dactive = np.where(active > 0, dactive, 0)
    dsums = normalised_back(params, "norm1", sums, dactive, grads)
    kernel = params["conv1.weight"]
    grads["conv1.weight"] = kernel_gradient(kernel, images, 1, 2, dsums)
    return {name: grads[name] for name in params}
