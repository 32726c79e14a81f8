"""The kernel gateway: found through its state file, or started as a process of its own that outlives us.

Kernels survive a restart of the document server because nothing of theirs lives in it: the gateway is in a session of
its own, and who comes next finds it by the file in the data folder. When it dies, whoever asks next gets a new one.
"""

import asyncio
import json
import logging
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import httpx

from collab.jupyter_server import Address, NoServer

log = logging.getLogger(__name__)

_START_WITHIN_S: Final = 30.0
_ANSWER_WITHIN_S: Final = 5.0
_STRIKES: Final = 3  # a gateway that lives is given so many chances to answer: its kernels die with it
_STOP_WITHIN_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.05
_LOG_BYTES: Final = 4 << 20
_ORPHAN_AFTER_S: Final = 6 * 3600  # a gateway whose document server never came back ends itself


class NoGateway(NoServer):
    """The gateway cannot be reached or started; the message is one sentence."""


class Gateway:
    """`fixed` is a gateway that somebody else runs; otherwise ours lives in `folder`, and starts with `flags`."""

    def __init__(
        self, http: httpx.AsyncClient, folder: Path, fixed: Address | None = None, flags: Sequence[str] = ()
    ) -> None:
        self._http = http
        self._folder = folder
        self._fixed = fixed
        self._flags = flags
        self._starting: Address | None = None  # a process that has not said yet where it is
        self._lock = asyncio.Lock()

    @property
    def name(self) -> str:
        return "The kernel gateway"

    async def address(self) -> Address:
        """Of a gateway that answers; ours is started if need be. Raises NoGateway."""
        async with self._lock:
            if self._fixed is not None:
                await self._check(self._fixed)
                return self._fixed
            found = self._read()
            for _ in range(_STRIKES):
                if found is None or not _is_running(found):
                    break
                with suppress(NoGateway):
                    await self._check(found)
                    return found
                await anyio.sleep(_LOOK_EVERY_S)
            if found is not None:
                log.warning("The kernel gateway is gone or does not answer; a new one is started")
                await _end(found, signal.SIGKILL)
            return await self._start()

    async def stop(self) -> None:
        """Ends our gateway and its kernels, if there is one."""
        if self._fixed is not None:
            return
        for gateway in (self._read(), self._starting):
            if gateway is not None:
                await self._stop(gateway)

    async def _stop(self, gateway: Address) -> None:
        with anyio.move_on_after(_STOP_WITHIN_S):
            await _end(gateway, signal.SIGINT)  # with SIGTERM its kernels would outlive it
        await _end(gateway, signal.SIGKILL)

    @property
    def _state(self) -> Path:
        return self._folder / "gateway.json"

    def _read(self) -> Address | None:
        try:
            value = json.loads(self._state.read_text())
            found = Address(str(value["url"]), str(value["token"]), int(value["pid"]), str(value["started"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.pid > 1 else None  # 0 and below are groups of processes, our own among them

    async def _check(self, address: Address) -> None:
        """Raises NoGateway."""
        try:
            answer = await self._http.get(
                f"{address.url}/api/status", headers=address.headers, timeout=_ANSWER_WITHIN_S
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoGateway(f"The kernel gateway at {address.url} does not answer.") from error
        if answer.status_code in (401, 403):
            raise NoGateway(f"The kernel gateway at {address.url} wants another token: set COLLAB_GATEWAY_TOKEN to it.")
        if answer.status_code != 200:
            raise NoGateway(f"The kernel gateway at {address.url} answers {answer.status_code}; its log says why.")

    async def _start(self) -> Address:
        log_file = self._folder / "gateway.log"
        if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
            log_file.replace(log_file.with_suffix(".log.1"))
        try:
            pid = _spawn(self._folder, self._state, log_file, self._flags)
        except OSError as error:
            raise NoGateway(f"The kernel gateway cannot be started: {error.strerror}.") from error
        spawned = self._starting = Address("", "", pid, (_stat(pid) or [""] * 20)[19])
        failed = NoGateway(f"The kernel gateway did not start; {log_file.name} in the data folder says why.")
        deadline = anyio.current_time() + _START_WITHIN_S
        while anyio.current_time() < deadline:
            # Not by its number: one that the last document server was just starting may have been quicker, and ours has
            # ended then. Nor is a file taken away: it may be of that one.
            if (found := self._read()) is not None and _is_running(found):
                await self._check(found)
                self._starting = None
                return found
            if not _is_running(spawned):
                deadline = min(deadline, anyio.current_time() + _ANSWER_WITHIN_S)
            await anyio.sleep(_LOOK_EVERY_S)
        await _end(spawned, signal.SIGKILL)
        self._starting = None
        raise failed


def _spawn(folder: Path, state: Path, log_file: Path, more: Sequence[str]) -> int:
    """The process number. Neither `subprocess` nor asyncio: both end, or complain of, a child that is to outlive them.

    A session of its own, so that neither Ctrl+C in our terminal nor our end ends it; `-P`, so that no file of the
    folder we were started in is taken for a module."""
    arguments = ["--port", "0", "--state", str(state), "--root", str(folder / "files")]
    arguments += ["--orphan-after", str(_ORPHAN_AFTER_S), *more]
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-P", "-m", "kernelhost.cli", *arguments],
        _environment(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log_file), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _environment() -> dict[str, str]:
    """Ours without our settings, with a token made for this gateway."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("COLLAB_", "KERNELHOST_"))}
    return variables | {"KERNELHOST_TOKEN": secrets.token_urlsafe(32)}


async def _end(gateway: Address, number: signal.Signals) -> None:
    """Sends the signal and returns when the process is gone."""
    if not _is_running(gateway):
        return
    with suppress(ProcessLookupError):
        os.kill(gateway.pid, number)
    while _is_running(gateway):  # noqa: ASYNC110 - a process that is no child of ours tells nobody of its end
        await anyio.sleep(_LOOK_EVERY_S)


def _is_running(gateway: Address) -> bool:
    fields = _stat(gateway.pid)
    if (not fields and _stat(os.getpid())) or (fields and gateway.started not in ("", fields[19])):
        return False
    with suppress(ChildProcessError):
        # A child of ours is there until its end is taken notice of here; it would stay a zombie otherwise.
        return os.waitpid(gateway.pid, os.WNOHANG)[0] == 0
    if fields:
        return fields[0] != "Z"
    try:
        os.kill(gateway.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _stat(pid: int) -> list[str]:
    """Fields of /proc/pid/stat from the third on; empty where there is no such process, or no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
