"""Models with running statistics, in JAX: what is not differentiated.

Running means and variances are among the params, and no optimiser's: no
gradient moves them, no weight decay. Where the other parameters have their
gradient, they have their next value.
"""

import jax


def backward(forward, statistics):
    """Pull a gradient back from the logits, as in training.

    Returns:
        (params, images, dlogits) -> grads, named and shaped as the params;
        in the place of a statistic's stands its next value.
    """

    def pull_back(params, images, dlogits):
        trained, held = apart(params, statistics)

        def run(trained):
            return forward.training({**trained, **held}, images)

        _, vjp, values = jax.vjp(run, trained, has_aux=True)
        return {**vjp(dlogits)[0], **dict(zip(held, values, strict=True))}

    return pull_back


def gradients(forward, loss, mode, statistics):
    """Differentiate the loss of training by every parameter but statistics.

    Returns:
        (params, images, labels) -> value, logits, grads; in the place of a
        statistic's stands its next value.
    """

    def objective(trained, held, images, labels):
        logits, values = forward.training({**trained, **held}, images)
        return loss(logits, labels), (logits, values)

    differentiate = jax.value_and_grad(objective, has_aux=True)

    def value_and_gradients(params, images, labels):
        trained, held = apart(params, statistics)
        (value, aux), grads = differentiate(trained, held, images, labels)
        logits, values = aux
        grads = {**grads, **dict(zip(held, values, strict=True))}
        return value, logits, grads

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
        slopes = {name: grads[name] for name in trained}
        moved, state = update(trained, slopes, state)
        moved = {**moved, **{name: grads[name] for name in statistics}}
        return {name: moved[name] for name in params}, state

    return both


def apart(params, statistics):
    """What is trained, and the statistics."""
    held = {n: p for n, p in params.items() if n in statistics}
    return {n: p for n, p in params.items() if n not in statistics}, held
