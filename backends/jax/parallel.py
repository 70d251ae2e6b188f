"""Training on several devices: one program, its arrays sharded, in JAX."""

import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import jax
import numpy as np

from . import train


def mesh(ranks, device):
    """The devices in a row; each is a rank.

    Differs: one process has all of them. A CPU has as many as XLA is told
    before it starts.

    See: https://docs.jax.dev/en/latest/notebooks/Distributed_arrays_and_automatic_parallelization.html
    """
    return Mesh(np.array(jax.devices(device)[:ranks]), ("ranks",))


def replicated(tree, mesh):
    """Give every device a copy."""
    return jax.device_put(tree, NamedSharding(mesh, P()))


def places(examples, ranks):
    """Where each example of a batch goes, rank by rank.

    Args:
        examples: of the batch.
        ranks: how many devices there are.

    Returns:
        rows: positions in the batch, as many for each device: its own are
            rank, rank + ranks, ...; then, where there are too few, the first;
        back: where each example stands among them.
    """
    each = -(-examples // ranks)
    slots = np.arange(each * ranks).reshape(each, ranks).T.ravel()
    rows = np.where(slots < examples, slots, 0)
    return rows, np.argsort(slots)[:examples]


def gradients(forward, loss, mode, mesh):
    """Differentiate the mean loss of the whole batch, each device its share.

    Args:
        forward: (params, images) -> logits.
        loss: (logits, labels) -> the mean.
        mode: "jit" or "fused".
        mesh: from `mesh`.

    Returns:
        (params, images, labels) -> value, logits, grads.

    Differs: nothing says that anything is reduced. The program is that of the
    whole batch; the compiler divides it as its arrays are sharded, and sums
    where a product needs rows of all. Rows that fill up are left out of the
    mean: a constraint on rows that do not divide evenly is dropped without a
    word, and every device computes all of them (0.7.1).

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.with_sharding_constraint.html
    """
    by_rows = NamedSharding(mesh, P("ranks"))

    def sharded(params, images):
        rows, back = places(len(images), mesh.size)
        shares = jnp.take(images, rows, axis=0)
        shares = jax.lax.with_sharding_constraint(shares, by_rows)
        return jnp.take(forward(params, shares), back, axis=0)

    return train.gradients(sharded, loss, mode)


def unlike(arrays):
    """Names of the arrays of which a device has another copy than the first."""
    return [
        name
        for name, array in arrays.items()
        if len({bytes(np.asarray(s.data)) for s in array.addressable_shards})
        > 1
    ]
