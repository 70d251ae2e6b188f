"""Train one model in several frameworks and prove whether they agree.

    python compare.py --backends torch jax mindspore numpy

and in a notebook

    from compare import compare
    compare(backends=["torch", "jax"])
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from common.cli.commands import main

if TYPE_CHECKING:
    from common.shown.notebook import Comparison


def compare(backends: Sequence[str] | None = None, **settings: Any) -> Comparison:
    """Train one model in several frameworks; see `common.compare.compare`."""
    # Only here: the command line answers in a tenth of a second, without the charts.
    from common import compare

    return compare.compare(backends, **settings)


if __name__ == "__main__":
    sys.exit(main())
