"""`kernelhost`: the gateway as a program."""

import fcntl
import json
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

import anyio
import uvicorn

from kernelhost import doctor
from kernelhost.app import create_app
from kernelhost.config import BadSetting, Config, read_config
from kernelhost.confining import NoSandbox, build_walls
from kernelhost.connections import Connection
from kernelhost.listening import listen
from kernelhost.memory import hide_memory
from kernelhost.pids import started

_LOOK_EVERY_S: Final = 0.1

_MAX_FILES: Final = 16_384


class Fields(logging.Formatter):
    """Writes what a record was given as `extra` behind its sentence."""

    _known: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = [f"{key}={value}" for key, value in record.__dict__.items() if key not in self._known]
        return " ".join([super().formatMessage(record), *fields])


class Server(uvicorn.Server):
    """Says where it is once it listens."""

    def __init__(self, config: uvicorn.Config, gateway: Config, url: str) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._url = url

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Kernels outlive us when somebody restarts us, and not when somebody ends us in a terminal."""
        if sig == signal.SIGINT and "kernels" in self.lifespan.state:
            self.lifespan.state["kernels"].keep = False
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        while not self.should_exit and not self.lifespan.state["kernels"].found.is_set():
            with anyio.move_on_after(_LOOK_EVERY_S):  # for the signals, of which nobody tells
                await self.lifespan.state["kernels"].found.wait()
        if self.should_exit:
            return
        if self._gateway.state is not None:
            write_state(self._gateway.state, self._url, self._gateway.token)
        print(f"Kernels at {self._url}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["doctor"]:
            report, is_well = doctor.examine(arguments[1:], os.environ)
            print(report)
            sys.exit(0 if is_well else 1)
        config = read_config(arguments, os.environ)
    except BadSetting as error:
        sys.exit(f"kernelhost: {error}")
    if not config.colab:
        os.environ["KERNELHOST_COLAB"] = "0"  # kernels are told by it
    os.environ.pop("KERNELHOST_TOKEN", None)
    hide_memory()
    stream = logging.StreamHandler()
    stream.setFormatter(Fields("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[stream])
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # it logs addresses, and those may hold the token
    logging.getLogger("uvicorn.error").addFilter(is_news)
    raise_file_limit()
    # uvicorn raises the signal again when it has ended in good order; unhandled it would cut short what is left to do.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with owned(config.state), owned(config.data / "gateway" if config.data is not None else None):
            serve(config)
    except BadSetting as error:
        sys.exit(f"kernelhost: {error}")


def is_news(record: logging.LogRecord) -> bool:
    """Not that somebody without a token was refused: anybody could fill a disk with that. (uvicorn takes a refused
    WebSocket for a mistake of ours.)"""
    words = record.getMessage()
    return "returned without completing handshake" not in words and "Invalid HTTP request" not in words


def raise_file_limit() -> None:
    """A client takes two descriptors, and many systems give a program 1024 unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(_MAX_FILES, hard)
    if soft < wanted and soft != resource.RLIM_INFINITY:
        with suppress(ValueError, OSError):  # macOS has bounds of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(config: Config) -> None:
    """Raises BadSetting."""
    listening = listen(config.host, config.port)
    try:
        config.root.mkdir(parents=True, exist_ok=True)
        os.chdir(config.root)
    except OSError as error:
        raise BadSetting(
            f"The folder {config.root} cannot be used: {error.strerror}; choose another --root."
        ) from error
    try:
        walls = build_walls(config.confining, config.root)
    except NoSandbox as error:
        raise BadSetting(str(error)) from error
    url = f"http://{_spell(config.host)}:{listening.getsockname()[1]}"
    # Requests may carry the token in their address, so they are not logged.
    settings = uvicorn.Config(
        create_app(config, end=lambda: os.kill(os.getpid(), signal.SIGINT), walls=walls),
        http=Connection,
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=512 << 20,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
        lifespan="on",
    )
    try:
        Server(settings, config, url).run(sockets=[listening])
    except KeyboardInterrupt:
        pass


@contextmanager
def owned(state: Path | None) -> Iterator[None]:
    """One gateway for one state file or folder: who starts us by accident a second time is told. Raises BadSetting."""
    if state is None:
        yield
        return
    try:
        state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state.with_name(f"{state.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise BadSetting(f"{state} cannot be written: {error.strerror}; choose another --state.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise BadSetting(f"Another gateway has {state}; end it first, or choose another --state.") from error
    try:
        yield
    finally:
        state.unlink(missing_ok=True)
        os.close(lock)


def write_state(path: Path, url: str, token: str) -> None:
    """Readable by this user alone, and never half written. `started` tells us from a later process of our number."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": url, "token": token, "pid": os.getpid(), "started": started(os.getpid())}, file)
    part.replace(path)


def _spell(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    main()
