"""MindSpore: parameters with names, Python compiled to graphs."""

from common.contract.info import Declared, Info, Parallel

INFO = Info(
    title="MindSpore",
    packages=("mindspore",),
    extra="mindspore",
    usual_mode="jit",
    modes=("eager", "jit", "fused"),
    data=("memory", "loader"),
    absent={
        "cuda": "MindSpore 2.10 has no CUDA build",
        # Seen: "Unsupported data type" of MatMul, Exp, ReLU and ReduceSum;
        # it adds and divides them.
        "bfloat16": "MindSpore 2.10 multiplies no matrices of it on a CPU",
        "tfloat32": "TF32 belongs to GPUs, for which MindSpore 2.10 has no build",
    },
    # Its threads hand each step to one another at the pace of the scheduler: on two cores an
    # epoch takes 0.08 s, and now and then 3 s. This makes it 0.11 s, every time.
    tuned={"MS_DEV_HOST_BLOCKING_RUN": "1"},
    # It hands oneDNN (3.10.1) kernels laid out as they are, (out, in, height,
    # width), for which oneDNN has nothing but its reference code once it may
    # use AVX-512 and so puts pictures channels last: LeNet takes eleven times
    # as long as with AVX2. Other models multiply matrices faster with AVX-512.
    tuned_convolutions={"ONEDNN_MAX_CPU_ISA": "AVX2"},
    environment={"GLOG_v": "2"},
    parallel=(
        Parallel(
            word="parallel",
            kind="ranks",
            modes=("eager", "jit", "fused"),
            dtypes=("float32",),
            absent={
                "float64": "MindSpore 2.10 reduces in float32 alone: its AllReduce "
                "refuses float64, and DistributedGradReducer rounds to float32 and "
                "back"
            },
            # A process waits for the others for ever, as in PyTorch, and not for
            # 30 s: how long a call may take is not its business.
            environment={"MS_CPU_COMM_OP_TIMEOUT": "-1"},
        ),
    ),
    remarks=(
        (
            "sgd_concise",
            "float64",
            "nn.SGD refuses float64 (2.10.0); nn.Momentum steps instead, its "
            "learning rate and momentum replaced by float64 parameters",
        ),
        (
            "adam_concise",
            "float64",
            "nn.Adam refuses float64 (2.10.0); adam_scratch stands in for it",
        ),
        (
            "adamw_concise",
            "float64",
            "experimental.optim.AdamW rounds its constants to float32 "
            "(2.10.0); adamw_scratch stands in for it",
        ),
        (
            "rmsprop_concise",
            "float64",
            "experimental.optim.RMSprop rounds its constants to float32 "
            "(2.10.0); rmsprop_scratch stands in for it",
        ),
        (
            "adagrad_concise",
            "float64",
            "experimental.optim.Adagrad rounds its constants to float32 "
            "(2.10.0); adagrad_scratch stands in for it",
        ),
        (
            "nesterov_concise",
            "float64",
            "nn.SGD refuses float64, and nn.Momentum ignores use_nesterov on a "
            "CPU (2.10.0); nesterov_scratch stands in for it",
        ),
        (
            "lenet_bn_concise",
            "float64",
            "nn.Conv2d and nn.BatchNorm2d refuse float64 on a CPU (2.10.0); "
            "lenet_bn_scratch stands in for it",
        ),
        (
            "resnet_concise",
            "float64",
            "nn.Conv2d and nn.BatchNorm2d refuse float64 on a CPU (2.10.0); "
            "resnet_scratch stands in for it",
        ),
        (
            "smoothed_cross_entropy_concise",
            "float64",
            "cross_entropy multiplies by e in float32 (2.10.0); "
            "smoothed_cross_entropy_scratch stands in for it",
        ),
        (
            "clip_norm_concise",
            "float64",
            "ops.clip_by_global_norm rounds the norm to float32 (2.10.0); "
            "clip_norm_scratch stands in for it",
        ),
        (
            "lenet_concise",
            "float64",
            "nn.Conv2d refuses float64 on a CPU (2.10.0); lenet_scratch "
            "stands in for it",
        ),
        (
            "lstm_concise",
            "float64",
            "nn.LSTM computes float64 in float32, its gradients are NaN "
            "(2.10.0); lstm_scratch stands in for it",
        ),
        (
            "attention_concise",
            "float64",
            "nn.LayerNorm computes partly in float32 (2.10.0); "
            "attention_scratch stands in for it",
        ),
        (
            "cross_entropy_concise",
            "float64",
            "ops.log_softmax computes in float32 (2.10.0); ops.cross_entropy "
            "stands in for it",
        ),
        (
            "fused",
            "float64",
            "one step in a call, as jit: in a graph of several steps the "
            "parameters of the first are rounded to float32 (2.10.0)",
        ),
        (
            "squared_error_concise",
            "float64",
            "ops.mse_loss averages in float32 (2.10.0); ops.square and mean "
            "stand in for it",
        ),
    ),
    declared=(
        Declared(
            function="adam_concise",
            dtypes=("float32",),
            rule="adam",
            bound="with eps 1e-8, over 240 steps of 256 pictures in float64: "
            "losses up to 6e-6 apart (softmax), 1.3e-3 (mlp); with eps 1e-3 a "
            "first step of gradients of 1e-6 is 32 times shorter",
            reason="nn.Adam adds eps before it corrects v's bias, so that eps "
            "counts 1 / sqrt(1 - b2^t) times: p - lr * sqrt(1 - b2^t) / "
            "(1 - b1^t) * m / (sqrt(v) + eps)",
            version="2.10.0",
        ),
    ),
    # Measured on [-20, 0] in 2.10.0: 8.2e-6, where NumPy's is 1.9e-7.
    exp_error=8.5e-6,
    # Measured on [-8, 8] in 2.10.0: tanh is off by 2e-7 up to 2, by 1.5e-5 at
    # 4, by 1e-4 at 5, from where on it is 1.
    function_errors={"tanh": 1.01e-4, "exp": 8.5e-6},
    modules=("mindspore.nn.cell.Cell",),
    doubles=False,
    listings={
        "scratch": ("linear", "softmax", "mlp"),
        "concise": ("linear", "softmax", "mlp", "lenet"),
    },
)
