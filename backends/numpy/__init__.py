"""NumPy: the referee. Formulas and gradients written out by hand, in float64."""

from common.spec import Info

INFO = Info(
    title="NumPy",
    packages=("numpy",),
    extra=None,
    usual_mode="eager",
    modes=("eager",),
    styles=("scratch",),
    absent={
        "concise": "NumPy has no layers, losses or optimisers of its own",
        "jit": "NumPy runs op by op; it has no compiler",
        "fused": "NumPy runs op by op; it has no compiler",
        "loader": "NumPy has no dataset or loader classes",
        "cuda": "NumPy computes on the CPU",
    },
    environment={
        "OPENBLAS_NUM_THREADS": "{threads}",
        "MKL_NUM_THREADS": "{threads}",
        "OMP_NUM_THREADS": "{threads}",
    },
)
