"""The page for a browser that cannot reach us: the worker that opens it, and what that worker keeps.

Nothing in it is anybody's: the built page, its files and its headers. Notebooks are kept by the page itself.
"""

import hashlib
import json
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab.http._request import page_of, services_of
from collab.origins import Host, output_template, page_policy

# Stands in the built page and in its policy; whoever answers with them puts a fresh one there.
NONCE: Final = "__NONCE__"
_KEPT: Final = (".js", ".css", ".svg", ".woff2")  # fonts in the one format that every browser of today takes


def page_html(request: Request) -> str:
    """Of this host, without a nonce."""
    services = services_of(request)
    host: Host = request.state.host
    return (
        (services.config.static / "index.html")
        .read_text("utf-8")
        .replace("__OUTPUT_ORIGIN__", output_template(host, services.config))
        .replace("__OUTPUT_CROSS_SITE__", "1" if services.config.output_cross_site else "")
        .replace("__OMIT_OUTPUTS__", "1" if services.config.omit_outputs else "")
        .replace("__WORKER__", "/worker.js" if services.config.offline else "")
    )


def page_headers(request: Request) -> dict[str, str]:
    config = services_of(request).config
    return {
        "Content-Security-Policy": page_policy(request.state.host, page_of(request), NONCE, config),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Origin-Agent-Cluster": "?1",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


async def shell(request: Request) -> Response:
    """For the worker, which fills in a nonce of its own each time it opens the page."""
    return JSONResponse(_shell(request))


async def worker(request: Request) -> Response:
    """Another build is another script, by which browsers notice it. Without a build it takes itself away."""
    file = services_of(request).config.static / "worker.js"
    if not file.is_file():
        raise HTTPException(404)
    build = _shell(request)["build"] if services_of(request).config.offline else ""
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'; connect-src 'self'"}
    script = f"self.BUILD={json.dumps(build)};\n{file.read_text('utf-8')}"
    return Response(script, media_type="text/javascript", headers=headers)


def _shell(request: Request) -> dict[str, object]:
    static = services_of(request).config.static
    files = sorted(file.name for file in (static / "assets").iterdir() if file.suffix in _KEPT)
    shell: dict[str, object] = {
        "html": page_html(request),
        "headers": page_headers(request) | {"Content-Type": "text/html; charset=utf-8"},
        "assets": [f"/assets/{name}" for name in files],
    }
    script = (static / "worker.js").read_bytes() if (static / "worker.js").is_file() else b""
    build = hashlib.sha256(script + json.dumps(shell).encode()).hexdigest()[:20]
    return {"build": build} | shell


routes = [Route("/worker.js", worker), Route("/shell.json", shell)]
