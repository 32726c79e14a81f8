"""A person's secrets: encrypted where they are kept, and read only in the Notebooks that the person let read them.

They are in no document, event, log, URL or export; who forgets the server's own secret can read none of them any more.
"""

import os
import re
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from collab.model import NotebookId, UserId

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_SECRETS: Final = 200  # of one person
MAX_VALUE_BYTES: Final = 64 << 10
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_NONCE_BYTES: Final = 12


class BadSecret(ValueError):
    """The message is one sentence; it never holds a value."""


class NoSuchSecret(Exception):
    """The person has none of this name."""


class NotGranted(Exception):
    """The person has it, and has not let this Notebook read it."""


class SecretRows(Protocol):
    """What is needed of the Store. Values are what `Secrets` made of them."""

    async def secrets(self, user: UserId) -> list[tuple[str, datetime]]:
        """Names, in order, and when each was last changed."""

    async def secret(self, user: UserId, name: str) -> bytes | None: ...

    async def set_secret(self, user: UserId, name: str, value: bytes, most: int) -> bool:
        """False, and nothing done, when it would be more than `most`."""

    async def delete_secret(self, user: UserId, name: str) -> bool:
        """With its grants. False when there was none."""

    async def grant_secret(self, user: UserId, name: str, notebook: NotebookId, granted: bool) -> bool:
        """False when there is no such secret."""

    async def granted_secrets(self, user: UserId, notebook: NotebookId) -> list[str]: ...


class Secrets:
    """`key` is the server's own secret, from which the one that encrypts is made."""

    def __init__(self, rows: SecretRows, key: bytes) -> None:
        self._rows = rows
        self._key = key

    @cached_property
    def _cipher(self) -> "AESGCM":
        # Seven megabytes that a server without secrets does without.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return AESGCM(HKDF(SHA256(), 32, None, b"collab: secrets of people").derive(self._key))

    async def names(self, user: UserId, notebook: NotebookId | None) -> list[tuple[str, datetime, bool]]:
        """Each with when it was changed and whether this Notebook may read it."""
        granted = set(await self._rows.granted_secrets(user, notebook)) if notebook is not None else set()
        return [(name, changed, name in granted) for name, changed in await self._rows.secrets(user)]

    async def read(self, user: UserId, name: str) -> str:
        """For the person's own eyes. Raises NoSuchSecret, and BadSecret for one that cannot be decrypted."""
        from cryptography.exceptions import InvalidTag

        sealed = await self._rows.secret(user, name)
        if sealed is None:
            raise NoSuchSecret
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _about(user, name)).decode()
        except (InvalidTag, ValueError) as error:
            raise BadSecret("This secret cannot be read any more; enter its value again.") from error

    async def read_in(self, user: UserId, name: str, notebook: NotebookId) -> str:
        """For code that runs in the Notebook. Raises NoSuchSecret, NotGranted and BadSecret."""
        value = await self.read(user, name)
        if name not in await self._rows.granted_secrets(user, notebook):
            raise NotGranted
        return value

    async def set(self, user: UserId, name: str, value: str) -> None:
        """Raises BadSecret."""
        if not _NAME.fullmatch(name):
            raise BadSecret("A secret's name has letters, digits, '_', '.' and '-', and begins with a letter or '_'.")
        plain = value.encode(errors="surrogatepass")
        if not 0 < len(plain) <= MAX_VALUE_BYTES:
            raise BadSecret(f"A secret's value has 1 to {MAX_VALUE_BYTES:,} bytes.")
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, plain, _about(user, name))
        if not await self._rows.set_secret(user, name, sealed, MAX_SECRETS):
            raise BadSecret(f"At most {MAX_SECRETS} secrets can be kept; delete some first.")

    async def delete(self, user: UserId, name: str) -> None:
        """Raises NoSuchSecret."""
        if not await self._rows.delete_secret(user, name):
            raise NoSuchSecret

    async def grant(self, user: UserId, name: str, notebook: NotebookId, granted: bool) -> None:
        """Raises NoSuchSecret."""
        if not await self._rows.grant_secret(user, name, notebook, granted):
            raise NoSuchSecret


def _about(user: UserId, name: str) -> bytes:
    """What is sealed with a value: a row that is moved to another person or name cannot be read."""
    return f"{user}\n{name}".encode()
