"""Models of pictures: parameters in, a forward function out, in JAX."""

import jax.numpy as jnp

import jax

from .layers import (
    convolution,
    convolved,
    correlation,
    dense,
    means,
    normalisation,
    normalised,
    pooled,
    relu,
    sigmoid,
    slid,
    standardisation,
    standardised,
)


def lenet_scratch(params, shape):
    """LeNet from scratch, as the book has it: sigmoid, pooling by the mean.

        conv1  6 of 5 x 5, padded by 2 -> sigmoid -> mean of 2 x 2
        conv2  16 of 5 x 5             -> sigmoid -> mean of 2 x 2
        dense1 120 -> sigmoid, dense2 84 -> sigmoid, output

    Args:
        params: conv1.weight (5, 5, channels, 6), conv2.weight (5, 5, 6, 16),
            dense1.weight (120, rows * columns * 16), dense2.weight (84, 120),
            output.weight (10, 84), and a bias (out,) of each.
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Dive into Deep Learning, 6.6; LeCun et al., Gradient-based learning
    applied to document recognition, 1998, II.B.
    """

    def forward(params, images):
        images = images.reshape(-1, *shape)
        first = sigmoid(convolved(params, "conv1", images, padding=2))
        second = convolved(params, "conv2", pooled(first), padding=0)
        flat = pooled(sigmoid(second)).reshape(len(images), -1)
        third = sigmoid(dense(params, "dense1", flat))
        fourth = sigmoid(dense(params, "dense2", third))
        return dense(params, "output", fourth)

    return forward


def lenet_concise(params, shape):
    """LeNet with `lax` and `jax.nn`: convolution, window sums, sigmoid.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: pooling is a reduction of windows, the mean their sum by four.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated.html
    """

    def forward(params, images):
        images = images.reshape(-1, *shape)
        first = jax.nn.sigmoid(
            convolution(params, "conv1", images, padding=2)
        )
        second = convolution(params, "conv2", means(first), padding=0)
        flat = means(jax.nn.sigmoid(second)).reshape(len(images), -1)
        third = jax.nn.sigmoid(dense(params, "dense1", flat))
        fourth = jax.nn.sigmoid(dense(params, "dense2", third))
        return dense(params, "output", fourth)

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
        sums = correlation(params["conv1.weight"], images, 2, 1)
        sums, first = norm(params, "norm1", sums)
        halved = pooled(sigmoid(sums))
        sums = correlation(params["conv2.weight"], halved, 0, 1)
        sums, second = norm(params, "norm2", sums)
        flat = pooled(sigmoid(sums)).reshape(len(images), -1)
        sums = jnp.inner(flat, params["dense1.weight"])
        sums, third = norm(params, "norm3", sums)
        sums = jnp.inner(sigmoid(sums), params["dense2.weight"])
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
    """LeNet with batch normalisation, by `lax` and `jax.nn`: standardize.

    Returns:
        forward(params, images) -> logits (n, 10), as in evaluation; its
        `training` returns the statistics' next values, too.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.nn.standardize.html
    """

    def layers(params, images, norm):
        images = images.reshape(-1, *shape)
        sums = slid(params["conv1.weight"], images, 2, 1)
        sums, first = norm(params, "norm1", sums)
        sums = slid(params["conv2.weight"], means(jax.nn.sigmoid(sums)), 0, 1)
        sums, second = norm(params, "norm2", sums)
        flat = means(jax.nn.sigmoid(sums)).reshape(len(images), -1)
        sums = jnp.inner(flat, params["dense1.weight"])
        sums, third = norm(params, "norm3", sums)
        sums = jnp.inner(jax.nn.sigmoid(sums), params["dense2.weight"])
        sums, fourth = norm(params, "norm4", sums)
        logits = dense(params, "output", jax.nn.sigmoid(sums))
        return logits, first + second + third + fourth

    def forward(params, images):
        return layers(params, images, standardisation)[0]

    def training(params, images):
        return layers(params, images, normalisation)

    forward.training = training
    return forward


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
        sums, first = norm(params, "norm1", sums)
        active = relu(sums)
        active, second = residual(params, active, 2, 1, norm, correlation)
        active, third = residual(params, active, 4, 2, norm, correlation)
        logits = dense(params, "output", active.mean((1, 2)))
        return logits, first + second + third

    def forward(params, images):
        return layers(params, images, standardised)[0]

    def training(params, images):
        return layers(params, images, normalised)

    forward.training = training
    return forward


def resnet_concise(params, shape):
    """A small residual network, by `lax` and `jax.nn`.

    Returns:
        forward(params, images) -> logits (n, 10), as in evaluation; its
        `training` returns the statistics' next values, too.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.nn.relu.html
    """

    def layers(params, images, norm):
        images = images.reshape(-1, *shape)
        sums = slid(params["conv1.weight"], images, 1, 2)
        sums, first = norm(params, "norm1", sums)
        active = jax.nn.relu(sums)
        active, second = residual(params, active, 2, 1, norm, slid)
        active, third = residual(params, active, 4, 2, norm, slid)
        logits = dense(params, "output", active.mean((1, 2)))
        return logits, first + second + third

    def forward(params, images):
        return layers(params, images, standardisation)[0]

    def training(params, images):
        return layers(params, images, normalisation)

    forward.training = training
    return forward


def residual(params, inputs, number, stride, norm, slide):
    """Two convolutions, and the inputs added to what they make of them.

    A stride leaves less of a picture, and the inputs go through a convolution
    of 1 x 1 with that stride.

    Args:
        norm: `normalised`, or another of its kind.
        slide: `correlation`, or the same by `lax`.
    """
    sums = slide(params[f"conv{number}.weight"], inputs, 1, stride)
    sums, first = norm(params, f"norm{number}", sums)
    kernel = params[f"conv{number + 1}.weight"]
    sums = slide(kernel, relu(sums), 1, 1)
    sums, second = norm(params, f"norm{number + 1}", sums)
    if stride == 1:
        return relu(sums + inputs), first + second
    kernel = params[f"conv{number + 2}.weight"]
    inputs = slide(kernel, inputs, 0, stride)
    inputs, third = norm(params, f"norm{number + 2}", inputs)
    return relu(sums + inputs), first + second + third
