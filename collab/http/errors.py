"""Errors as answers: JSON with one sentence, whatever went wrong."""

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collab.store.store import NoNotebook

log = logging.getLogger(__name__)

_WORDS = {404: "There is nothing at this address.", 405: "This address does not take that method."}


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    generic = error.detail == "" or " " not in error.detail or error.detail in ("Not Found", "Method Not Allowed")
    sentence = _WORDS.get(error.status_code, error.detail) if generic else error.detail
    return JSONResponse({"error": sentence}, error.status_code, headers=error.headers)


async def on_store_error(request: Request, error: Exception) -> Response:
    if isinstance(error, NoNotebook):
        return JSONResponse({"error": str(error)}, 404)
    log.error("The store failed a request", extra={"path": request.url.path, "reason": str(error)})
    return JSONResponse({"error": f"The server cannot reach its data. {error}"}, 503)


async def on_error(request: Request, error: Exception) -> Response:
    log.error("A request failed", extra={"path": request.url.path}, exc_info=error)
    return JSONResponse({"error": "Something went wrong on the server; its log says what."}, 500)
