"""Models of pictures: parameters in, a forward function out, in JAX."""

import jax

from .layers import convolution, convolved, dense, means, pooled, sigmoid


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

    See: Dive into Deep Learning, 7.6; LeCun et al., Gradient-based learning
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
