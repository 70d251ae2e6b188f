"""PyTorch: tensors that change in place, gradients recorded as the code runs."""

from common.contract.info import Info

INFO = Info(
    title="PyTorch",
    packages=("torch",),
    extra="torch",
    usual_mode="eager",
    modes=("eager", "jit", "fused"),
    data=("memory", "loader"),
    devices=("cpu", "cuda"),
    environment={
        "OMP_NUM_THREADS": "{threads}",
        "MKL_NUM_THREADS": "{threads}",
    },
    loader_packages=("torchvision",),
    modules=("torch.nn.modules.module.Module",),
    remarks=(
        (
            "cuda",
            "*",
            "not tried on a GPU yet; fused is some steps in one compiled call, no CUDA graph",
        ),
        (
            "sgd_concise",
            "*",
            "torch.optim.SGD's arithmetic by its functional form, torch.optim.sgd.sgd, with foreach",
        ),
        (
            "adam_concise",
            "*",
            "torch.optim.Adam's arithmetic by its functional form, torch.optim.adam.adam, with foreach",
        ),
        (
            "adamw_concise",
            "*",
            "torch.optim.AdamW's arithmetic by its functional form, torch.optim.adamw.adamw, with foreach",
        ),
    ),
)
