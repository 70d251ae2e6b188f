"""A sum that float32 adds up one by one, as some libraries do."""

from math import prod

import numpy as np
import torch


def in_sequence(name, args, kwargs, wide):
    """How far a sum, or a mean, is off that float32 adds up one by one.

    In units of a rounding. Of terms that are alike the roundings are, too, and
    lead as far as there are terms, not as their root: the slope of a bias
    before a mean over pictures, as XLA adds it up on a CPU.
    """
    x, dims = args[0], args[1] if len(args) > 1 else kwargs.get("dim")
    if not x.is_floating_point() or not x.numel():
        return torch.zeros_like(wide)
    dims = [d % x.dim() for d in dims] if dims else list(range(x.dim()))
    kept = [d for d in range(x.dim()) if d not in dims]
    n = prod(x.shape[d] for d in dims)
    rows = x.permute(kept + dims).reshape(-1, n)
    added = np.add.accumulate(rows.numpy().astype(np.float32), axis=1)[:, -1]
    off = (torch.from_numpy(added).to(x.dtype) - rows.sum(1)).abs() * 2.0**24
    return (off / n if name == "mean" else off).reshape(wide.shape)
