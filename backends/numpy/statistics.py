"""Models with running statistics, in NumPy: what is not differentiated.

Running means and variances are among the params, and no optimiser's: no
gradient moves them, no weight decay. Where the other parameters have their
gradient, they have their next value.
"""

from . import loss as losses


def backward(forward, statistics):
    """Pull a gradient back from the logits, as in training.

    Returns:
        (params, images, dlogits) -> grads, named and shaped as the params;
        in the place of a statistic's stands its next value.
    """
    return forward.backward


def gradients(forward, loss, mode, statistics):
    """Differentiate the loss of training by every parameter but statistics.

    Returns:
        (params, images, labels) -> value, logits, grads; in the place of a
        statistic's stands its next value.
    """
    loss_gradient = losses.gradient(loss)

    def value_and_gradients(params, images, labels):
        logits, _ = forward.training(params, images)
        value, dlogits = loss_gradient(logits, labels)
        return value, logits, forward.backward(params, images, dlogits)

    return value_and_gradients


def keeping(update, statistics):
    """Let an update move the parameters; set statistics to their next values.

    Args:
        update: of the parameters without statistics.
        statistics: names of these.

    Returns:
        update(params, grads, state) -> params, state.
    """

    def both(params, grads, state):
        trained = {n: p for n, p in params.items() if n not in statistics}
        slopes = {name: grads[name] for name in trained}
        _, state = update(trained, slopes, state)
        for name in statistics:
            params[name][...] = grads[name]
        return params, state

    return both
