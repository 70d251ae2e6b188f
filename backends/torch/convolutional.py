"""Models of pictures: parameters in, a forward function out, in PyTorch."""

from collections import OrderedDict

from torch import nn

from .layers import bind, convolved, dense, pictures, pooled, sigmoid


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
