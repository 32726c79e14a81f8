"""All kernels of this gateway: started, found, and ended together."""

import logging
import os
import re
import shutil
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from kernelhost.environment import kernel_environment, working_folder
from kernelhost.folders import own_folder
from kernelhost.kernel import Kernel
from kernelhost.replay import MAX_BYTES, Replay
from kernelhost.specs import Specs

log = logging.getLogger(__name__)

MAX_KERNELS: Final = 200
_ID: Final = re.compile(r"(?=.{9,100}$)\w+-\w+-\w+-\w+-\w+")


class NoSpec(Exception):
    """No kernelspec has this name; the message names those there are."""


class IdTaken(Exception):
    """A kernel with this id runs already."""


class Full(Exception):
    """There are as many kernels as there may be."""


class Kernels:
    """Use `running()`; kernels live in its task group."""

    def __init__(self, root: Path, keep_bytes: int = MAX_BYTES) -> None:
        self.specs = Specs()
        self.started = datetime.now(UTC)
        self._root = root
        self._keep_bytes = keep_bytes
        self._home = Path()
        self._kernels: dict[str, Kernel] = {}
        self._ending: set[Kernel] = set()
        self._count = 0
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Kernels"]:
        """Returns when no process is left."""
        with own_folder() as self._home:
            async with anyio.create_task_group() as self._tasks:
                try:
                    yield self
                finally:
                    with anyio.CancelScope(shield=True):
                        self._ending |= set(self._kernels.values())
                        self._kernels.clear()
                        async with anyio.create_task_group() as ending:
                            for kernel in self._ending:
                                ending.start_soon(kernel.stop)
                    self._tasks.cancel_scope.cancel()

    @property
    def all(self) -> list[Kernel]:
        return list(self._kernels.values())

    def get(self, id: str) -> Kernel | None:
        return self._kernels.get(id)

    async def start(self, name: str, id: str, path: object, environment: Mapping[str, object]) -> Kernel:
        """Returns when the kernel answers. Raises NoSpec, IdTaken, Full, ValueError for a path or id, KernelFailed."""
        spec = self.specs.get(name or self.specs.default())
        if spec is None:
            raise NoSpec(f"There is no kernel '{name:.60}'; there are {', '.join(self.specs.entries()) or 'none'}.")
        if id and not _ID.fullmatch(id):
            raise ValueError("A kernel_id is five words with '-' between them, like a UUID.")
        if id in self._kernels:
            raise IdTaken(f"A kernel with the id {id} runs already.")
        if len(self._kernels) >= MAX_KERNELS:
            raise Full(f"{MAX_KERNELS} kernels run; shut one down first.")
        assert self._tasks is not None
        id = id or str(uuid.uuid4())
        folder = working_folder(self._root, path)
        variables = kernel_environment(os.environ, environment)
        self._count += 1
        home = self._home / f"{self._count}"
        home.mkdir(mode=0o700)
        replay = Replay(self._keep_bytes)
        kernel = Kernel(id, spec, variables, folder, home, replay, self._tasks, gone=lambda: self.remove(id))
        self._kernels[id] = kernel  # before the first await: it counts from now on (A7)
        try:
            await kernel.start()
        except BaseException:
            self._forget(kernel)
            shutil.rmtree(home, ignore_errors=True)
            raise
        return kernel

    def remove(self, id: str) -> None:
        """At once; its process ends by and by."""
        kernel = self._kernels.get(id)
        if kernel is not None and self._tasks is not None:
            self._forget(kernel)
            self._ending.add(kernel)
            self._tasks.start_soon(self._end, kernel)

    def _forget(self, kernel: Kernel) -> None:
        if self._kernels.get(kernel.id) is kernel:
            del self._kernels[kernel.id]

    async def _end(self, kernel: Kernel) -> None:
        try:
            await kernel.stop()
        finally:
            shutil.rmtree(kernel.home, ignore_errors=True)
            self._ending.discard(kernel)
