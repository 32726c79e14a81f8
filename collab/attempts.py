"""Commands whose outcome takes a while: the runtime is extended, reset, chosen, moved to another server. Who asked is
told when one fails; everyone is told when one is done.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias, assert_never

import anyio
from anyio.lowlevel import checkpoint

from collab import execution as rules
from collab import notebook
from collab.attachment import Attachment
from collab.commands import (
    AttachRuntime,
    ChooseRuntime,
    DetachRuntime,
    ExtendRuntime,
    ResetAllRuntimes,
    ResetRuntime,
)
from collab.events import Event, Notice, Refused
from collab.jupyter_server import BadAddress
from collab.model import User
from collab.room import CommandRefused, Room
from collab.room_kernel import RoomKernel
from collab.runtime import Kernel, Runtime, RuntimeFailed
from collab.store.store import StoreError
from collab.wishes import write_choice

_MAX_AT_ONCE: Final = 8

Attempt: TypeAlias = ExtendRuntime | ResetRuntime | ResetAllRuntimes | ChooseRuntime | AttachRuntime | DetachRuntime


class Queue(Protocol):
    """What an attempt needs of `executions`."""

    @property
    def state(self) -> rules.State: ...

    def do(self, operation: rules.Operation) -> None:
        """And writes into the document what comes of it."""

    def expect_reset(self, by: str) -> None:
        """The next time the kernel starts anew, it is this person's doing."""

    async def check(self) -> None:
        """Looks what has become of the kernel."""

    async def look(self) -> None:
        """Looks when it is to end."""

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None: ...


class Attempts:
    def __init__(
        self,
        room: Room,
        runtime: Runtime,
        kernel: RoomKernel,
        attachment: Attachment,
        reset_all: Callable[[User, bool], Awaitable[None]],
        queue: Queue,
    ) -> None:
        self._room = room
        self._runtime = runtime
        self._kernel = kernel
        self._attachment = attachment
        self._reset_all = reset_all
        self._queue = queue
        self._under_way = 0

    def begin(self, command: Attempt, user: User, answer: Callable[[Event], None]) -> anyio.Event:
        """Set when it is over. Raises CommandRefused."""
        if self._under_way >= _MAX_AT_ONCE:
            raise CommandRefused("The runtime is still busy with what it was asked for before; try again in a moment.")
        act, done = self._act(command, user), anyio.Event()
        self._under_way += 1

        async def attempt() -> None:
            try:
                await act()
            except (RuntimeFailed, StoreError, BadAddress) as error:
                answer(Refused(str(error)))
            finally:
                self._under_way -= 1
                done.set()

        self._queue.spawn(attempt)
        return done

    def _act(self, command: Attempt, user: User) -> Callable[[], Awaitable[None]]:
        match command:
            case ExtendRuntime():
                kernel = self._living()
                return lambda: self._extend(kernel)
            case ResetRuntime(folder):
                kernel = self._living()
                return lambda: self._reset(kernel, user, folder)
            case ResetAllRuntimes(folder):
                return lambda: self._reset_all(user, folder)
            case ChooseRuntime():
                return lambda: self._choose(command, user)
            case AttachRuntime(url, token):
                return lambda: self._attach(url, token, user)
            case DetachRuntime():
                return lambda: self._detach(user)
            case _:
                assert_never(command)

    def _living(self) -> Kernel:
        kernel = self._kernel.current
        if kernel is None or self._queue.state.life != "ready":
            raise CommandRefused("There is no runtime; start it first.")
        return kernel

    async def _extend(self, kernel: Kernel) -> None:
        await self._runtime.extend(kernel.id)
        await self._queue.look()

    async def _reset(self, kernel: Kernel, user: User, folder: bool) -> None:
        """What becomes of the runs is told by the kernel's own status: a reset that is refused ends nothing."""
        async with self._kernel.turn:
            self._queue.expect_reset(user.name)
            try:
                await self._runtime.reset(kernel.id, folder)
            except RuntimeFailed:
                self._queue.expect_reset("")
                raise
            finally:
                await self._queue.check()
        files = " and its working folder" if folder else ""
        self._room.tell(Notice(f"{user.name} reset the runtime{files}.", user.id))

    async def _choose(self, choice: ChooseRuntime, user: User) -> None:
        """The language follows the kernelspec, where that is known here; files name those of other machines."""
        specs = {spec.name: spec for spec in await self._runtime.specs()}
        spec = specs.get(choice.kernel)
        if spec is None and choice.kernel != notebook.kernelspec(self._room.doc):
            raise RuntimeFailed(f"There is no kernel '{choice.kernel}'; there are {', '.join(specs) or 'none'}.")
        write_choice(self._room.doc, choice, spec.language if spec is not None else "")
        await self._room.commit()
        title = spec.title if spec is not None else choice.kernel
        self._room.tell(Notice(f"{user.name} chose another runtime: {title}.", user.id))
        if choice.restart and self._queue.state.life not in ("none", "dead"):
            self._queue.do(rules.RequestShutDown(user.name))
            self._queue.do(rules.RequestStart())

    async def _attach(self, url: str, token: str, user: User) -> None:
        server = await self._attachment.check(url, token)
        await self._move(user, lambda: self._attachment.attach(server))
        self._room.tell(Notice(f"{user.name} attached {self._attachment.title}.", user.id))
        self._queue.do(rules.RequestStart())

    async def _detach(self, user: User) -> None:
        if self._attachment.server is None:
            raise RuntimeFailed("No Jupyter server is attached.")
        title = self._attachment.title
        await self._move(user, self._attachment.detach)
        self._room.tell(Notice(f"{user.name} detached {title}.", user.id))
        self._queue.do(rules.CancelWaiting(frozenset()))  # changes nothing, and tells where code runs now

    async def _move(self, user: User, change: Callable[[], Awaitable[None]]) -> None:
        """The kernel there is ends on its own server; the next one starts on the other."""
        self._queue.do(rules.RequestShutDown(user.name))
        await checkpoint()  # so that the end has its turn before us
        async with self._kernel.turn:
            await change()
