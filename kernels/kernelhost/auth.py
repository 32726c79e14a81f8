"""Who may talk to the gateway: whoever shows its token. Loopback is not a credential (kernels.md A1, A2, H13)."""

import hashlib
import hmac
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection


def is_allowed(request: HTTPConnection, token: str) -> bool:
    """By `Authorization: token T` or `Bearer T`, or `?token=T`; compared in constant time."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("token", "bearer") or not shown.strip():
        shown = request.query_params.get("token", "")
    return hmac.compare_digest(_digest(shown.strip()), _digest(token))


def is_own_origin(request: HTTPConnection, allowed: tuple[str, ...]) -> bool:
    """No Origin (no browser), our own host, or one that the operator named."""
    origin = request.headers.get("origin")
    if origin is None or origin in allowed:
        return True
    try:
        return urlsplit(origin).netloc == request.headers.get("host", "")
    except ValueError:
        return False


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
