"""Keeps gateway and hosts from kernels: hides their memory and environment from code of the same user, which could read
both through /proc (D4), and lets kernels go first when the machine runs out of memory (M3)."""

import ctypes
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_OOM_SCORE: Final = -500


def hide_memory() -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # needs root
            Path("/proc/self/oom_score_adj").write_text(f"{_OOM_SCORE}")
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
