"""A Jupyter server as something to connect to: our own gateway, or one that somebody else runs and a person named.

Pure: which addresses may be named is decided here, from the configuration; nothing is looked up.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import parse_qs, urlsplit

# What people copy from the address bar or from the server's output: the pages of Jupyter's own applications.
_PAGES: Final = re.compile(r"/(lab|tree|notebooks|nbclassic|doc|login|retro|voila)(/.*)?$")
_MAX_URL_CHARS: Final = 1000


class NoServer(Exception):
    """The Jupyter server cannot be reached or started; the message is one sentence."""


class BadAddress(ValueError):
    """What was typed is no address of a Jupyter server that may be attached; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Address:
    """`started` is when the process began, in the machine's own ticks, where it is ours: process numbers are used
    again."""

    url: str
    token: str = field(repr=False)
    pid: int = 0
    started: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What shows the token; nothing for a server that wants none."""
        return {"Authorization": f"token {self.token}"} if self.token else {}


class JupyterServer(Protocol):
    @property
    def name(self) -> str:
        """What it is called in sentences; they begin with it."""

    async def address(self) -> Address:
        """Raises NoServer."""


class Elsewhere:
    """A Jupyter server that somebody else runs."""

    def __init__(self, at: Address) -> None:
        self._at = at

    @property
    def name(self) -> str:
        return f"The Jupyter server at {self._at.url}"

    async def address(self) -> Address:
        return self._at


def read_address(url: str, token: str, allowed: Sequence[str]) -> Address:
    """As a person gives it, also with a page's path and `?token=`. `allowed` are origins (`http://gpu:8888`), or "any".
    Raises BadAddress; the sentence holds no token."""
    if not allowed:
        raise BadAddress(
            "This server attaches no other Jupyter servers; its operator sets COLLAB_ATTACH to allow some."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadAddress("This is no address; it is like http://localhost:8888.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > _MAX_URL_CHARS:
        raise BadAddress("The address of a Jupyter server is like http://localhost:8888.")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("The address holds a name or a password; leave them out and give the token by itself.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
    if not re.fullmatch(r"\[[0-9a-f:.]+\]|[a-z0-9._-]+", host):
        raise BadAddress("The address of a Jupyter server is like http://localhost:8888.")
    if "any" not in allowed and origin not in allowed:
        raise BadAddress(f"{origin} is not among the Jupyter servers that may be attached ({', '.join(allowed)}).")
    if _is_link_local(parts.hostname):  # a machine's own metadata service, where there is one
        raise BadAddress(f"{origin} is an address that no Jupyter server is at.")
    path = _PAGES.sub("", parts.path).rstrip("/")
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~@%+-]+)*", path):
        raise BadAddress("The address has a path that is none of a Jupyter server.")
    token = token or parse_qs(parts.query).get("token", [""])[0]
    if not re.fullmatch(r"[\x21-\x7e]*", token):
        raise BadAddress("A token has no spaces and no letters beyond ASCII; copy it from the server's own output.")
    return Address(origin + path, token)


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False
