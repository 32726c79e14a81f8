"""The outermost layer: which host is asked for, and what may be had there (outputs.md sections 3 to 5).

A host `{label}.localhost`, or one of the operator's template, is the output origin: the frame's static files and
nothing else. The page's hosts are loopback names, addresses (when we listen to more than loopback) and the public
URL's; any other is answered with 421, so that a foreign name that points here (DNS rebinding) reaches nothing.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collab.assets import built_file
from collab.config import Config, is_loopback
from collab.output_origin import OWN_HOST, is_of_template, keeps_origin
from collab.wire import CLOSE_FORBIDDEN

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.localhost")
_FRAME_FILE: Final = re.compile(r"/_out/((?:live|stored|remote)/frame\.html|assets/[A-Za-z0-9._-]+)")
# No popups, modals, top navigation or presentation; downloads go through the page, which asks.
_SANDBOX: Final = "sandbox allow-scripts allow-forms allow-pointer-lock"
_YEAR: Final = "public, max-age=31536000, immutable"
_EVERY_ANSWER: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Host:
    """The request's Host header: `name` without port, `port` as it stands there (F3), empty for the default one."""

    name: str
    port: str

    @property
    def text(self) -> str:
        return f"{self.name}:{self.port}" if self.port else self.name


def parse_host(header: str) -> Host | None:
    found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(\d{1,5}))?", header.lower())
    return None if found is None else Host(found[1], found[2] or "")


def is_output_host(host: Host, config: Config) -> bool:
    return _LABEL.fullmatch(host.name) is not None or is_of_template(config.output_origin, host.text)


def is_page_host(host: Host, config: Config) -> bool:
    if host.name == "localhost" or is_loopback(host.name):
        return True
    if config.origin and config.origin.partition("://")[2] == host.text:
        return True
    return not is_loopback(config.host) and (_is_address(host.name) or host.name == config.host)


def page_origin(host: Host, config: Config) -> str:
    """Of the page that this request belongs to; behind a proxy that ends TLS, the public URL's."""
    if config.origin and config.origin.partition("://")[2] == host.text:
        return config.origin
    return f"http://{host.text}"


def output_template(host: Host, config: Config) -> str:
    """Where a page under `host` finds its frames; empty for the page's own host."""
    if config.output_origin == OWN_HOST:
        return ""
    if host.name == "localhost" or is_loopback(host.name):
        return f"http://{{label}}.localhost{f':{host.port}' if host.port else ''}"
    # Under any other name or address the template's frames would not know their page.
    return config.output_origin if page_origin(host, config) == config.origin else ""


class Ports(Protocol):
    """Servers in kernels, each under a label of its own (S5)."""

    def has(self, label: str) -> bool: ...

    async def serve(self, scope: Scope, receive: Receive, send: Send, label: str, policy: str) -> None: ...


class Origins:
    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = parse_host(headers.get("host", ""))
        is_page = host is not None and is_page_host(host, self._config)
        ports: Ports = scope["state"]["ports"]
        if host is not None and is_output_host(host, self._config) and ports.has(label := host.name.partition(".")[0]):
            await ports.serve(scope, receive, send, label, port_policy(host, self._config))
        elif host is not None and is_page and not _is_frames(scope):
            scope["state"]["host"] = host
            await self._app(scope, receive, _with_headers(send))
        elif host is not None and (is_page or is_output_host(host, self._config)) and scope["type"] == "http":
            response = frame_file(scope, headers, host, self._config)
            await response(scope, receive, _with_headers(send))
        elif scope["type"] == "http":
            sentence = "This server does not answer under this name; its operator sets COLLAB_PUBLIC_URL to allow one."
            await JSONResponse({"error": sentence}, 421)(scope, receive, _with_headers(send))
        else:
            await send({"type": "websocket.close", "code": CLOSE_FORBIDDEN})


