"""`collab`: the document server as a program. It prints one line: the address to open."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from types import FrameType

import uvicorn

from collab import imports
from collab.app import Ending, create_app
from collab.config import BadSetting, Config, is_loopback, read_config
from collab.connection import MAX_FRAME_BYTES
from collab.data import Data, open_data
from collab.ipynb import BadNotebook
from collab.store.blobs import Blobs
from collab.store.sqlite import open_sqlite
from collab.store.store import StoreError
from collab.websocket import FrameProtocol


class Server(uvicorn.Server):
    """Says where it is once it listens, and remembers how it was asked to end."""

    def __init__(self, config: uvicorn.Config, ending: Ending, ready: "Ready") -> None:
        super().__init__(config)
        self._ending = ending
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT:
            self._ending.keep_kernels = False
        super().handle_exit(sig, frame)


class Ready:
    def __init__(self, url: str, path: str, token: str, browser: bool) -> None:
        self._address = f"{url}{path}?token={token}"
        self._browser = browser

    def __call__(self) -> None:
        print(f"Open {self._address}", flush=True)
        if self._browser:
            threading.Thread(target=webbrowser.open, args=(self._address,), daemon=True).start()


def main(arguments: list[str] | None = None) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        config = read_config(sys.argv[1:] if arguments is None else arguments, os.environ)
        check_host(config)
        check_page(config)
        listening = listen(config)
        with open_data(config.data, config.token) as data:
            path = asyncio.run(import_paths(config, data)) if config.paths else "/"
            serve(config, data, listening, path)
    except (BadSetting, BadNotebook, StoreError) as error:
        sys.exit(f"collab: {error}")


def serve(config: Config, data: Data, listening: socket.socket, path: str) -> None:
    ending = Ending()
    # Requests may carry a token in their address, so they are not logged.
    settings = uvicorn.Config(
        create_app(config, data, ending),
        log_config=None,
        access_log=False,
        ws=FrameProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        lifespan="on",
    )
    url = f"http://{_spell(config.host)}:{listening.getsockname()[1]}"
    ready = Ready(config.public_url or url, path, data.token, config.browser)
    try:
        Server(settings, ending, ready).run(sockets=[listening])
    except KeyboardInterrupt:
        pass


def check_host(config: Config) -> None:
    """Raises BadSetting: what is not loopback is reached by others, so the token has to be a chosen one."""
    if not is_loopback(config.host) and not config.token:
        raise BadSetting(
            f"Listening on {config.host} lets other machines in: choose a sign-in token first, by setting COLLAB_TOKEN."
        )


def check_page(config: Config) -> None:
    if not (config.static / "index.html").is_file():
        raise BadSetting("The page has not been built; start with scripts/serve, or install the built package.")


def listen(config: Config) -> socket.socket:
    host = "127.0.0.1" if config.host == "localhost" else config.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), config.port), family=family, backlog=512)
    except OSError as error:
        raise BadSetting(f"Cannot listen on {host}:{config.port}: {error.strerror}; choose another --port.") from error


async def import_paths(config: Config, data: Data) -> str:
    """Notebooks of files and folders; gives the page to open: the notebook when there is one, else the Library."""
    files: list[Path] = []
    for path in config.paths:
        if not path.exists():
            raise BadSetting(f"{path} does not exist.")
        found = sorted(path.rglob("*.ipynb")) if path.is_dir() else [path]
        files += [file for file in found if ".ipynb_checkpoints" not in file.parts]
    made = []
    async with open_sqlite(data.database) as store:
        for file in files:
            try:
                made.append(await imports.import_path(store, Blobs(data.blobs), file))
            except (BadNotebook, OSError) as error:
                message = f"{file}: {error}"
                if len(files) == 1:
                    raise BadNotebook(message) from error
                print(message, file=sys.stderr)
    return f"/n/{made[0].id}" if len(made) == 1 else "/"


def _spell(host: str) -> str:
    if host in ("0.0.0.0", "::", "localhost"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


if __name__ == "__main__":
    main()
