"""Who is asking: the owner by the server's token, a guest by a link, both by cookie afterwards; scripts by Bearer.

A cookie counts for a change only when the request comes from our own page (outputs.md S2). Tokens are compared in
constant time, stored as hashes and never logged.
"""

import hashlib
import hmac
import json
import random
import secrets
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from collab.model import MAX_NAME_CHARS, NotebookId, Role, User, UserId
from collab.notebook import clean
from collab.sharing import Grant, role_of
from collab.store.store import Link, Store

OWNER: Final = UserId("owner")

SESSION: Final = timedelta(days=90)
_OWNERS: Final = "owner."  # begins the secret of a session of the owner

# Calm, distinct, and readable under white letters (contrast of 4.5 or more).
_COLORS: Final = (
    "#1f6feb",
    "#8250df",
    "#bf3989",
    "#bc4c00",
    "#116329",
    "#0e7490",
    "#9a6700",
    "#a40e26",
    "#4f5bd5",
    "#57606a",
)
# What guests are called until they say otherwise.
_ANIMALS: Final = (
    "Otter Heron Lynx Marten Finch Badger Swift Ibex Robin Hare Egret Newt Plover Stoat Wren Tern Crane Gecko"
)


class NotSignedIn(Exception):
    """Nobody is asking that we know; the message says how to sign in."""


class ForeignOrigin(Exception):
    """A cookie came with a request that another site's page sent."""


@dataclass(frozen=True, slots=True)
class Caller:
    """`link` when the caller showed a link's token as Bearer; it opens that link's Notebook and nothing else.
    `session` is the hash of a browser's session; empty for who showed a token."""

    user: User
    link: Link | None = None
    session: str = ""

    @property
    def is_owner(self) -> bool:
        return self.user.id == OWNER


class Auth:
    def __init__(self, store: Store, token: str, secret: bytes) -> None:
        self._store = store
        self._token = token
        self._secret = secret

    async def caller(self, headers: Mapping[str, str], cookies: Mapping[str, str], page: str, changes: bool) -> Caller:
        """`page` is the origin of our own page for this request; `changes` when the request may change something.

        Raises NotSignedIn and ForeignOrigin.
        """
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if shown and scheme.lower() in ("bearer", "token"):
            return await self._by_token(shown.strip())
        session = cookies.get(cookie_name(page), "")
        if changes and headers.get("origin") != page and (session or "origin" in headers):
            raise ForeignOrigin(
                "This request does not come from this server's page; behind a proxy, set COLLAB_PUBLIC_URL."
            )
        user = await self._of_session(session) if session else None
        if user is None:
            raise NotSignedIn(
                "Sign in first: open the address with the token that the server printed, or a link to a notebook."
            )
        return Caller(user, session=self._session_hash(session))

    async def _by_token(self, token: str) -> Caller:
        if self.is_token(token):
            return Caller(await self.owner())
        link = await self._store.link(_hash(token))
        if link is None or not _lasts(link):
            raise NotSignedIn("This token is not known here; it was revoked, or it has expired.")
        id = UserId(f"link-{link.id}")
        user = await self._store.user(id)
        if user is None:
            user = User(id, "Guest", color_of(id), True)
            await self._store.save_user(user)
        return Caller(user, link)

    def is_token(self, token: str) -> bool:
        return hmac.compare_digest(_hash(token), _hash(self._token))

    async def owner(self) -> User:
        user = await self._store.user(OWNER)
        if user is None:
            user = User(OWNER, "Owner", _COLORS[0], False)
            await self._store.save_user(user)
        return user

    async def sign_in(self, user: User) -> str:
        """A new session's secret, for the cookie. Those that are over are forgotten."""
        await self._store.forget_sessions(datetime.now(UTC) - SESSION)
        session = (_OWNERS if user.id == OWNER else "") + secrets.token_urlsafe(32)
        await self._store.add_session(self._session_hash(session), user.id)
        return session

    async def sign_out(self, caller: Caller) -> None:
        await self._store.end_session(caller.session)

    async def session_ends(self, caller: Caller) -> datetime | None:
        """When the caller's session is over, which may be now; None for who has a token in its place."""
        if not caller.session:
            return None
        began = await self._store.session_began(caller.session)
        return datetime.now(UTC) if began is None else began + SESSION

    async def _of_session(self, session: str) -> User | None:
        return await self._store.session_user(self._session_hash(session), datetime.now(UTC) - SESSION)

    def _session_hash(self, session: str) -> str:
        """The owner's sessions end when the server's token is changed: whoever had it signed in with it."""
        return _hash(session + self._token if session.startswith(_OWNERS) else session)

    async def open_link(self, token: str, notebook: NotebookId, user: User | None) -> User | None:
        """Who has the link's role now: `user`, or a new guest. None when the link does not open this Notebook."""
        link = await self._store.link(_hash(token))
        if link is None or link.notebook != notebook or not _lasts(link):
            return None
        if user is None:
            id = UserId(f"guest-{secrets.token_hex(8)}")
            user = User(id, f"Guest {random.SystemRandom().choice(_ANIMALS.split())}", color_of(id), True)
            await self._store.save_user(user)
        if user.id != OWNER:
            await self._store.grant(notebook, user.id, link)
        return user

    async def make_link(self, notebook: NotebookId, role: Role, expires: datetime | None) -> tuple[Link, str]:
        """The Link and its token, which is shown this once."""
        token = secrets.token_urlsafe(24)
        link = Link(secrets.token_hex(6), notebook, role, expires)
        await self._store.add_link(link, _hash(token))
        return link, token

    async def grants(self, caller: Caller, notebook: NotebookId) -> list[Grant]:
        if caller.is_owner:
            return [Grant(Role.OWNER)]
        if caller.link is not None:
            known = any(link.id == caller.link.id for link in await self._store.links(caller.link.notebook))
            return [Grant(caller.link.role, caller.link.expires)] if known and caller.link.notebook == notebook else []
        return await self._store.grants(notebook, caller.user.id)

    async def role(self, caller: Caller, notebook: NotebookId) -> Role | None:
        return role_of(await self.grants(caller, notebook), datetime.now(UTC))

    async def rename(self, user: User, name: str) -> User:
        """Raises ValueError with a sentence for a name that will not do."""
        name = " ".join(clean(name).split())
        if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
            raise ValueError(f"A name is 1 to {MAX_NAME_CHARS} characters.")
        renamed = User(user.id, name, user.color, user.guest)
        await self._store.save_user(renamed)
        return renamed

    def output_label(self, notebook: NotebookId, user: UserId, kind: str, epoch: int) -> str:
        """First label of the host that this person's output frames come from (outputs.md F2); not guessable."""
        message = json.dumps([notebook, user, kind, epoch]).encode()
        digest = hmac.digest(self._secret, message, "sha256")
        return b32encode(digest[:20]).decode().lower()


def color_of(user: str) -> str:
    return _COLORS[int(_hash(user)[:8], 16) % len(_COLORS)]


def cookie_name(page: str) -> str:
    """Cookies ignore ports, so that two servers on one machine need two names (outputs.md S4)."""
    parts = urlsplit(page)
    if parts.scheme == "https":
        return "__Host-collab"
    return f"collab-{parts.port or 80}"


def _lasts(link: Link) -> bool:
    return link.expires is None or datetime.now(UTC) < link.expires


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
