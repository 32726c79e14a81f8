"""The kernel gateway: found through its state file, or started as a process of its own that outlives us.

Kernels survive a restart of the document server because nothing of theirs lives in it: the gateway is in a session of
its own, and who comes next finds it by the file in the data folder.
"""

import asyncio
import json
import logging
import os
import secrets
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import httpx

log = logging.getLogger(__name__)

_START_WITHIN_S: Final = 30.0
_LOG_BYTES: Final = 4 << 20
_ORPHAN_AFTER_S: Final = 6 * 3600  # a gateway whose document server never came back ends itself


class NoGateway(Exception):
    """The gateway cannot be reached or started; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Address:
    url: str
    token: str
    pid: int | None = None


class Gateway:
    """`fixed` is a gateway that somebody else runs; otherwise ours lives in `folder`."""

    def __init__(self, http: httpx.AsyncClient, folder: Path, fixed: Address | None = None) -> None:
        self._http = http
        self._folder = folder
        self._fixed = fixed
        self._found: Address | None = None
        self._lock = asyncio.Lock()

    async def address(self) -> Address:
        """Of a gateway that answers; ours is started if need be. Raises NoGateway."""
        async with self._lock:
            for candidate in (self._found, self._fixed or await anyio.to_thread.run_sync(self._read)):
                if candidate is not None and await self._answers(candidate):
                    self._found = candidate
                    return candidate
            if self._fixed is not None:
                raise NoGateway(f"The kernel gateway at {self._fixed.url} does not answer.")
            self._found = await self._start()
            return self._found

    async def stop(self) -> None:
        """Ends our gateway and its kernels, if there is one."""
        found = None if self._fixed is not None else self._read()
        if found is None or found.pid is None or not await self._answers(found):
            return
        os.kill(found.pid, signal.SIGTERM)
        with anyio.move_on_after(10.0):
            while _is_running(found.pid):  # noqa: ASYNC110 - a process that is no child of ours tells nobody of its end
                await anyio.sleep(0.05)

    @property
    def _state(self) -> Path:
        return self._folder / "gateway.json"

    def _read(self) -> Address | None:
        try:
            value = json.loads(self._state.read_text())
            return Address(str(value["url"]), str(value["token"]), int(value["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    async def _answers(self, address: Address) -> bool:
        headers = {"Authorization": f"token {address.token}"}
        try:
            answer = await self._http.get(f"{address.url}/api/status", headers=headers, timeout=5.0)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async def _start(self) -> Address:
        before = self._read()
        if before is not None and before.pid is not None and _is_running(before.pid):
            log.warning("A kernel gateway does not answer and is replaced", extra={"pid": before.pid})
        self._state.unlink(missing_ok=True)
        log_file = self._folder / "gateway.log"
        if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
            log_file.replace(log_file.with_suffix(".log.1"))
        arguments = ["--port", "0", "--state", str(self._state), "--root", str(self._folder / "files")]
        arguments += ["--orphan-after", str(_ORPHAN_AFTER_S)]
        output = os.open(log_file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            # A session of its own: neither Ctrl+C in our terminal nor our end ends it.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "kernelhost.cli",
                *arguments,
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self._folder,
            )
        except OSError as error:
            raise NoGateway(f"The kernel gateway cannot be started: {error.strerror}.") from error
        finally:
            os.close(output)
        with anyio.move_on_after(_START_WITHIN_S):
            while process.returncode is None:
                address = self._read()
                if address is not None and await self._answers(address):
                    return address
                await anyio.sleep(0.05)
        raise NoGateway(f"The kernel gateway did not start; {log_file.name} in the data folder says why.")


def _environment() -> dict[str, str]:
    """Ours without our settings, with a token made for this gateway."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("COLLAB_", "KERNELHOST_"))}
    return variables | {"KERNELHOST_TOKEN": secrets.token_urlsafe(32)}


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:  # one that ended and was not waited for is a zombie
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True
