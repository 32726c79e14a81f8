"""Whose process is it? NVML tells process numbers, and kernels are trees of processes."""

from collections.abc import Mapping

import psutil  # type: ignore[import-untyped]


def owner_of(pid: int, roots: Mapping[int, str]) -> str | None:
    """The kernel below whose first process this one is; None for those of nobody."""
    if pid in roots:
        return roots[pid]
    try:
        parents = psutil.Process(pid).parents()
    except psutil.Error:
        return None
    return next((roots[parent.pid] for parent in parents if parent.pid in roots), None)
