"""A part of a file, as players of sound and film ask for it (RFC 9110, 14). One part at a time: a request for several
gets the whole, which every client has to take, and so does one that makes no sense."""

import re
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import Scope

_ONE: Final = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


def allow_one_range(scope: Scope, size: int, etag: str) -> None:
    """Leaves the request's Range in place only where a part is what it gets. Raises HTTPException 416."""
    headers = Headers(scope=scope)
    found = _ONE.fullmatch(headers.get("range", ""))
    first, last = (found[1], found[2]) if found is not None else ("", "")
    is_sane = (first or last) and (not first or not last or int(first) <= int(last))
    # A date is not good enough to say that it is the same file: only its tag is.
    is_same = headers.get("if-range", etag) == etag
    if not is_sane or not is_same:
        remaining = MutableHeaders(scope=scope)
        del remaining["range"]
        return
    if (int(first) >= size) if first else (int(last) == 0 or size == 0):
        sentence = f"There is no such part of it; it has {size} bytes."
        raise HTTPException(416, sentence, {"Content-Range": f"bytes */{size}"})
