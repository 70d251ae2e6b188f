"""Models of pictures: parameters in, a forward function out, in NumPy.

Every forward carries its backward, derived by the chain rule.
"""

from .layers import (
    convolved,
    convolved_back,
    dense,
    dense_back,
    kernel_back,
    pooled,
    pooled_back,
    sigmoid,
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

    See: Dive into Deep Learning, 7.6; LeCun et al., Gradient-based learning
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
        kernel_back(params, "conv2", halved, 0, dsecond, grads)
        dhalved = convolved_back(params, "conv2", halved, dsecond)
        dfirst = pooled_back(first, dhalved) * first * (1 - first)
        kernel_back(params, "conv1", images, 2, dfirst, grads)
        return {name: grads[name] for name in params}

    forward.backward = backward
    return forward
