"""Finds a CUDA MPS daemon that the administrator runs; we start none (one fatal fault ends all of its clients)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_DEFAULT: Final = "/tmp/nvidia-mps"


def running_mps(environ: Mapping[str, str], proc: Path = Path("/proc")) -> Path | None:
    """The folder that clients reach it by; None when none runs that we may use: it serves one user at a time."""
    folder = Path(environ.get("CUDA_MPS_PIPE_DIRECTORY") or _DEFAULT)
    try:
        pid = int((folder / "nvidia-cuda-mps-control.pid").read_text().strip())
        name = (proc / str(pid) / "comm").read_text().strip()
        is_reachable = os.access(folder / "control", os.W_OK)
    except (OSError, ValueError):
        return None
    return folder if is_reachable and name.startswith("nvidia-cuda-mps") else None
