"""Blobs of a notebook, for whoever may read it, whole or in part. Raster images are shown; everything else can only be
saved."""

import re
from pathlib import PurePath
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from collab.http._attachment import attachment
from collab.http._ranges import allow_one_range
from collab.http._request import access_of, services_of
from collab.model import Role

_SHOWN: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
_ENDING: Final = re.compile(r"\.[A-Za-z0-9]{1,10}")
_MIME: Final = re.compile(r"[a-z]+/[a-z0-9.+-]{1,100}")


async def blob(request: Request) -> Response:
    access = await access_of(request, Role.VIEWER, "Reading outputs")
    services = services_of(request)
    sha256 = request.path_params["sha256"]
    path = services.blobs.path(sha256) if await services.store.has_blob(access.notebook.id, sha256) else None
    if path is None:
        raise HTTPException(404, "There is no such output in this notebook.")
    kind = request.query_params.get("type", "").lower()
    name = PurePath(request.query_params.get("name", ""))
    ending = name.suffix if _ENDING.fullmatch(name.suffix) else ""
    headers = attachment(name.name.removesuffix(ending) or sha256[:12], ending)
    # Named by its content: it never changes. Private, as it belongs to a notebook.
    headers["Cache-Control"] = "private, max-age=31536000, immutable"
    headers["ETag"] = etag = f'"{sha256}"'
    if etag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "").replace("W/", "")):
        return Response(status_code=304, headers=headers)
    allow_one_range(request.scope, path.stat().st_size, etag)
    if kind in _SHOWN:
        del headers["Content-Disposition"]
        return FileResponse(path, media_type=kind, headers=headers)
    safe = kind if _MIME.fullmatch(kind) else "application/octet-stream"
    return FileResponse(path, media_type=safe, headers=headers)


routes = [Route("/api/notebooks/{id}/blobs/{sha256}", blob)]
