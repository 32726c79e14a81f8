"""The page itself, signing in, and the page's static files."""

import re
import secrets
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from collab.assets import built_file
from collab.auth import SESSION, ForeignOrigin, NotSignedIn, cookie_name
from collab.http._request import look_again, page_of, services_of
from collab.http.shell import NONCE, page_headers, page_html
from collab.model import NotebookId, User
from collab.version import VERSION

_ASSET = re.compile(r"[A-Za-z0-9._-]+")


async def page(request: Request) -> Response:
    """`?token=` signs the owner in, `?link=` lets a guest in; both leave the address at once (outputs.md S4)."""
    services = services_of(request)
    token, link = request.query_params.get("token"), request.query_params.get("link")
    if token is not None:
        if not services.auth.is_token(token):
            raise HTTPException(401, "This sign-in link is not valid here; use the one that the server printed.")
        return await _signed_in(request, await services.auth.owner())
    if link is not None:
        id = NotebookId(request.path_params.get("id", ""))
        user = await services.auth.open_link(link, id, await _known(request))
        if user is None:
            raise HTTPException(404, "This link no longer works: it was revoked, or it has expired.")
        look_again(services, id)
        return await _signed_in(request, user)
    nonce = secrets.token_urlsafe(16)
    headers = {name: value.replace(NONCE, nonce) for name, value in page_headers(request).items()}
    return HTMLResponse(page_html(request).replace(NONCE, nonce), headers=headers)


async def asset(request: Request) -> Response:
    name = request.path_params["name"]
    file = services_of(request).config.static / "assets" / name
    if not _ASSET.fullmatch(name) or not file.is_file():
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return built_file(file, request.headers, headers)


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": VERSION})


async def _known(request: Request) -> User | None:
    """Who this browser is signed in as already, so that one person stays one person over many links."""
    try:
        caller = await services_of(request).auth.caller(
            request.headers, request.cookies, page_of(request), changes=False
        )
    except (NotSignedIn, ForeignOrigin):
        return None
    return caller.user if caller.link is None else None


async def _signed_in(request: Request, user: User) -> Response:
    session = await services_of(request).auth.sign_in(user)
    rest = [(key, value) for key, value in request.query_params.multi_items() if key not in ("token", "link")]
    response = RedirectResponse(request.url.path + (f"?{urlencode(rest)}" if rest else ""), 303)
    page = page_of(request)
    secure = page.startswith("https:")
    lasts_s = int(SESSION.total_seconds())
    response.set_cookie(cookie_name(page), session, max_age=lasts_s, httponly=True, samesite="lax", secure=secure)
    return response


routes = [
    Route("/", page),
    Route("/n/{id}", page),
    Route("/assets/{name}", asset),
    Route("/healthz", health),
]
