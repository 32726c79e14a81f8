"""A kernel as it was at first: a fresh process under the same id and, if asked, an empty folder. One kernel or all."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import anyio

from kernelhost.emptying import NotEmptied
from kernelhost.kernel import KernelFailed
from kernelhost.quotas import Quota

# Enough for people who try things, too little for a script to keep a machine at starting processes.
_TIMES: Final = 4
_ALL_TIMES: Final = 2
_WITHIN_S: Final = 60.0
_AT_ONCE: Final = 4


class FolderInUse(Exception):
    """The folder is not this kernel's alone; the message is one sentence."""


class Resettable(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def folder(self) -> Path: ...

    async def restart(self, empty_below: Path | None = None) -> None:
        """Raises KernelFailed, NotEmptied."""


class Resets:
    def __init__(
        self, root: Path, kernels: Callable[[], Sequence[Resettable]], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = root.resolve()
        self._kernels = kernels
        self._now_s = now_s
        self._quota = Quota("A runtime is reset", _TIMES, _WITHIN_S)
        self._quota_of_all = Quota("All runtimes are reset", _ALL_TIMES, _WITHIN_S)

    async def reset(self, kernel: Resettable, folder: bool) -> None:
        """Raises TooOften and FolderInUse, after which nothing has happened; KernelFailed; NotEmptied, after which the
        kernel runs but its folder has something in it."""
        if folder:
            self._check_folder(kernel)
        self._quota.use(self._now_s(), kernel.id)
        await kernel.restart(self._root if folder else None)

    async def reset_all(self, folder: bool) -> list[str]:
        """What failed, in sentences. Kernels that work in the gateway's own folder keep its files. Raises TooOften."""
        self._quota_of_all.use(self._now_s())
        failed: list[str] = []
        limit = anyio.CapacityLimiter(_AT_ONCE)

        async def reset(kernel: Resettable) -> None:
            async with limit:
                try:
                    await kernel.restart(self._root if folder and kernel.folder != self._root else None)
                except (KernelFailed, NotEmptied) as error:
                    failed.append(str(error))

        async with anyio.create_task_group() as tasks:
            for kernel in self._kernels():
                tasks.start_soon(reset, kernel)
        return failed

    def _check_folder(self, kernel: Resettable) -> None:
        """Raises FolderInUse."""
        mine = kernel.folder
        if mine == self._root:
            raise FolderInUse(
                "This kernel works in the gateway's own folder, which is not emptied; start it with a path of its own."
            )
        for other in self._kernels():
            if other.id != kernel.id and (mine == other.folder or mine in other.folder.parents):
                raise FolderInUse(
                    f"Another kernel works in the folder {mine.name} too, so it is not emptied; "
                    "shut that one down first, or reset all."
                )
