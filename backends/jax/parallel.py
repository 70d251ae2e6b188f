"""Training on several devices: one program, its arrays sharded, in JAX.

The devices are one process's, or each is a process's own (`join`): the program
is the same.
"""

import jax.numpy as jnp
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import jax
import numpy as np

from . import statistics as apart
from . import train

NEVER = 10**8  # seconds


def join(rank, ranks, port):
    """Meet the other processes, at a port of this machine.

    Before anything else: what devices there are is settled with the first of
    them that is used. Each process then sees those of all, and runs the same
    program, which computes what its own device has to.

    Differs: there are no shares of a batch to hand out, and nothing to reduce
    by hand; what the compiler sums, gloo does on a CPU. Who has not been heard
    of for 100 s is given up by the others, which end themselves then: how
    long that may be is not their business.

    See: https://docs.jax.dev/en/latest/multi_process.html
    """
    address = f"127.0.0.1:{port}"
    jax.distributed.initialize(
        address,
        ranks,
        rank,
        cluster_detection_method="deactivate",
        heartbeat_timeout_seconds=NEVER,
        coordinator_bind_address=address,
    )
    # gloo meets within 30 s of the first sum, while all are still here.
    multihost_utils.sync_global_devices("met")


def mesh(ranks, device):
    """The devices in a row; each is a rank.

    Differs: one process has all of them, or sees those of others, too. A CPU
    has as many as XLA is told before it starts.

    See: https://docs.jax.dev/en/latest/notebooks/Distributed_arrays_and_automatic_parallelization.html
    """
    return Mesh(np.array(jax.devices(device)[:ranks]), ("ranks",))


def replicated(tree, mesh):
    """Have the same on every device, of what each process has.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.make_array_from_process_local_data.html
    """
    everywhere = NamedSharding(mesh, P())

    def one(x):
        return jax.make_array_from_process_local_data(
            everywhere, np.asarray(x)
        )

    return jax.tree.map(one, tree)


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


def gradients(forward, loss, mode, mesh, statistics=()):
    """Differentiate the mean loss of the whole batch, each device its share.

    Args:
        forward: (params, images) -> logits.
        loss: (logits, labels) -> the mean.
        mode: "jit" or "fused".
        mesh: from `mesh`.
        statistics: names of those params that no gradient moves.

    Returns:
        (params, images, labels) -> value, logits, grads.

    Differs: nothing says that anything is reduced. The program is that of the
    whole batch; the compiler divides it as its arrays are sharded, and sums
    where a product, or the mean of a normalisation, needs rows of all.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.with_sharding_constraint.html
    """
    divided = by_rows(forward, mesh)
    if statistics:
        return apart.gradients(divided, loss, mode, statistics)
    return train.gradients(divided, loss, mode)


def by_rows(forward, mesh):
    """A forward function whose rows are divided among the devices.

    Rows that fill up the shares are left out of the logits: a constraint on
    rows that do not divide evenly is dropped without a word, and every device
    computes all of them (0.7.1). Who normalises by the batch must not see
    them: there that is how it is.
    """
    rowwise, everywhere = (
        NamedSharding(mesh, P("ranks")),
        NamedSharding(mesh, P()),
    )

    def shared(images, rows):
        shares = jnp.take(images, rows, axis=0)
        return jax.lax.with_sharding_constraint(shares, rowwise)

    def put_back(logits, back):
        logits = jnp.take(logits, back, axis=0)
        return jax.lax.with_sharding_constraint(logits, everywhere)

    def divided(params, images):
        rows, back = places(len(images), mesh.size)
        return put_back(forward(params, shared(images, rows)), back)

    def training(params, images):
        rows, back = places(len(images), mesh.size)
        if len(rows) > len(images):
            return forward.training(params, images)
        logits, values = forward.training(params, shared(images, rows))
        return put_back(logits, back), values

    divided.training = training
    return divided


def unlike(arrays):
    """Names of the arrays of which a device has another copy than the first.

    Of this process's devices.
    """
    return [
        name
        for name, array in arrays.items()
        if len({bytes(np.asarray(s.data)) for s in array.addressable_shards})
        > 1
    ]
