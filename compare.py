"""Train one model in several frameworks and prove whether they agree.

    python compare.py --backends torch jax mindspore numpy

and from Python, a notebook for instance

    from compare import Port, check, compare, speak
    compare(backends=["torch", "jax"])
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from common.check import check
    from common.compare import compare
    from common.entrants.port import Port
    from common.locale.language import speak

__all__ = ["Port", "check", "compare", "speak"]

_HOMES = {
    "Port": "common.entrants.port", "check": "common.check", "compare": "common.compare",
    "speak": "common.locale.language",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command line answers in a tenth of a second, without NumPy.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    try:
        from common.cli.commands import main

        code = main()
    except KeyboardInterrupt:  # while that is imported
        print("compare.py: interrupted before there was anything to save", file=sys.stderr)
        code = 130
    except ModuleNotFoundError as error:  # 1 would say that somebody differs
        if (error.name or "").partition(".")[0] in {"common", "backends"}:
            raise
        print(f"compare.py: {error}; `pip install -e .` brings what is needed", file=sys.stderr)
        code = 70
    sys.exit(code)