def _is_frames(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["type"] == "http" and path.startswith("/_out/")


def _with_headers(send: Send) -> Send:
    """What every answer carries unless it says otherwise: nobody guesses its type, embeds it from another origin,
    learns its address or keeps it."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _EVERY_ANSWER.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


def frame_file(scope: Scope, headers: Mapping[str, str], host: Host, config: Config) -> Response:
    """One of the frame's static files with the headers that keep it in its box (outputs.md section 4)."""
    if scope["method"] not in ("GET", "HEAD"):
        return JSONResponse({"error": "There is nothing to change here."}, 405)
    if headers.get("service-worker", "") == "script":  # C2: no persistence
        return JSONResponse({"error": "Outputs cannot register service workers."}, 403)
    found = _FRAME_FILE.fullmatch(scope["path"])
    # What may load from other hosts is the same document under another policy.
    file = None if found is None else config.static / "_out" / found[1].replace("remote/", "stored/")
    if found is None or file is None or not file.is_file():
        return JSONResponse({"error": "There is no such file for outputs."}, 404)
    kind = found[1].partition("/")[0]
    policy = "" if kind == "assets" else frame_policy(kind, host, config)
    extra = {
        "Origin-Agent-Cluster": "?1",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": _YEAR if kind == "assets" else "no-cache",
    }
    if policy:
        extra["Content-Security-Policy"] = policy
    if is_page_host(host, config):
        extra["Document-Isolation-Policy"] = "isolate-and-credentialless"
    return built_file(file, headers, extra)


def frame_policy(kind: str, host: Host, config: Config) -> str:
    """`live` may load from anywhere; `stored` loads nothing until its reader asks, which makes it `remote` (C1)."""
    port = f":{host.port}" if host.port else ""
    if is_page_host(host, config):
        pages = f"http://{host.text} https://{host.text}"
        base = f"http://{host.text}/_out/ https://{host.text}/_out/"
        is_opaque = True
    elif is_of_template(config.output_origin, host.text):
        pages = config.origin
        base = f"{config.output_origin.partition('://')[0]}://{host.text}"
        is_opaque = not keeps_origin(config.output_origin, _name_of(pages), config.output_cross_site)
    else:
        pages = f"http://localhost{port} http://127.0.0.1{port} http://[::1]{port}"
        base = f"http://{host.text}"
        is_opaque = False
    common = f"frame-ancestors {pages}; base-uri 'none'; object-src 'none'"
    if is_opaque:
        common += f"; {_SANDBOX}"
    if kind != "stored":
        return common
    return (
        f"default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: {base}; style-src 'unsafe-inline' {base}; "
        f"img-src data: blob:; media-src data: blob:; font-src data: {base}; worker-src blob:; form-action 'none'; "
        f"{common}"
    )


def port_policy(host: Host, config: Config) -> str:
    """What a server in a kernel is held to: only our pages and their outputs embed it, and where its host is of the
    page's own site it has no origin, as it could set our cookies (F1)."""
    if is_of_template(config.output_origin, host.text):
        template = config.output_origin
        pages = f"{config.origin} {template.replace('{label}', '*')}"
        is_opaque = not keeps_origin(template, _name_of(config.origin), config.output_cross_site)
    else:
        port = f":{host.port}" if host.port else ""
        pages = " ".join(f"http://{name}{port}" for name in ("localhost", "127.0.0.1", "[::1]", "*.localhost"))
        is_opaque = False
    policy = f"frame-ancestors 'self' {pages}"
    return f"{policy}; {_SANDBOX} allow-downloads allow-modals" if is_opaque else policy


def page_policy(host: Host, page: str, nonce: str, config: Config) -> str:
    """The page's Content-Security-Policy (outputs.md section 4)."""
    socket = page.replace("http", "ws", 1)
    template = output_template(host, config)
    frames = template.replace("{label}", "*") or f"{page}/_out/"
    if template and template != config.output_origin:
        frames += f" {page}/_out/"  # for a browser that does not find *.localhost (F4)
    return (
        f"default-src 'self'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self' 'nonce-{nonce}'; "
        f"img-src 'self' data: blob:; font-src 'self'; worker-src 'self'; connect-src 'self' {socket}; "
        f"frame-src {frames}; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types app dompurify"
    )


def _name_of(origin: str) -> str:
    host = parse_host(origin.partition("://")[2])
    return "" if host is None else host.name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
