"""What a client sent as the body of a request: one JSON object of a bounded size."""

import json
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

_MAX_BYTES: Final = 1 << 20
_MAX_TEXT: Final = 4_096


class BadBody(Exception):
    """What was sent is not what was asked for; the message says what is."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


async def read_body(request: Request) -> dict[str, object]:
    """The object that was sent; empty when nothing was. Raises BadBody."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise BadBody("The body is larger than 1 MB.", 413)
    try:
        value: object = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise BadBody("The body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise BadBody("The body is a JSON object.")
    return value


def text_of(value: Mapping[str, object], field: str) -> str:
    """Empty when it is not there or null. Raises BadBody."""
    text = value.get(field)
    if text is not None and (not isinstance(text, str) or len(text) > _MAX_TEXT or not is_text(text)):
        raise BadBody(f"The field '{field}' is a text of at most {_MAX_TEXT} characters.")
    return text or ""


def is_text(text: str) -> bool:
    """JSON can spell halves of characters, which nothing can be done with."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
