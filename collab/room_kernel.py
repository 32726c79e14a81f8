"""The kernel of a Room: started, found again after a restart of ours, ended; and the one there is.

The store remembers which it is. What is to happen to it, and what it says, is for `executions`.
"""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import anyio

from collab import notebook
from collab.events import Notice
from collab.room import Room
from collab.runtime import Kernel, KernelGone, KernelSpec, NoGpu, Runtime, RuntimeFailed
from collab.store.store import Store, StoreError
from collab.wishes import read_wishes

log = logging.getLogger(__name__)

_FIND_AGAIN_S: Final = (0.5, 1.0, 2.0, 5.0, 5.0, 5.0)
_MAX_PAUSE_S: Final = 5.0  # a place in the line is kept for a minute
_GONE: Final = "The kernel was gone when the server came back."


class RoomKernel:
    """Who starts, finds, restarts or ends one holds `turn`: one at a time, and the store remembers the last."""

    def __init__(self, room: Room, runtime: Runtime, store: Store, waits: Callable[[NoGpu], None]) -> None:
        """`waits` is told when the kernel cannot start yet, each time that is heard."""
        self.turn = anyio.Lock()
        self.current: Kernel | None = None
        self._listening = anyio.CancelScope()
        self._room = room
        self._runtime = runtime
        self._store = store
        self._waits = waits
        self._given_up = anyio.Event()

    async def start(self) -> Kernel:
        """Of the notebook's kind; if that is not there, of another one of its language, and everyone is told. The
        notebook keeps the name it has. Stands in the line for a GPU until `give_up`. Raises RuntimeFailed."""
        wanted, language = notebook.kernelspec(self._room.doc), notebook.language(self._room.doc)
        specs = await self._runtime.specs()
        spec = fitting_spec(wanted, language, specs)
        if spec is None:
            names = ", ".join(spec.name for spec in specs) or "none at all"
            raise RuntimeFailed(f"This notebook needs a kernel for {language} ('{wanted}'); installed here: {names}.")
        kernel = await self._start(spec.name)
        if spec.name != wanted:
            self._room.tell(Notice(f"There is no kernel '{wanted}' here; {spec.title} runs this notebook."))
        return kernel

    async def _start(self, spec: str) -> Kernel:
        id = str(uuid.uuid4())
        await self._remember(id)  # before it is there: a crash while it starts leaves no kernel that nobody knows
        try:
            kernel = await self._start_or_wait(spec, id)
        except RuntimeFailed:
            await self._remember("")
            raise
        if kernel.id != id:
            await self._remember(kernel.id)
        return kernel

    async def _start_or_wait(self, spec: str, id: str) -> Kernel:
        wishes = read_wishes(self._room.doc).variables
        self._given_up = anyio.Event()
        while True:
            try:
                return await self._runtime.start(spec, self._room.id, id, wishes)
            except NoGpu as error:
                if self._given_up.is_set():
                    raise
                self._waits(error)
                with anyio.move_on_after(min(error.again_after_s, _MAX_PAUSE_S)):
                    await self._given_up.wait()

    def give_up(self) -> None:
        """Nobody wants the kernel any more that stands in the line."""
        self._given_up.set()

    async def find(self, was_running: bool) -> tuple[Kernel | None, str]:
        """The kernel of the server before, if it lives, and otherwise what was lost with it: nothing where it never
        ran a cell. `was_running` says that a mark tells of a run in it."""
        try:
            known = await self._store.remembered(self._room.id, "kernel")
        except StoreError as error:
            return None, str(error)
        if not known:
            return None, _GONE if was_running else ""
        reason = _GONE
        for pause in (*_FIND_AGAIN_S, 0.0):
            try:
                kernel = await self._runtime.find(known, self._last_session(known))
            except KernelGone:
                break
            except RuntimeFailed as error:
                reason = str(error)
                await anyio.sleep(pause)
                continue
            if kernel.state != "dead":
                return kernel, ""
            reason = kernel.reason or "The kernel died while the server was away."
            await self.end(kernel)
            break
        return None, reason if self.has_run(known) else ""

    def has_run(self, kernel: str) -> bool:
        return self._last_session(kernel) != ""

    def _last_session(self, kernel: str) -> str:
        """Of the newest run in this kernel that the document knows; empty when it never ran anything."""
        marks = notebook.run_marks(self._room.doc).values()
        ran = [mark for mark in marks if mark.session.startswith(f"{kernel}:")]
        return max(ran, key=lambda mark: mark.started or 0).session if ran else ""

    def begins_anew(self, state: str, content: Mapping[str, object]) -> bool:
        """Whether a status without parent says so of the process that we know, and not of one before it. Servers that
        count no generations mean it when they say `restarting`; `starting` is the kernel's own word."""
        generation = content.get("generation")
        if generation is None:
            return state == "restarting"
        known = self.current.session.rpartition(":")[2] if self.current is not None else ""
        return isinstance(generation, int) and known.isdigit() and generation >= int(known)

    async def end(self, kernel: Kernel) -> None:
        try:
            await self._runtime.shut_down(kernel.id)
        except RuntimeFailed as error:
            self._room.tell(Notice(str(error)))
        await self._remember("")

    def connect(self, kernel: Kernel) -> anyio.CancelScope:
        """The scope to listen to it in: cancelled when another one is connected, or none."""
        self._listening.cancel()
        self._listening = anyio.CancelScope()
        self.current = kernel
        return self._listening

    def disconnect(self) -> Kernel | None:
        self._listening.cancel()
        kernel, self.current = self.current, None
        return kernel

    async def is_idle(self) -> bool:
        """As the gateway says; False where it says nothing."""
        kernel = self.current
        if kernel is None:
            return False
        try:
            return (await self._runtime.find(kernel.id)).state == "idle"
        except RuntimeFailed:
            return False

    async def _remember(self, kernel: str) -> None:
        try:
            await self._store.remember(self._room.id, "kernel", kernel)
        except StoreError as error:
            log.warning("A kernel could not be noted", extra={"notebook": self._room.id, "reason": str(error)})


def fitting_spec(wanted: str, language: str, specs: Sequence[KernelSpec]) -> KernelSpec | None:
    """The one of that name, or else the first of that language: files name environments of other machines."""
    named = [spec for spec in specs if spec.name == wanted]
    alike = [spec for spec in specs if spec.language.lower() == language.lower()]
    return next(iter(named + alike), None)
