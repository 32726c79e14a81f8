"""All kernels of this gateway: started, found again, and ended."""

import logging
import os
import secrets
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from kernelhost import pids
from kernelhost.adoption import fits, make_room, settling_code
from kernelhost.confinement import OPEN
from kernelhost.confining import Walls
from kernelhost.document import Document
from kernelhost.environment import kernel_environment, working_folder
from kernelhost.folders import clear_abandoned, own_folder, short_parent
from kernelhost.gpus.gpus import Gpus
from kernelhost.gpus.grant import NAMES, from_json
from kernelhost.gpus.nvml import NoNvml
from kernelhost.ids import KERNEL_ID
from kernelhost.journal import MAX_BYTES
from kernelhost.kernel import KernelFailed
from kernelhost.link import HOSTS_LOG, Link, Unreachable
from kernelhost.pool import Pool
from kernelhost.quotas import Quota
from kernelhost.registry import Row, clear_row, rows
from kernelhost.revival import Revival
from kernelhost.spec import Spec
from kernelhost.specs import Specs

log = logging.getLogger(__name__)

_LOG_BYTES: Final = 4 << 20
# Below the root, as folders in it are to be moved.
_READY: Final = ".kernelhost-ready"
_NOTHING: Final = Spec("", (), {}, "", "signal", Path())


class NoSpec(Exception):
    """No kernelspec has this name; the message names those there are."""


class IdTaken(Exception):
    """A kernel with this id runs already."""


class Full(Exception):
    """There are as many kernels as there may be."""


