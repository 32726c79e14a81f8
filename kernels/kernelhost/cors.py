"""Pages of the origins that the operator named may read every answer, errors included; no other page may (A10).

Starlette's own middleware is inside of the one that answers 500, and refuses in plain text.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Cors:
    """Answers OPTIONS itself, to anybody: it tells nothing and needs no credential."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        origin = asked.get("origin", "")

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if origin in self._origins:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers["Access-Control-Allow-Credentials"] = "true"
                    headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
                    headers["Access-Control-Allow-Headers"] = asked.get(
                        "access-control-request-headers", "Authorization, Content-Type"
                    )
                    headers["Access-Control-Expose-Headers"] = "Location, Retry-After"
            await send(message)

        if scope["method"] == "OPTIONS":
            await Response(status_code=204)(scope, receive, marked)
        else:
            await self._app(scope, receive, marked)
