"""`kernelhost`: the gateway as a program."""

import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from kernelhost.app import create_app
from kernelhost.config import BadSetting, Config, read_config


class Server(uvicorn.Server):
    """Says where it is once it listens."""

    def __init__(self, config: uvicorn.Config, gateway: Config, url: str) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.should_exit:
            return
        if self._gateway.state is not None:
            write_state(self._gateway.state, self._url, self._gateway.token)
        print(f"Kernels at {self._url}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    try:
        config = read_config(sys.argv[1:] if arguments is None else arguments, os.environ)
    except BadSetting as error:
        sys.exit(f"kernelhost: {error}")
    os.environ.pop("KERNELHOST_TOKEN", None)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # it logs addresses, and those may hold the token
    try:
        listening = socket.create_server((config.host, config.port), reuse_port=False, backlog=512)
    except OSError as error:
        sys.exit(f"kernelhost: cannot listen on {config.host}:{config.port}: {error.strerror}; choose another --port.")
    url = f"http://{_spell(config.host)}:{listening.getsockname()[1]}"
    # Requests may carry the token in their address, so they are not logged.
    settings = uvicorn.Config(
        create_app(config, end=lambda: os.kill(os.getpid(), signal.SIGTERM)),
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=512 << 20,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=3,
        lifespan="on",
    )
    try:
        Server(settings, config, url).run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        if config.state is not None:
            config.state.unlink(missing_ok=True)


def write_state(path: Path, url: str, token: str) -> None:
    """Readable by this user alone, and never half written."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": url, "token": token, "pid": os.getpid()}, file)
    part.replace(path)


def _spell(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    main()
