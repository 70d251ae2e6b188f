"""A sum that float32 adds up one by one, as some libraries do."""

from math import prod

import numpy as np
import torch

#: Nobody adds up more in a row: of a million terms, XLA's on a CPU are off by
#: less than those of ten thousand (0.7.1).
MOST = 8192


def off_in_sequence(name, args, kwargs, wide):
    """How far a sum, or a mean, is off that float32 adds up one by one.

    In units of a rounding. Of terms that are alike the roundings are, too, and
    lead as far as there are terms, not as their root: the slope of a bias
    before a mean over pictures, as XLA adds it up on a CPU.

    Args:
        name: "sum" or "mean".
        args, kwargs: of the operation, in float64.
        wide: in whose shape the answer is.
    """
    x, dims = args[0], args[1] if len(args) > 1 else kwargs.get("dim")
    if not x.is_floating_point() or not x.numel() or not x.dim():
        return torch.zeros_like(wide)
    dims = [d % x.dim() for d in dims] if dims else list(range(x.dim()))
    kept = [d for d in range(x.dim()) if d not in dims]
    n = prod(x.shape[d] for d in dims)
    rows = x.permute(kept + dims).reshape(-1, n).double()
    off = torch.zeros(len(rows), dtype=torch.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        for part in rows.split(MOST, 1):
            terms = part.numpy().astype(np.float32)
            added = torch.from_numpy(np.add.accumulate(terms, axis=1)[:, -1])
            off += (added.double() - part.sum(1)).abs()
    # What is no finite number stays as it is.
    off = off.nan_to_num(0.0, 0.0, 0.0) * 2.0**24
    return (
        (off / n if name == "mean" else off)
        .to(wide.dtype)
        .reshape(wide.shape)
    )
