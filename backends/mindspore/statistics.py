"""Models with running statistics, in MindSpore: what is not differentiated.

Running means and variances are among the params, and no optimiser's: no
gradient moves them, no weight decay. Where the other parameters have their
gradient, they have their next value.
"""

import mindspore
from mindspore import ops


def backward(forward, statistics):
    """Pull a gradient back from the logits, as in training.

    Returns:
        (params, images, dlogits) -> grads, named and shaped as the params;
        in the place of a statistic's stands its next value.
    """
    training = forward.training

    def pull_back(params, images, dlogits):
        trained, held = apart(params, statistics)

        def weighted(images, dlogits):
            logits, values = training(params, images)
            return (logits * dlogits).sum(), values

        weights = tuple(trained.values())
        differentiate = mindspore.value_and_grad(
            weighted, None, weights, has_aux=True
        )
        (_, values), grads = differentiate(images, dlogits)
        return together(trained, grads, held, values)

    return pull_back


def gradients(forward, loss, mode, statistics):
    """Differentiate the loss of training by every parameter but statistics.

    Returns:
        (params, images, labels) -> value, logits, grads; in the place of a
        statistic's stands its next value.

    Differs: an attribute of a function is not seen in compiled code.
    """
    training = forward.training

    def value_and_gradients(params, images, labels):
        trained, held = apart(params, statistics)

        def objective(images, labels):
            logits, values = training(params, images)
            return loss(logits, labels), logits, values

        weights = tuple(trained.values())
        differentiate = mindspore.value_and_grad(
            objective, None, weights, has_aux=True
        )
        (value, logits, values), grads = differentiate(images, labels)
        return value, logits, together(trained, grads, held, values)

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
        trained, _ = apart(params, statistics)
        slopes = {n: grads[n] for n in trained}
        _, state = update(trained, slopes, state)
        for name in statistics:
            ops.assign(params[name], grads[name])
        return params, state

    return both


def apart(params, statistics):
    """What is trained, and the statistics."""
    held = {n: p for n, p in params.items() if n in statistics}
    return {n: p for n, p in params.items() if n not in statistics}, held


def together(trained, grads, held, values):
    """Gradients and next values by name."""
    found = {n: g for n, g in zip(trained.keys(), grads)}
    for name, value in zip(held.keys(), values):
        found[name] = value
    return found
