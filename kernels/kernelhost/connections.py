"""HTTP connections with bounds that uvicorn lacks: whoever has not shown a token yet can hold neither memory nor an
open file for long. A request's head has at most 64 KB, and 20 s to come."""

import asyncio
import json
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_WITHIN_S: Final = 20.0
_MAX_LINE: Final = 8_000
_MAX_HEADERS: Final = 128
_REFUSAL: Final = "This is no HTTP request, or its head is too large: 64 KB, and 8 KB a line of a WebSocket's."


class Connection(H11Protocol):
    """uvicorn closes a connection that is idle after an answer, and waits for ever for a first request, or for the rest
    of one."""

    _waiting: asyncio.TimerHandle | None = None
    _is_handed_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._stop_waiting()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        # websockets takes no longer lines and no more headers; uvicorn leaves such a connection open without an answer.
        longest = max(len(event.target), *(len(name) + len(value) for name, value in self.headers))
        if longest > _MAX_LINE or len(self.headers) > _MAX_HEADERS:
            self.send_400_response(_REFUSAL)
            return
        self._stop_waiting()
        self._is_handed_over = True
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        answered = self.cycle
        super().on_response_complete()  # which begins with the next request, if that is here already
        if self.cycle is answered and not self._is_handed_over and not self.transport.is_closing():
            self._stop_waiting()
            self._waiting = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def send_400_response(self, msg: str) -> None:
        """As JSON, like every other error (kernels.md A3)."""
        body = json.dumps({"message": _REFUSAL, "reason": None}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        try:
            head = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for part in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(part) or b"")
        except h11.LocalProtocolError:
            pass  # an answer to what came before is on its way
        self.transport.close()

    def _give_up(self) -> None:
        self._waiting = None
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
