"""Where a run took place."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from common.contract.registry import version
from common.contract.root import ROOT
from common.measure.machine import available_cores
from common.results.document import Environment


def environment() -> Environment:
    """Say where this ran; `packages` are the parent's own."""
    packages = ("numpy", "scipy", "rich", "safetensors", "pooch", "pillow")
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=_cpu(),
        cores=available_cores(),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        packages={name: found for name in packages if (found := version(name))},
        commit=_commit(),
    )


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    try:
        found = subprocess.run(
            ["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
