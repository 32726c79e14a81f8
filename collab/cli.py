"""`collab`: the document server as a program. It prints one line: the address to open."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType

import uvicorn

from collab import imports, upkeep
from collab.app import Ending, create_app
from collab.backup import BadBackup
from collab.config import BadSetting, Config, is_loopback, read_config
from collab.connection import MAX_FRAME_BYTES
from collab.data import OPENER, AlreadyServed, Data, open_data
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
        self._asked = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The second time is impatience, and what it would leave half done: kernels. The third is meant."""
        self._asked += 1
        if sig == signal.SIGINT:
            self._ending.keep_kernels = False
        if self._asked == 2:
            print("Saving notebooks and ending kernels; once more to leave them as they are.", file=sys.stderr)
        else:
            super().handle_exit(sig, frame)


class Ready:
    def __init__(self, url: str, path: str, data: Data, browser: bool) -> None:
        self._address = f"{url}{path}?token={data.token}"
        self._data = data
        self._browser = browser

    def __call__(self) -> None:
        self._data.announce(self._address)
        print(f"Open {self._address}", flush=True)
        if self._browser:
            opener = (self._data.folder / OPENER).as_uri()
            threading.Thread(target=webbrowser.open, args=(opener,), daemon=True).start()


def main(arguments: list[str] | None = None) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given and given[0] in upkeep.COMMANDS:
            sys.exit(upkeep.run(given, os.environ))
        config = read_config(given, os.environ)
        check_host(config)
        check_page(config)
        with open_data(config.data, config.token) as data, listen(config) as listening:
            path = asyncio.run(import_paths(config, data))
            serve(config, data, listening, path)
    except AlreadyServed as served:
        if not served.address or config.paths:
            sys.exit(f"collab: {served}")
        print(f"Open {served.address}", flush=True)
        if config.browser and has_browser(os.environ):
            webbrowser.open((config.data / OPENER).as_uri())
    except (BadSetting, BadNotebook, BadBackup, StoreError) as error:
        sys.exit(f"collab: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def serve(config: Config, data: Data, listening: socket.socket, path: str) -> None:
    ending = Ending()
    # Requests may carry a token in their address, so they are not logged.
    settings = uvicorn.Config(
        create_app(config, data, ending),
        log_config=None,
        access_log=False,
        server_header=False,
        ws=FrameProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        lifespan="on",
    )
    url = f"http://{_spell(config.host)}:{listening.getsockname()[1]}"
    ready = Ready(config.public_url or url, path, data, config.browser and has_browser(os.environ))
    try:
        Server(settings, ending, ready).run(sockets=[listening])
    except KeyboardInterrupt:
        pass


def has_browser(environ: Mapping[str, str]) -> bool:
    """Whether somebody sits here to whom a browser can be shown; text browsers would take our terminal."""
    if environ.get("BROWSER"):
        return True
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return False
    return sys.platform in ("darwin", "win32") or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


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
    """On the port that was asked for, or else on the first that is free. Raises BadSetting."""
    host = "127.0.0.1" if config.host == "localhost" else config.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(config.port, min(config.port + config.ports, 65536)):
        try:
            listening = socket.create_server((host, port), family=family, backlog=512)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port + 1 < config.port + config.ports:
                continue
            reason, _, _ = str(error.strerror).partition(" (")
            raise BadSetting(f"Cannot listen on {host}:{port}: {reason}; choose another --port.") from error
        if port != config.port:
            print(f"Port {config.port} is taken; this is port {port}.", file=sys.stderr)
        # What it accepts inherits this; asyncio's own loop does not set it on sockets that it is given.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    raise BadSetting(f"No port from {config.port} on is free; choose another --port.")


async def import_paths(config: Config, data: Data) -> str:
    """Notebooks of files and folders; gives the page to open: the notebook when there is one, else the Library.

    One that cannot be read is named, and stops no other. Raises BadNotebook when there was nothing but such.
    """
    made = []
    failed = []
    async with open_sqlite(data.database) as store:  # also without paths: data of a newer collab ends the start here
        for file in notebook_files(config.paths):
            try:
                made.append(await imports.import_path(store, Blobs(data.blobs), file))
            except BadNotebook as error:
                failed.append(f"{file}: {error}")
            except OSError as error:
                failed.append(f"{file}: It cannot be read: {error.strerror}.")
    if config.paths and not made and not failed:
        failed.append(f"There are no notebooks (.ipynb) in {' and '.join(map(str, config.paths))}.")
    if failed and not made:
        raise BadNotebook("\n".join(failed))
    for sentence in failed:
        print(sentence, file=sys.stderr)
    return f"/n/{made[0].id}" if len(made) == 1 else "/"


def notebook_files(paths: Iterable[Path]) -> list[Path]:
    """What was named, and the notebooks in folders that were; not those in hidden folders, which hold copies."""
    files: list[Path] = []
    for path in paths:
        found = sorted(path.rglob("*.ipynb")) if path.is_dir() else [path]
        files += [file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts[:-1])]
    return files


def _spell(host: str) -> str:
    if host in ("0.0.0.0", "::", "localhost"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


if __name__ == "__main__":
    main()
