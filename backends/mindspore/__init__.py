"""MindSpore: parameters with names, Python compiled to graphs."""

from common.spec import Info

INFO = Info(
    title="MindSpore",
    packages=("mindspore",),
    extra="mindspore",
    usual_mode="jit",
    modes=("eager", "jit"),
    data=("memory", "loader"),
    absent={
        "fused": "mindspore.jit holds one step here; several steps in one call are not built",
        "cuda": "MindSpore 2.10 has no CUDA build",
    },
    # Its threads hand each step to one another at the pace of the scheduler; on few cores
    # this makes a step four to eight times quicker.
    tuned={"MS_DEV_HOST_BLOCKING_RUN": "1"},
    environment={"GLOG_v": "2"},
    remarks=(
        (
            "sgd_concise",
            "float64",
            "nn.SGD refuses float64 (2.10.0); nn.Momentum steps instead, its "
            "learning rate and momentum replaced by float64 parameters",
        ),
        (
            "squared_error_concise",
            "float64",
            "ops.mse_loss averages in float32 (2.10.0); ops.square and mean "
            "stand in for it",
        ),
    ),
    # Measured on [-20, 0] in 2.10.0: 8.2e-6, where NumPy's is 1.9e-7.
    exp_error=8.5e-6,
)
