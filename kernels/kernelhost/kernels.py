"""All kernels of this gateway, and the kernelspecs they can be made of."""

import logging
import os
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup
from jupyter_client.kernelspec import KernelSpecManager

from kernelhost.environment import kernel_environment, working_folder
from kernelhost.kernel import Kernel

log = logging.getLogger(__name__)

MAX_KERNELS: Final = 200
_ID: Final = re.compile(r"\w+-\w+-\w+-\w+-\w+")


class NoSpec(Exception):
    """No kernelspec has this name; the message names those there are."""


class IdTaken(Exception):
    """A kernel with this id runs already."""


class Full(Exception):
    """There are as many kernels as there may be."""


class Kernels:
    """Use `running()`; kernels live in its task group."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._kernels: dict[str, Kernel] = {}
        self._specs = KernelSpecManager()
        self._tasks: TaskGroup | None = None
        self.started = datetime.now(UTC)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Kernels"]:
        async with anyio.create_task_group() as self._tasks:
            try:
                yield self
            finally:
                with anyio.CancelScope(shield=True):
                    async with anyio.create_task_group() as ending:
                        for id in list(self._kernels):
                            ending.start_soon(self.remove, id)
                self._tasks.cancel_scope.cancel()

    @property
    def all(self) -> list[Kernel]:
        return list(self._kernels.values())

    def get(self, id: str) -> Kernel | None:
        return self._kernels.get(id)

    async def start(self, spec: str, id: str, path: object, environment: Mapping[str, object]) -> Kernel:
        """Returns when the kernel answers. Raises NoSpec, IdTaken, Full, ValueError for a path, and KernelFailed."""
        specs = self.specs()
        name = spec or self.default_spec
        if name not in specs:
            raise NoSpec(f"There is no kernel '{name:.60}'; there are {', '.join(specs) or 'none'}.")
        if id in self._kernels:
            raise IdTaken(f"A kernel with the id {id} runs already.")
        if len(self._kernels) >= MAX_KERNELS:
            raise Full(f"{MAX_KERNELS} kernels run; shut one down first.")
        assert self._tasks is not None
        folder = working_folder(self._root, path)
        variables = kernel_environment(os.environ, specs[name]["spec"]["env"], environment)
        kernel = Kernel(id if _ID.fullmatch(id) else str(uuid.uuid4()), name, variables, folder, self._tasks)
        self._kernels[kernel.id] = kernel  # before the first await: it counts from now on (A7)
        try:
            await kernel.start()
        except BaseException:
            self._kernels.pop(kernel.id, None)
            raise
        return kernel

    async def remove(self, id: str) -> bool:
        kernel = self._kernels.pop(id, None)
        if kernel is None:
            return False
        await kernel.stop()
        return True

    @property
    def default_spec(self) -> str:
        return "python3"

    def specs(self) -> dict[str, dict[str, Any]]:
        """Entries of `GET /api/kernelspecs`, those without a language or a program left out."""
        found: dict[str, dict[str, Any]] = {}
        for name, entry in self._specs.get_all_specs().items():
            spec = {"env": {}, "interrupt_mode": "signal", "metadata": {}} | entry["spec"]
            if spec.get("argv") and spec.get("language") and spec.get("display_name"):
                found[name] = {"name": name, "spec": spec, "resources": self._resources(name, entry["resource_dir"])}
        return found

    def resource(self, name: str, file: str) -> Path | None:
        """A kernelspec's own file, such as its logo."""
        entry = self._specs.get_all_specs().get(name)
        if entry is None or not re.fullmatch(r"[A-Za-z0-9_.-]+", file) or file == "kernel.json":
            return None
        path = Path(entry["resource_dir"]) / file
        return path if path.is_file() else None

    def _resources(self, name: str, folder: str) -> dict[str, str]:
        resources = {}
        for file in sorted(Path(folder).glob("*")):
            if file.stem.startswith("logo-"):
                resources[file.stem] = f"/kernelspecs/{name}/{file.name}"
            elif file.name in ("kernel.js", "kernel.css"):
                resources[file.name] = f"/kernelspecs/{name}/{file.name}"
        return resources
