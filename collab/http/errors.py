"""Errors as answers: JSON with one sentence, whatever went wrong; to a person who opened an address, a page with it."""

import hashlib
import html
import logging
from base64 import b64encode
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from collab.notebook import clean
from collab.store.store import NoNotebook

log = logging.getLogger(__name__)

_WORDS = {404: "There is nothing at this address.", 405: "This address does not take that method."}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:0}"
    "main{max-width:36rem;margin:20vh auto 0;padding:0 24px}"
    "h1{font-size:22px;font-weight:600;margin:0 0 8px}"
)
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{sentence}</p>
<p><a href="/">Go to the notebooks</a></p>
</main>
</body>
</html>
"""


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    generic = error.detail == "" or " " not in error.detail or error.detail in ("Not Found", "Method Not Allowed")
    sentence = _WORDS.get(error.status_code, error.detail) if generic else error.detail
    return _answer(request, sentence, error.status_code, dict(error.headers or {}))


async def on_store_error(request: Request, error: Exception) -> Response:
    if isinstance(error, NoNotebook):
        return _answer(request, str(error), 404)
    log.error("The store failed a request", extra={"path": request.url.path, "reason": str(error)})
    return _answer(request, f"The server cannot reach its data. {error}", 503)


async def on_error(request: Request, error: Exception) -> Response:
    log.error("A request failed", extra={"path": request.url.path}, exc_info=error)
    return _answer(request, "Something went wrong on the server; its log says what.", 500)


def _answer(request: Request, sentence: str, status: int, headers: dict[str, str] | None = None) -> Response:
    sentence = clean(sentence)  # it may quote what was sent
    is_person = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    if not is_person:
        return JSONResponse({"error": sentence}, status, headers=headers)
    title = "Not found" if status == 404 else "Not signed in" if status == 401 else "That did not work"
    page = _PAGE.format(title=title, sentence=html.escape(sentence), style=_STYLE)
    return HTMLResponse(page, status, headers=(headers or {}) | {"Content-Security-Policy": _POLICY})
