"""One Jupyter kernel: which process it is now, and in what state. What is said to it and by it is `exchange`'s.

A restart and a first start are the same, under one lock, with a new process, sockets and key each time (I4).
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
import zmq
from anyio.abc import TaskGroup

from kernelhost.confinement import OPEN, Confinement
from kernelhost.emptying import NotEmptied, empty_folder
from kernelhost.exchange import Client, Exchange, Overflow, State
from kernelhost.journal import Journal
from kernelhost.limits import spell
from kernelhost.notices import Notices
from kernelhost.process import CannotStart, Process
from kernelhost.provisioned import Provisioned, provision
from kernelhost.reader import Reader
from kernelhost.revival import Deaths, Revival
from kernelhost.sockets import Sockets
from kernelhost.spec import Spec
from kernelhost.usage import Report, Sampler
from kernelhost.wire import Message

log = logging.getLogger(__name__)

__all__ = ["Client", "Kernel", "KernelFailed", "Overflow"]

START_WITHIN_S: Final = 40.0
_STDIN_WITHIN_S: Final = 5.0
_ASK_EVERY_S: Final = 0.1
_QUIET_S: Final = 0.05
_LAST_WORDS_WITHIN_S: Final = 5.0
_SIGNAL_MEETS_CODE_S: Final = 1.0
_KILLED_WITHIN_S: Final = 20.0
REVIVAL: Final = Revival()


class KernelFailed(Exception):
    """The kernel did not come up; the message is one sentence."""


class Kernel:
    """`gone` is called when a client asked for its end (`shutdown_request`), `told` when the model may have changed,
    `noticed` with a kind and a sentence for the people who use it."""

    def __init__(
        self,
        id: str,
        spec: Spec,
        environment: Mapping[str, str],
        cwd: Path,
        home: Path,
        journal: Journal,
        tasks: TaskGroup,
        gone: Callable[[], None] = lambda: None,
        told: Callable[[], None] = lambda: None,
        confinement: Confinement = OPEN,
        noticed: Callable[[str, str], None] = lambda kind, text: None,
        revival: Revival = REVIVAL,
    ) -> None:
        self.id = id
        self.home = home
        self.created = datetime.now(UTC)
        self._spec = spec
        self._environment = spec.environment(environment)
        self._cwd = cwd
        self._tasks = tasks
        self._gone = gone
        self._confinement = confinement
        self._noticed = noticed
        self._notices = Notices()
        self._deaths = Deaths(revival)
        self._ready_s = 0.0
        self._lock = asyncio.Lock()
        self._stopped = ""  # why, once it is
        self._process: Process | Provisioned | None = None
        self._sampler: Sampler | None = None
        self._sockets: Sockets | None = None
        self._slowed: str | None = None  # the execute request whose code was
        self._exchange = Exchange(id, journal, self._asked_to_end, told)

    @property
    def state(self) -> State:
        return self._exchange.state

    @property
    def reason(self) -> str:
        return self._exchange.reason

    @property
    def generation(self) -> int:
        """Of its process: it counts from 1, or on from what it is set to before the first start."""
        return self._exchange.generation

    @generation.setter
    def generation(self, generation: int) -> None:
        self._exchange.generation = generation

    @property
    def last_activity(self) -> datetime:
        return self._exchange.last_activity

    @property
    def clients(self) -> set[Client]:
        return self._exchange.clients

    @property
    def pid(self) -> int:
        """Of its process; 0 while it has none."""
        return self._process.pid if self._process is not None else 0

    def model(self) -> dict[str, object]:
        """As Jupyter has it; `last_activity` always has microseconds and a Z (A11)."""
        model: dict[str, object] = {
            "id": self.id,
            "name": self._spec.name,
            "last_activity": self.last_activity.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "execution_state": self.state,
            "connections": len(self.clients),
            "generation": self.generation,
            "limits": self._confinement.limits.model(),
        }
        return model | ({"reason": self.reason} if self.reason else {})

    async def report(self) -> Report | None:
        """What its processes use now; None while it has none."""
        sampler, now_s = self._sampler, anyio.current_time()
        if sampler is None or self._process is None:
            return None
        if sampler.disk_is_due(now_s):
            self._tasks.start_soon(sampler.measure_disk)
        report = sampler.sample(now_s, datetime.now(UTC), self._exchange.running)
        exchange = self._exchange
        return replace(
            report, journal_bytes=exchange.kept_bytes, dropped_bytes=exchange.dropped_bytes, held=exchange.held
        )

    def notice(self, kind: str, text: str) -> None:
        """One sentence for the people who use it, such as a limit that is reached; under the code that runs."""
        if self._notices.allow(kind, anyio.current_time()):
            self._exchange.notice(text)
            self._noticed(kind, text)

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when the kernel answers. Raises KernelFailed, after which it is no use."""
        async with self._lock:
            try:
                await self._start()
            except BaseException:
                self._stopped = self._stopped or "The kernel was shut down."
                raise

    async def restart(self, empty_below: Path | None = None) -> None:
        """A fresh process under the same id; its folder, which must be below `empty_below`, is emptied if that is
        given. Raises KernelFailed, and NotEmptied when it runs again but the folder is not empty."""
        not_emptied: NotEmptied | None = None
        async with self._lock:
            self._check_not_stopped()
            self._exchange.set_state("restarting")
            self._exchange.abandon("The kernel was restarted." if empty_below is None else "The kernel was reset.")
            self._exchange.publish_status()
            await self._end_process()
            if empty_below is not None:
                try:
                    await anyio.to_thread.run_sync(empty_folder, empty_below, self._cwd)
                except NotEmptied as error:
                    not_emptied = error
            await self._start()
        if not_emptied is not None:
            raise not_emptied

    def stop_for(self, reason: str) -> None:
        """Kills its process at once, which leaves it dead, with this reason."""
        if self._process is not None:
            self._process.stop_for(reason)

    def equip(self, environment: Mapping[str, str], confinement: Confinement) -> None:
        """For its next process."""
        self._environment = self._spec.environment(environment)
        self._confinement = confinement

    async def stop(self, reason: str = "The kernel was shut down.") -> None:
        """For good. Takes at most a few seconds, also while the kernel is starting."""
        self._stopped = self._stopped or reason
        self._exchange.change()
        async with self._lock:
            if self.state != "dead" or not self.reason:
                self._exchange.reason = reason
            self._exchange.set_state("dead")
            self._exchange.abandon(self.reason)
            self._exchange.publish_status()
            for client in tuple(self.clients):
                client.end(self.reason)
            await self._end_process()

    async def adopt(self, id: str, environment: Mapping[str, str], cwd: Path, code: str) -> None:
        """For somebody, after it was started for nobody; `code`, if any is needed, puts it into the folder. Raises
        KernelFailed."""
        self._check_alive()
        assert self._process is not None
        self.id, self._cwd = id, cwd
        self._environment = self._spec.environment(environment)
        self.created = self._exchange.last_activity = datetime.now(UTC)
        if self._sampler is not None:
            self._sampler.move(cwd)
        content = {"code": code, "silent": True, "store_history": False, "allow_stdin": False}
        kind, content = ("execute_request", content) if code else ("kernel_info_request", {})
        asked = self._exchange.ask("shell", kind, content)
        while (reply := self._exchange.reply) is None or reply.parent_id != asked:
            await self._next_change()
        if code and reply.part("content").get("status") != "ok":
            raise KernelFailed("The kernel cannot be put into its folder.")

    async def interrupt(self) -> None:
        process = self._process
        if process is None or self.state not in ("idle", "busy"):
            return
        self._exchange.interrupting()
        if self._spec.interrupt_mode == "message":
            self._exchange.ask("control", "interrupt_request", {})
            return
        # Between requests ipykernel ignores the signal: it waits for the code that it is meant for (I2).
        with anyio.move_on_after(_SIGNAL_MEETS_CODE_S):
            while self._exchange.code_is_due:
                await self._exchange.next_change()
        process.signal(signal.SIGINT)

    async def _start(self) -> None:
        self._check_not_stopped()
        self.generation += 1
        self._exchange.reason = ""
        if self.state != "restarting":
            self._exchange.set_state("starting")
        try:
            with anyio.fail_after(START_WITHIN_S):
                await self._launch()
                await self._until_ready()
        except BaseException as error:
            why = f"It did not answer within {START_WITHIN_S:.0f} s."
            if isinstance(error, (CannotStart, KernelFailed)):
                why = f"{error}".rstrip(".") + "."
            if self._process is not None:
                why += self._process.last_words()
            why = f"The kernel '{self._spec.name}' could not be started: {why}"
            self._exchange.reason = self._stopped or why
            self._exchange.set_state("dead")
            self._exchange.abandon(self.reason)
            with anyio.CancelScope(shield=True):
                await self._end_process(now=True)
            if not isinstance(error, (CannotStart, KernelFailed, TimeoutError)):
                raise
            log.warning("A kernel could not be started", extra={"kernel": self.id, "reason": self.reason})
            self._exchange.publish_status()
            raise KernelFailed(self.reason) from error
        self._ready_s = anyio.current_time()
        self._exchange.open()

    async def _launch(self) -> None:
        """Raises CannotStart."""
        home = self.home / f"{self.generation}"
        process: Process | Provisioned
        if self._spec.provisioner is None:
            process = Process(self._spec, self._environment, self._cwd, home, self._confinement)
        else:
            process = await provision(self._spec, self._spec.provisioner, self._environment, self._cwd, home)
        try:
            rate = self._confinement.limits.output_bytes_per_s
            sockets = Sockets(process.urls, process.key, process.read, rate, self._tell_of_slowness)
        except (OSError, zmq.ZMQError) as error:
            process.close()
            raise CannotStart(f"it cannot be connected to ({error})") from error
        self._process, self._sockets = process, sockets
        self._exchange.use(sockets)
        self._sampler = Sampler(process.pid, self._cwd, anyio.current_time(), process.cage)
        self._tasks.start_soon(self._run, process, sockets)

    def _tell_of_slowness(self) -> None:
        running, rate = self._exchange.running, self._confinement.limits.output_bytes_per_s
        if running != self._slowed and rate is not None:  # once in a cell
            self._slowed = running
            self.notice("output", f"Output is slowed down to {spell(rate)} a second, the limit of this runtime.")

    def _check_not_stopped(self) -> None:
        """Raises KernelFailed."""
        if self._stopped:
            raise KernelFailed(self._stopped)

    async def _until_ready(self) -> None:
        """A kernel_info reply and a sign on iopub; asked again and again, as a status sent before the subscription
        is live is lost (R6). Raises KernelFailed."""
        exchange = self._exchange
        while not (exchange.answered and exchange.heard):
            exchange.ask("shell", "kernel_info_request", {})
            with anyio.move_on_after(_ASK_EVERY_S):
                while not (exchange.answered and exchange.heard):
                    await self._next_change()
        with anyio.move_on_after(_STDIN_WITHIN_S):  # not every kernel has one
            while self._sockets is None or not self._sockets.has_stdin:
                await self._next_change()
        if self._spec.language == "python":
            # IPython loads much at its first execution; a silent one now makes the first cell quick.
            content = {"code": "", "silent": True, "store_history": False, "allow_stdin": False}
            exchange.ask("shell", "execute_request", content)
        self._check_alive()

    async def _next_change(self) -> None:
        """Raises KernelFailed when that is its end."""
        await self._exchange.next_change()
        self._check_not_stopped()
        self._check_alive()

    def _check_alive(self) -> None:
        """Raises KernelFailed."""
        if self._process is None:
            raise KernelFailed(self.reason)

    async def _run(self, process: Process | Provisioned, sockets: Sockets) -> None:
        reason = "The gateway lost its connection to the kernel; its log says why."
        code = -signal.SIGKILL
        try:
            code = await self._listen(process, sockets)
            reason = process.reason(code)
            log.info("A kernel ended", extra={"kernel": self.id, "exit": code})
        except Exception:  # ours, but the other kernels have no part in it
            log.exception("The messages of a kernel cannot be dealt with", extra={"kernel": self.id})
        finally:
            sockets.close()
            words = process.last_words()
            process.close()
        if self._process is process:
            self._died(code, reason, words)

    async def _listen(self, process: Process | Provisioned, sockets: Sockets) -> int:
        """Passes messages on until the process has ended and is quiet; its exit code."""
        heard = True

        def receive(item: Message) -> None:
            nonlocal heard
            heard = True
            if self._process is process:
                self._exchange.receive(item)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sockets.read, receive, self._exchange.change)
            tasks.start_soon(process.watch, self.notice)
            code = await process.wait()
            # What it said last is still on its way.
            with anyio.move_on_after(_LAST_WORDS_WITHIN_S):
                while heard and self._process is process:
                    heard = False
                    await anyio.sleep(_QUIET_S)
            tasks.cancel_scope.cancel()
        return code

    def _died(self, code: int, reason: str, words: str) -> None:
        self._process = self._sockets = None
        self._exchange.use(None)
        self._exchange.reason = reason
        if self.state in ("starting", "restarting"):
            self._exchange.reason += words if words not in reason else ""
            self._exchange.change()
            return  # whoever starts it tells
        now_s = anyio.current_time()
        if self._deaths.revives(code, now_s - self._ready_s, now_s):
            self._exchange.set_state("restarting")
            self.notice("restarted", f"The kernel ended and is started again; its variables are lost. {reason}")
            self._exchange.abandon(reason)
            self._exchange.publish_revival()
            self._tasks.start_soon(self._revive)
            return
        self._exchange.set_state("dead")
        self._exchange.abandon(reason)
        self._exchange.publish_status()

    async def _revive(self) -> None:
        async with self._lock:
            # Somebody may have been quicker, to restart it or to end it.
            if self._process is None and self.state == "restarting" and not self._stopped:
                with suppress(KernelFailed):  # the state says so
                    await self._start()

    async def _end_process(self, now: bool = False) -> None:
        """Asks, terminates, kills (I7). What it still says is not passed on."""
        process, sockets = self._process, self._sockets
        self._process = self._sockets = None
        self._exchange.use(None)
        if process is None or sockets is None:
            return
        request = self._exchange.question("control", "shutdown_request", {"restart": self.state == "restarting"})
        with anyio.CancelScope(shield=True):
            if not now:
                sockets.send(request)
                if self._spec.interrupt_mode == "signal":
                    process.signal(signal.SIGINT)  # running code would keep it from ending
            # What the system itself does not let go of is left to it; `_run` clears up if it ever ends.
            with anyio.move_on_after(_KILLED_WITHIN_S):
                await process.end(now)

    # -- clients --------------------------------------------------------------------------------------------------

    def join(self, client: Client, after: str | None) -> Reader:
        """From what the client missed on: after the iopub message `after`, else since its session was last here."""
        return self._exchange.join(client, after)

    def leave(self, client: Client, reader: Reader) -> None:
        self._exchange.leave(client, reader)

    async def send(self, client: Client, item: Message) -> None:
        """A client's message to the kernel. Raises BadMessage for a channel that does not lead there, and Overflow."""
        self._exchange.send(client, item)

    def _asked_to_end(self, restart: bool) -> None:
        if restart:
            self._tasks.start_soon(self._restart_quietly)
        else:
            self._gone()

    async def _restart_quietly(self) -> None:
        with suppress(KernelFailed):  # the state says so
            await self.restart()
