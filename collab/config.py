"""Settings, read once: a flag wins over its `COLLAB_*` variable, which wins over the default."""

import argparse
import ipaddress
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from collab.output_origin import OWN_HOST, is_template

DEFAULT_PORT: Final = 8899


class BadSetting(ValueError):
    """The message is one sentence with the remedy."""


@dataclass(frozen=True, slots=True)
class Config:
    """`token` and `gateway_token` are empty when one is to be made; `gateway_url` when we start a gateway ourselves,
    with `gateway_flags` besides our own.
    `output_origin` is a template (`output_origin.py`), "none" for the page's own host, or empty.

    `attach` are the origins of Jupyter servers that the owner may attach, or "any". `ports` is how many are tried, from
    `port` on: one that was chosen is taken or none.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    ports: int = 1
    token: str = ""
    browser: bool = True
    paths: tuple[Path, ...] = ()
    public_url: str = ""
    gateway_url: str = ""
    gateway_token: str = ""
    gateway_flags: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()
    room_grace_s: float = 30.0
    output_origin: str = ""
    output_cross_site: bool = False
    offline: bool = True
    omit_outputs: bool = False
    upload_bytes: int = 64 << 20
    static: Path = Path(__file__).parent / "static"

    @property
    def origin(self) -> str:
        """Of the public URL; empty when there is none."""
        parts = urlsplit(self.public_url)
        standard = {"https": ":443", "http": ":80"}.get(parts.scheme, "")  # which browsers leave out
        return f"{parts.scheme}://{parts.netloc.removesuffix(standard)}".lower() if parts.netloc else ""


def read_config(arguments: Sequence[str], environ: Mapping[str, str]) -> Config:
    """Raises BadSetting; argparse itself ends the program for `--help` and unknown flags."""
    given = _parser().parse_args(arguments)
    token = given.token if given.token is not None else environ.get("COLLAB_TOKEN", "")
    if token and not re.fullmatch(r"[A-Za-z0-9_.~-]{8,200}", token):
        raise BadSetting("A token is 8 to 200 letters, digits and '-', '_', '.', '~'; choose another for --token.")
    public_url = environ.get("COLLAB_PUBLIC_URL", "").rstrip("/")
    if public_url and not re.fullmatch(r"https?://[^/@?#\s]+", public_url):
        raise BadSetting("COLLAB_PUBLIC_URL is like https://notebooks.example.org, without a path.")
    gateway_url = environ.get("COLLAB_GATEWAY_URL", "").rstrip("/")
    if gateway_url and not re.fullmatch(r"https?://[^@?#\s]+", gateway_url):
        raise BadSetting("COLLAB_GATEWAY_URL is like http://gateway:8900; its token goes into COLLAB_GATEWAY_TOKEN.")
    port = given.port if given.port is not None else environ.get("COLLAB_PORT")
    host = given.host or environ.get("COLLAB_HOST") or "127.0.0.1"
    return Config(
        data=data_folder(given.data, environ),
        host=host,
        port=DEFAULT_PORT if port is None else _port(port),
        ports=50 if port is None else 1,
        token=token,
        browser=not given.no_browser,
        paths=tuple(Path(path) for path in given.path),
        public_url=public_url,
        gateway_url=gateway_url,
        gateway_token=environ.get("COLLAB_GATEWAY_TOKEN", ""),
        gateway_flags=_words(environ.get("COLLAB_GATEWAY_FLAGS", "")),
        attach=_attachable(environ.get("COLLAB_ATTACH"), is_loopback(host) and not public_url),
        output_origin=_output_origin(environ.get("COLLAB_OUTPUT_ORIGIN", ""), public_url),
        output_cross_site=_is_set("COLLAB_OUTPUT_CROSS_SITE", environ),
        room_grace_s=_seconds(environ.get("COLLAB_ROOM_GRACE", "30s")),
        omit_outputs=_is_set("COLLAB_OMIT_OUTPUTS", environ),
        offline=_is_on("COLLAB_OFFLINE", environ.get("COLLAB_OFFLINE", "on")),
    )


def data_folder(given: str | None, environ: Mapping[str, str]) -> Path:
    return Path(given or environ.get("COLLAB_DATA") or _default_data(environ)).expanduser().absolute()


def _attachable(text: str | None, is_private: bool) -> tuple[str, ...]:
    """Where others reach us, what we connect to at somebody's word is the operator's to say (SSRF)."""
    if text is None:
        return ("any",) if is_private else ()
    names = [name.strip().rstrip("/").lower() for name in text.split(",") if name.strip()]
    if names == ["none"]:
        return ()
    if any(name != "any" and not re.fullmatch(r"https?://[^/@?#\s]+", name) for name in names):
        raise BadSetting("COLLAB_ATTACH is any, none, or a list such as http://gpu1:8888,https://jupyter.example.org.")
    return tuple(names)


def _output_origin(text: str, public_url: str) -> str:
    template = text.strip().rstrip("/").lower()
    if template in ("", OWN_HOST):
        return template
    if not is_template(template):
        raise BadSetting("COLLAB_OUTPUT_ORIGIN is like https://{label}.example-usercontent.org, or none.")
    if not public_url:
        raise BadSetting("COLLAB_OUTPUT_ORIGIN goes with COLLAB_PUBLIC_URL, whose pages show the outputs; set both.")
    if template.partition(":")[0] != public_url.partition(":")[0].lower():
        raise BadSetting("COLLAB_OUTPUT_ORIGIN and COLLAB_PUBLIC_URL begin with the same http or https.")
    return template


def _is_set(name: str, environ: Mapping[str, str]) -> bool:
    text = environ.get(name, "")
    if text not in ("", "0", "1"):
        raise BadSetting(f"{name} is 1 or 0.")
    return text == "1"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _words(text: str) -> tuple[str, ...]:
    """As a shell would take them apart. Raises BadSetting."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise BadSetting("COLLAB_GATEWAY_FLAGS has a quote that nothing closes; close it.") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="collab",
        description="Serve notebooks that several people edit and run at once, in their browsers.",
        epilog="examples: collab  |  collab analysis.ipynb  |  collab ~/notebooks  |  collab --port 0 --no-browser"
        "  |  collab backup FILE  |  collab restore FILE  |  collab doctor",
    )
    parser.add_argument("path", nargs="*", help="notebooks (.ipynb) or folders of them to import")
    parser.add_argument("--host", help="address to listen on (127.0.0.1); also COLLAB_HOST")
    parser.add_argument("--port", help=f"port to listen on ({DEFAULT_PORT}); 0 takes any; also COLLAB_PORT")
    parser.add_argument("--data", metavar="DIR", help="where notebooks are kept; also COLLAB_DATA")
    parser.add_argument("--token", help="sign-in token of the owner; also COLLAB_TOKEN, which other users cannot list")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser


def _default_data(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_DATA_HOME") or os.path.join("~", ".local", "share")
    return os.path.join(base, "collab")


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise BadSetting(f"'{text:.20}' is no port; choose a number from 0 to 65535 for --port.")
    return int(text)


def _is_on(name: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise BadSetting(f"{name} is on or off.")
    return text == "on"


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", text)
    if found is None:
        raise BadSetting(f"'{text:.20}' is no duration; write it like 30s or 5m.")
    return float(found[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[found[2]]
