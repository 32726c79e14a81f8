"""Settings of the gateway, read once: flags, and the token from the environment or a file.

The token may come on the command line too, where other users of the machine can read it."""

import argparse
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from kernelhost.confining import Confining, add_flags, read_confining
from kernelhost.culling import NEVER, WARN_IDLE_S, WARN_LIFETIME_S, Policy
from kernelhost.gpus.policy import DEFAULT as GPUS
from kernelhost.gpus.policy import Policy as GpuPolicy
from kernelhost.gpus.policy import add_gpu_flags, read_policy
from kernelhost.gpus.wish import BadWish
from kernelhost.journal import MAX_BYTES
from kernelhost.limits import UNLIMITED, BadLimit
from kernelhost.pool import MAX_READY
from kernelhost.revival import Revival

DEFAULT_PORT: Final = 8900
ALONE_S: Final = 24 * 3600.0
MAX_KERNELS: Final = 200
MAX_STARTS: Final = 60  # a minute
MAX_SOCKETS: Final = 64


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
    confining: Confining = Confining(UNLIMITED, "none")  # noqa: RUF009 - a value
    culling: Policy = NEVER
    extend_lifetime: bool = False
    max_kernels: int = MAX_KERNELS
    max_starts: int = MAX_STARTS
    max_sockets: int = MAX_SOCKETS
    gpus: GpuPolicy = GPUS
    terminals: bool = False
    binary: Literal["auto", "always", "never"] = "auto"
    pool: tuple[tuple[str, int], ...] = (("", 1),)
    revival: Revival = Revival()  # noqa: RUF009 - a value
    colab: bool = True


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
    data = _data(given.data, given.state, int(given.port), environ)
    ours = [data, *(Path(path).absolute() for path in (given.state, given.token_file) if path)]
    try:
        confining = read_confining(given, tuple(path for path in ours if path is not None))
    except BadLimit as error:
        raise BadSetting(str(error)) from error
    try:
        gpus = read_policy(given.gpus, given.gpu_share, given.gpu_most, given.gpu_default)
    except BadWish as error:
        raise BadSetting(str(error)) from error
    return Config(
        token=token,
        host=given.host,
        port=int(given.port),
        root=Path(given.root).expanduser().absolute(),
        state=Path(given.state).absolute() if given.state else None,
        orphan_after_s=given.orphan_after,
        origins=tuple(given.allow_origin),
        keep_bytes=given.keep << 20,
        data=data,
        alone_s=min(given.outlive, given.orphan_after or math.inf),
        confining=confining,
        culling=Policy(
            given.cull_idle * 60 if given.cull_idle else None,
            given.max_lifetime * 3600 if given.max_lifetime else None,
            given.warn_idle * 60,
            given.warn_lifetime * 60,
            given.cull_busy,
        ),
        extend_lifetime=given.extend_lifetime,
        max_kernels=given.max_kernels,
        max_starts=given.max_starts,
        max_sockets=given.max_sockets,
        gpus=gpus,
        terminals=given.terminals,
        binary=given.binary,
        pool=tuple({"": 1, **dict(given.pool)}.items()),
        revival=Revival(deaths=given.revive),
        colab=given.colab,
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
    pool = f"kernels that are ready before somebody asks, of the default kernelspec or of one (1; at most {MAX_READY})"
    parser.add_argument("--pool", type=_pool, action="append", default=[], metavar="[NAME=]N", help=pool)
    binary = (
        "whether clients of the older codec get binary frames; auto: those that are not made with Tornado do (auto)"
    )
    parser.add_argument("--binary", choices=("auto", "always", "never"), default="auto", help=binary)
    terminals = "let clients open shells, which are all that the gateway's user may do"
    parser.add_argument("--terminals", action="store_true", help=terminals)
    add_flags(parser)
    add_gpu_flags(parser)
    cull = parser.add_argument_group("ends of kernels", "Off unless asked for; people are told beforehand.")
    cull.add_argument("--cull-idle", type=_time, metavar="MIN", help="end a kernel that was idle for so long")
    cull.add_argument("--cull-busy", action="store_true", help="also while a request runs that uses no processor")
    cull.add_argument("--max-lifetime", type=_time, metavar="H", help="end a kernel so many hours after its start")
    warn_idle, warn_lifetime = WARN_IDLE_S / 60, WARN_LIFETIME_S / 60
    help = f"tell people so long before an idle kernel ends ({warn_idle:g})"
    cull.add_argument("--warn-idle", type=_time, default=warn_idle, metavar="MIN", help=help)
    help = f"tell people so long before a lifetime ends ({warn_lifetime:g})"
    cull.add_argument("--warn-lifetime", type=_time, default=warn_lifetime, metavar="MIN", help=help)
    cull.add_argument("--extend-lifetime", action="store_true", help="who uses a kernel may put off its lifetime's end")
    rule = Revival()
    help = f"start a kernel again that died by itself, until the Nth time in {rule.within_s / 60:g} min"
    help += f" ({rule.deaths}); 0: never"
    parser.add_argument("--revive", type=int, default=rule.deaths, metavar="N", help=help)
    parser.add_argument(
        "--no-colab",
        dest="colab",
        action="store_false",
        help="leave google.colab out of what Python kernels can import",
    )
    most = parser.add_argument_group("bounds")
    most.add_argument("--max-kernels", type=_count, default=MAX_KERNELS, metavar="N", help=f"in all ({MAX_KERNELS})")
    help = f"starts of kernels in a minute ({MAX_STARTS})"
    most.add_argument("--max-starts", type=_count, default=MAX_STARTS, metavar="N", help=help)
    help = f"sockets of one kernel at once ({MAX_SOCKETS})"
    most.add_argument("--max-sockets", type=_count, default=MAX_SOCKETS, metavar="N", help=help)
    return parser


def _time(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1_000_000:
        raise argparse.ArgumentTypeError(f"'{text:.20}' is no time above 0")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"'{text:.20}' is no number from 1 to 100000")
    return int(text)


def _pool(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not number.isdigit() or int(number) > MAX_READY:
        raise argparse.ArgumentTypeError(f"'{number:.20}' is no number of kernels from 0 to {MAX_READY}")
    return name, int(number)


def _megabytes(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"'{text:.20}' is no number of megabytes from 1 to 100000")
    return int(text)
