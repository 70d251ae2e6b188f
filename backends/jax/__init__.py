"""JAX with optax: pure functions, transformed."""

from common.contract.info import Declared, DeclaredLayer, Info, Parallel

#: Of an entrant on several devices.
DIVIDED = "the compiler of a whole step is what divides a batch among devices"

INFO = Info(
    title="JAX",
    packages=("jax", "optax"),
    extra="jax",
    usual_mode="jit",
    modes=("eager", "jit", "fused"),
    devices=("cpu", "cuda"),
    dtypes={"bfloat16": ("cpu", "cuda"), "tfloat32": ("cuda",)},
    absent={
        "loader": "JAX has no dataset or loader classes of its own",
        "tfloat32": "TF32 belongs to GPUs; a CPU has products of float32 as such",
    },
    # The CPU client sizes its thread pool by NPROC; the process's affinity counts too.
    environment={
        "NPROC": "{threads}",
        "JAX_PLATFORMS": "{device}",
        "KERAS_BACKEND": "jax",
        # It would take three quarters of a GPU's memory at once, and leave
        # nothing to whoever else is open on it.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    },
    # Ours and not JAX's, which has no such setting: see train.py, `pin_threads`.
    tuned={"COMPARE_PIN_THREADS": "1"},
    parallel=(
        Parallel(
            word="sharded",
            kind="devices",
            modes=("jit", "fused"),
            devices=("cpu", "cuda"),
            absent={"eager": DIVIDED},
            # It counts for the CPU alone.
            environment={
                "XLA_FLAGS": "--xla_force_host_platform_device_count={ranks}",
                # Several devices have no pool that is one device's.
                "COMPARE_PIN_THREADS": "0",
            },
        ),
        Parallel(
            word="distributed",
            kind="controllers",
            modes=("jit", "fused"),
            absent={
                "eager": DIVIDED,
                "cuda": "a GPU for each process was not at hand",
            },
            environment={
                "COMPARE_PIN_THREADS": "0",
                # One device each, and the others not by way of a proxy.
                "XLA_FLAGS": "--xla_force_host_platform_device_count=1",
                "JAX_NUM_CPU_DEVICES": "-1",
                "no_grpc_proxy": "127.0.0.1",
            },
        ),
    ),
    modules=(
        "keras.src.backend.jax.layer.JaxLayer",
        "flax.nnx.module.Module",
        "flax.linen.module.Module",
        "equinox._module._module.Module",
        "equinox._module.Module",  # before 0.13
    ),
    declared=(
        Declared(
            function="adagrad_concise",
            dtypes=("float32", "float64", "bfloat16", "tfloat32"),
            rule="adagrad",
            bound="with eps 1e-10 a first step of gradients of 1e-5 is 0.7 times "
            "as long, of 1e-7 a hundredth",
            reason="optax.adagrad adds eps inside the root: p - lr * g / "
            "sqrt(v + eps)",
            version="optax 0.2.8",
        ),
    ),
    # flax/nnx/nn/normalization.py, flax/linen/normalization.py,
    # equinox/nn/_batch_norm.py, keras/src/layers/normalization/
    # batch_normalization.py: the variance that a batch is normalised by is the
    # one that is kept.
    declared_layers=(
        DeclaredLayer(
            kinds=("BatchNorm",),
            buffer="var",
            reason="the running variance is divided by n, not by n - 1",
            version="flax 0.12.0, equinox 0.13.0",
        ),
        DeclaredLayer(
            kinds=("BatchNormalization",),
            buffer="moving_variance",
            reason="the running variance is divided by n, not by n - 1",
            version="keras 3.15.1",
        ),
    ),
    remarks=(
        (
            "cpu",
            "bfloat16",
            "on a CPU a gradient's sum over pictures, rows and columns is rounded "
            "after every addition (0.7.1) and stays behind: of 25 088 ones it is "
            "256; see the lesson bfloat16_gradients",
        ),
        (
            "attention_concise",
            "float64",
            "jax.nn.dot_product_attention has a softmax of float32 (0.7.1); "
            "attention from scratch stands in for it",
        ),
    ),
    listings={
        "scratch": ("linear", "softmax", "mlp"),
        "concise": ("linear", "softmax", "mlp", "lenet"),
    },
)
