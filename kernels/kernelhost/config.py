"""Settings of the gateway, read once: flags, and the token from the environment or a file.

The token may come on the command line too, where other users of the machine can read it."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernelhost.journal import MAX_BYTES

DEFAULT_PORT: Final = 8900
ALONE_S: Final = 24 * 3600.0


class BadSetting(ValueError):
    """The message is one sentence with the remedy."""


@dataclass(frozen=True, slots=True)
class Config:
    """`state` is where url, token and pid are written for whoever started us; `orphan_after_s` 0 means never. `data` is
    the folder kernels are registered in, which then go on for `alone_s` without a gateway; None: they end with it."""

    token: str
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    root: Path = Path()
    state: Path | None = None
    orphan_after_s: float = 0.0
    origins: tuple[str, ...] = ()
    keep_bytes: int = MAX_BYTES
    data: Path | None = None
    alone_s: float = ALONE_S


def read_config(arguments: Sequence[str], environ: Mapping[str, str]) -> Config:
    """Raises BadSetting."""
    given = _parser().parse_args(arguments)
    token = given.token or environ.get("KERNELHOST_TOKEN", "")
    if given.token_file:
        try:
            token = Path(given.token_file).read_text().strip()
        except OSError as error:
            raise BadSetting(f"The token file cannot be read: {error.strerror}.") from error
    if not re.fullmatch(r"[A-Za-z0-9_.~-]{8,200}", token):
        raise BadSetting(
            "The gateway needs a token of 8 to 200 letters, digits, '-', '_', '.', '~': set KERNELHOST_TOKEN."
        )
    if not given.port.isdigit() or int(given.port) > 65535:
        raise BadSetting(f"'{given.port:.20}' is no port; choose a number from 0 to 65535 for --port.")
    return Config(
        token=token,
        host=given.host,
        port=int(given.port),
        root=Path(given.root).expanduser().absolute(),
        state=Path(given.state).absolute() if given.state else None,
        orphan_after_s=given.orphan_after,
        origins=tuple(given.allow_origin),
        keep_bytes=given.keep << 20,
        data=_data(given.data, given.state, int(given.port), environ),
        alone_s=given.outlive,
    )


def _data(given: str | None, state: str | None, port: int, environ: Mapping[str, str]) -> Path | None:
    """Who has neither a folder nor a port of its own is nobody's successor, and nobody is its."""
    if given:
        return Path(given).expanduser().absolute()
    if state:
        return Path(state).absolute().with_name("kernels")
    if port == 0:
        return None
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local" / "state")
    return home / "kernelhost" / f"{port}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kernelhost",
        description="Run Jupyter kernels behind Jupyter's own REST and WebSocket contract.",
        epilog="example: KERNELHOST_TOKEN=... kernelhost --port 8900; then jupyter lab --gateway-url=http://127.0.0.1:8900",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", default=str(DEFAULT_PORT), help=f"port to listen on ({DEFAULT_PORT}); 0 takes any")
    parser.add_argument("--token", help="what clients have to show; better KERNELHOST_TOKEN, which others cannot list")
    parser.add_argument("--token-file", metavar="FILE", help="a file that holds the token")
    parser.add_argument("--root", default=os.curdir, metavar="DIR", help="the folder kernels work in")
    parser.add_argument("--state", metavar="FILE", help="where to write url, token and pid, for whoever started us")
    data = "where kernels are registered, so that they go on while no gateway is there (a folder for the port)"
    parser.add_argument("--data", metavar="DIR", help=data)
    outlive = f"how long kernels go on while no gateway is there ({ALONE_S:.0f})"
    parser.add_argument("--outlive", type=float, default=ALONE_S, metavar="S", help=outlive)
    keep = f"output of a kernel that is kept for clients that are away or slow ({MAX_BYTES >> 20})"
    parser.add_argument("--keep", type=_megabytes, default=MAX_BYTES >> 20, metavar="MB", help=keep)
    parser.add_argument(
        "--orphan-after", type=float, default=0.0, metavar="S", help="end when nobody asked for so long"
    )
    parser.add_argument(
        "--allow-origin", action="append", default=[], metavar="ORIGIN", help="a web page that may connect"
    )
    return parser


def _megabytes(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"'{text:.20}' is no number of megabytes from 1 to 100000")
    return int(text)