class Kernels:
    """Use `running()`; what belongs to kernels here lives in its task group.

    `data` is where kernels are registered, so that they outlive us: for `alone_s`, and with `keep` true at our own end.
    Without it they end with us in any case."""

    def __init__(
        self,
        root: Path,
        keep_bytes: int = MAX_BYTES,
        data: Path | None = None,
        alone_s: float = 0.0,
        max_kernels: int = 200,
        max_starts: int = 60,
        pool: Iterable[tuple[str, int]] = (),
    ) -> None:
        self.specs = Specs()
        self.started = datetime.now(UTC)
        self.keep = data is not None
        self.found = anyio.Event()
        # When those that died by themselves are started again.
        self.revival = Revival()
        # What kernels are held in; None: nothing.
        self.walls: Walls | None = None
        # Who has which; there are none unless they are put here.
        self.gpus = Gpus(NoNvml())
        # Called with a kernel's id, a kind and a sentence for the people who use it.
        self.noticed: Callable[[str, str, str], None] = lambda id, kind, text: None
        # Called with a kernel's id for what its model has besides; with why one ends that did not die by itself; with
        # how long a start took in seconds, None for one that failed.
        self.extras: Callable[[str], dict[str, object]] = lambda id: {}
        self.ended: Callable[[str], None] = lambda reason: None
        self.asked: Callable[[float | None], None] = lambda seconds: None
        self._max_kernels = max_kernels
        self._starts = Quota("Kernels are started", max_starts, 60)
        self._root = root
        self._keep_bytes = keep_bytes
        self._data = data
        self._alone_s = alone_s if data is not None else 0.0
        self._rows = self._temp = Path()
        self._kernels: dict[str, Link] = {}
        self._ending: set[Link] = set()
        self._tasks: TaskGroup | None = None
        self._pool: Pool[Link] = Pool(pool, self._spec, self._start_ahead, self._end_ready)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Kernels"]:
        """`found` is set when the kernels of the last gateway are here again. At the end, when none are kept, returns
        when no process is left."""
        with ExitStack() as stack:
            self._temp = short_parent()
            clear_abandoned(self._temp)
            self._rows = self._data if self._data is not None else stack.enter_context(own_folder(self._temp))
            self._rows.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.rmtree(self._root / _READY, ignore_errors=True)
            stack.callback(shutil.rmtree, self._root / _READY, ignore_errors=True)
            _trim(self._rows / HOSTS_LOG)
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._find)
                async with anyio.create_task_group() as ahead:
                    ahead.start_soon(self._keep_ready)
                    try:
                        yield self
                    finally:
                        ahead.cancel_scope.cancel()
                        with anyio.CancelScope(shield=True):
                            await self._part()
                self._tasks.cancel_scope.cancel()

    @property
    def all(self) -> list[Link]:
        return list(self._kernels.values())

    @property
    def ready(self) -> int:
        """How many wait for somebody to ask for one."""
        return self._pool.size

    def get(self, id: str) -> Link | None:
        return self._kernels.get(id)

    async def start(self, name: str, id: str, path: object, environment: Mapping[str, object]) -> Link:
        """Returns when the kernel answers. Raises NoSpec, IdTaken, Full, TooOften, ValueError for a path, id or wish,
        KernelFailed, and NoneFree when it is to wait for a GPU."""
        spec = self.specs.get(name or self.specs.default())
        if spec is None:
            raise NoSpec(f"There is no kernel '{name:.60}'; there are {', '.join(self.specs.entries()) or 'none'}.")
        if id and not KERNEL_ID.fullmatch(id):
            raise ValueError("A kernel_id is five words with '-' between them, like a UUID.")
        if id in self._kernels:
            raise IdTaken(f"A kernel with the id {id} runs already.")
        if len(self._kernels) >= self._max_kernels:
            raise Full(f"{self._max_kernels} kernels run, as many as may; shut one down first.")
        wish = self.gpus.wish(environment, self.specs.metadata(spec.name))
        keeps_place = bool(id)
        id = id or str(uuid.uuid4())
        self.settle_gpus()
        grant = self.gpus.take(id, wish, keeps_place)
        self._starts.use(time.monotonic())
        folder = working_folder(self._root, path)
        variables = kernel_environment(os.environ, environment) | self.gpus.variables(grant)
        confinement = self.walls.confinement(environment) if self.walls is not None else OPEN
        document = replace(
            self._document(id, spec, variables, folder),
            confinement=replace(confinement, devices=grant.nodes),
            gpus=tuple(grant.to_json()),
        )
        begun_s = time.monotonic()
        # Counts before the first await (A7).
        kernel = self._kernels[id] = self._take_ready(document) or self._link(document)
        try:
            if kernel.document is not document and not await self._adopt(kernel, document):
                kernel = self._kernels[id] = self._link(document)
            if kernel.state == "starting":
                await kernel.start()
        except BaseException:
            self.asked(None)
            self._forget(kernel)
            with anyio.CancelScope(shield=True):
                await kernel.stop()
            raise
        self.asked(time.monotonic() - begun_s)
        return kernel

    def remove(self, id: str, reason: str = "The kernel was shut down.") -> None:
        """At once; its process ends by and by."""
        kernel = self._kernels.get(id)
        if kernel is not None:
            self._end(kernel, reason)

    def settle_gpus(self) -> None:
        """What kernels hold that live or are ending still; who died holds nothing."""
        living = [kernel for kernel in self._kernels.values() if kernel.state != "dead"]
        self.gpus.settle({kernel.id: kernel.grant for kernel in (*living, *self._ending)})

    # -- within -------------------------------------------------------------------------------------------------------

    def _document(self, id: str, spec: Spec, variables: Mapping[str, str], folder: Path) -> Document:
        rows, temp = self._rows, self._temp
        document = Document(id, spec, variables, folder, rows, temp, self._keep_bytes, self._alone_s)
        return replace(document, revival=self.revival)

    # -- kernels that are ready ---------------------------------------------------------------------------------------

    def _spec(self, name: str) -> Spec | None:
        return self.specs.get(name or self.specs.default())

    async def _keep_ready(self) -> None:
        await self.found.wait()  # which ends all that the last gateway had ready
        await self._pool.run()

    async def _start_ahead(self, spec: Spec) -> Link:
        """Raises KernelFailed and OSError."""
        confinement = self.walls.confinement({}) if self.walls is not None else OPEN
        folder = self._root
        if confinement.level != "none":
            folder = self._root / _READY / secrets.token_hex(8)
            folder.mkdir(parents=True)
        document = self._document(str(uuid.uuid4()), spec, kernel_environment(os.environ, {}), folder)
        kernel = self._link(replace(document, confinement=confinement, alone_s=0.0, pooled=True))
        try:
            await kernel.start()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._stop_ready(kernel)
            raise
        return kernel

    def _take_ready(self, wanted: Document) -> Link | None:
        """One that nobody else gets, its folder moved to where it is wanted."""
        others = {kernel.folder for kernel in (*self._kernels.values(), *self._ending)}
        moves = wanted.confinement.level != "none"
        if moves and (wanted.cwd in others or any(wanted.cwd.iterdir())):
            return None
        kernel = self._pool.take(wanted.spec, lambda ready: fits(ready.document, wanted))
        if kernel is not None and moves and not make_room(kernel.folder, wanted.cwd):
            self._end_ready(kernel)
            return None
        return kernel

    async def _adopt(self, kernel: Link, document: Document) -> bool:
        """Whether it is of use. Raises KernelFailed."""
        try:
            await kernel.adopt(document, settling_code(kernel.document, document))
        except KernelFailed as error:
            if self._kernels.get(document.id) is not kernel:
                raise  # somebody ended it meanwhile
            log.warning("A kernel that was ready is of no use", extra={"kernel": document.id, "why": str(error)})
            self._end(kernel)
            return False
        return True

    def _end_ready(self, kernel: Link) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(self._stop_ready, kernel)

    async def _stop_ready(self, kernel: Link) -> None:
        await kernel.stop()
        if kernel.folder.parent.name == _READY:
            await anyio.to_thread.run_sync(shutil.rmtree, kernel.folder, True)

    def _link(self, document: Document) -> Link:
        assert self._tasks is not None
        kernel = Link(document, self._tasks, self._end, lambda kernel, kind, text: self.noticed(kernel.id, kind, text))
        kernel.extras = lambda: self.extras(kernel.id)
        kernel.equipped = self._equipped
        return kernel

    def _equipped(self, document: Document) -> Document:
        """For a restart: a kernel that had died gets as much of the GPUs as it had, of which ones may be. Raises
        NoneFree."""
        had = from_json(document.gpus)
        self.settle_gpus()
        grant = self.gpus.take(document.id, had.wish)
        if grant == had:
            return document
        variables = {name: value for name, value in document.environment.items() if name not in NAMES}
        return replace(
            document,
            environment=variables | self.gpus.variables(grant),
            confinement=replace(document.confinement, devices=grant.nodes),
            gpus=tuple(grant.to_json()),
        )

    async def _find(self) -> None:
        """What the registry knows is here again; what is left of hosts that are gone is cleared away (I8)."""
        async with anyio.create_task_group() as finding:
            for folder, row in rows(self._rows):
                if row is not None and row.lives and not row.pooled:
                    finding.start_soon(self._attach, folder, row)
                    continue
                if row is not None:
                    pids.kill(row.pid, row.started)
                clear_row(folder, row)
        self.settle_gpus()
        self.found.set()

    async def _attach(self, folder: Path, row: Row) -> None:
        kernel = self._link(self._document(row.id, _NOTHING, {}, Path(row.cwd)))
        try:
            await kernel.attach(row, folder)
        except Unreachable:
            log.warning("A kernel of the last gateway is lost", extra={"kernel": row.id})
            return
        except Exception:  # of another version, perhaps; the other kernels have no part in it
            log.exception("A kernel of the last gateway cannot be understood", extra={"kernel": row.id})
            pids.kill(row.pid, row.started)
            return
        if not kernel.is_ending:
            self._kernels[row.id] = kernel

    async def _part(self) -> None:
        async with anyio.create_task_group() as ending:
            for ready in self._pool.empty():
                ending.start_soon(self._stop_ready, ready)
        if self.keep:
            for kernel in self._kernels.values():
                kernel.detach()
            return
        self._ending |= set(self._kernels.values())
        self._kernels.clear()
        async with anyio.create_task_group() as ending:
            for kernel in self._ending:
                ending.start_soon(kernel.stop)

    def _end(self, kernel: Link, reason: str = "The kernel was shut down.") -> None:
        self._forget(kernel)
        if kernel not in self._ending and self._tasks is not None:
            if kernel.state != "dead":
                self.ended(reason)
            self._ending.add(kernel)
            self._tasks.start_soon(self._stop, kernel, reason)

    def _forget(self, kernel: Link) -> None:
        if self._kernels.get(kernel.id) is kernel:
            del self._kernels[kernel.id]

    async def _stop(self, kernel: Link, reason: str) -> None:
        try:
            await kernel.stop(reason)
        finally:
            self._ending.discard(kernel)


def _trim(file: Path) -> None:
    with suppress(OSError):
        if file.stat().st_size > _LOG_BYTES:
            os.truncate(file, 0)  # hosts append to it
