"""What a gateway answers that has not yet found the kernels of the last one: 503 to everything. A 404 would tell
clients that their kernel died, and a short list that it is gone (kernels.md A6)."""

from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

_SENTENCE: Final = "The gateway is starting and looks for its kernels; ask again in a moment."


class Opening:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["state"]["kernels"].found.is_set():
            await self._app(scope, receive, send)
            return
        answer = JSONResponse({"message": _SENTENCE, "reason": None}, 503, headers={"Retry-After": "1"})
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(answer)
        else:
            await answer(scope, receive, send)
