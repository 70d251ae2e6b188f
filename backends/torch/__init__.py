"""PyTorch: tensors that change in place, gradients recorded as the code runs."""

from common.contract.info import Declared, DeclaredLayer, Info, Parallel

#: Of what reads rows: a step of 28 took two minutes of two busy cores to
#: compile, one of 12 rows half a minute, and each shape is compiled anew.
UNROLLED = (
    "torch.compile takes no nn.GRU and no nn.LSTM, and lays a loop of rows "
    "out in a row, which takes minutes to compile (2.14.1)"
)

#: train.py differentiates by torch.func, which ends in no .grad.
NO_HOOKS = (
    "a compiled step is differentiated in functional form here, and "
    "DistributedDataParallel reduces in hooks of loss.backward()"
)

INFO = Info(
    title="PyTorch",
    packages=("torch",),
    extra="torch",
    usual_mode="eager",
    modes=("eager", "jit", "fused"),
    data=("memory", "loader"),
    devices=("cpu", "cuda"),
    dtypes={"bfloat16": ("cpu", "cuda"), "tfloat32": ("cuda",)},
    absent={
        "tfloat32": "TF32 belongs to GPUs; a CPU has products of float32 as such"
    },
    environment={
        "OMP_NUM_THREADS": "{threads}",
        "MKL_NUM_THREADS": "{threads}",
        "KERAS_BACKEND": "torch",
    },
    lacking={
        model: {"jit": UNROLLED, "fused": UNROLLED}
        for model in ("gru", "lstm")
    },
    loader_packages=("torchvision",),
    parallel=(
        Parallel(
            word="ddp",
            kind="ranks",
            modes=("eager",),
            absent={
                "jit": NO_HOOKS,
                "fused": NO_HOOKS,
                "cuda": "NCCL wants a GPU for each process, which was not "
                "tried",
            },
        ),
    ),
    modules=(
        "keras.src.backend.torch.layer.TorchLayer",
        "torch.nn.modules.module.Module",
    ),
    refused={
        "keras.src.layers.layer.Layer": "Keras computes in another framework"
        " than PyTorch or JAX; set KERAS_BACKEND=torch or jax before it is"
        " imported",
    },
    declared=(
        Declared(
            function="clip_norm_concise",
            dtypes=("float32", "float64", "bfloat16", "tfloat32"),
            rule="clip_norm",
            bound="each clipped gradient is smaller by 1e-6 / norm of itself: "
            "a millionth where the norm is 1",
            reason="clip_grad_norm_ adds 1e-6 to the norm: grads * min(1, "
            "most / (norm + 1e-6))",
            version="2.14.1",
        ),
    ),
    # keras/src/layers/normalization/batch_normalization.py: the variance that
    # a batch is normalised by is the one that is kept.
    declared_layers=(
        DeclaredLayer(
            kinds=("BatchNormalization",),
            buffer="moving_variance",
            reason="the running variance is divided by n, not by n - 1",
            version="keras 3.15.1",
        ),
    ),
    # Not its functions: cuDNN's tanh and sigmoid err by 2e-7 of the largest.
    remarks=(
        (
            "lstm_concise",
            "cuda",
            "nn.LSTM is cuDNN's on a GPU: after 28 rows off by 3.3e-6, where "
            "PyTorch's own without it is off by 8e-8 (2.11)",
        ),
        (
            "gru_concise",
            "cuda",
            "nn.GRU is cuDNN's on a GPU: after 28 rows off by 3.9e-6, where "
            "PyTorch's own without it is off by 1e-7 (2.11)",
        ),
        (
            "sgd_concise",
            "*",
            "torch.optim.SGD's arithmetic by its functional form, torch.optim.sgd.sgd, with foreach",
        ),
        (
            "nesterov_concise",
            "*",
            "torch.optim.SGD's arithmetic by its functional form, torch.optim.sgd.sgd, with foreach",
        ),
        (
            "adam_concise",
            "*",
            "torch.optim.Adam's arithmetic by its functional form, torch.optim.adam.adam, with foreach",
        ),
        (
            "rmsprop_concise",
            "*",
            "torch.optim.RMSprop's arithmetic by its functional form, torch.optim.rmsprop.rmsprop, with foreach",
        ),
        (
            "adagrad_concise",
            "*",
            "torch.optim.Adagrad's arithmetic by its functional form, torch.optim.adagrad.adagrad, with foreach",
        ),
        (
            "adamw_concise",
            "*",
            "torch.optim.AdamW's arithmetic by its functional form, torch.optim.adamw.adamw, with foreach",
        ),
    ),
    listings={
        "scratch": ("linear", "softmax", "mlp"),
        "concise": ("linear", "softmax", "mlp", "lenet"),
    },
)
