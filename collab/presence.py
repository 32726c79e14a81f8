"""Who is where in a Room: one state per Connection, about itself only, stamped with its User (crdt.md A1-A3).

Plain values; when and to whom they are sent is the Room's business.
"""

import json
from collections.abc import Mapping
from typing import Final

from collab.connection import Connection
from collab.events import user_json
from collab.model import MAX_PRESENCE_BYTES, Role, User, UserId
from collab.wire import BadFrame, Presence

_MAX_CELL_CHARS: Final = 64
_MAX_REMEMBERED: Final = 10_000
# Far from the largest integer of JavaScript, as clocks are raised here. Asked of oneself only: stock clients send on
# what they hear, and would be sent away for the clock of another.
_MAX_CLOCK: Final = 2**48


class PresenceTable:
    """Clocks only ever grow here, over leaving and coming back, so that nobody takes news for old news (A3)."""

    def __init__(self) -> None:
        self._client_of: dict[Connection, int] = {}
        self._states: dict[int, Presence] = {}
        # Whose a client id is and the last clock told of it, also after it left: what stock clients send on about
        # others must not be taken for their own, and only the same User may come back under it.
        self._remembered: dict[int, tuple[UserId, int]] = {}

    @property
    def everyone(self) -> tuple[Presence, ...]:
        return tuple(self._states.values())

    def update(self, connection: Connection, clients: tuple[Presence, ...]) -> Presence | None:
        """What to tell the others; None for news about anybody else. Raises BadFrame."""
        for told in clients:
            if self._claims(connection, told):
                return self._set(connection, told)
        return None

    def leave(self, connection: Connection) -> Presence | None:
        client = self._client_of.pop(connection, None)
        state = None if client is None else self._states.pop(client, None)
        # With the clock as it was: a browser that comes back raises its own by one, and has to be believed.
        return None if state is None else Presence(state.client, state.clock, None)

    def restamp(self, connection: Connection) -> Presence | None:
        """After a new name or role."""
        client = self._client_of.get(connection)
        state = None if client is None else self._states.get(client)
        if state is None or state.state is None:
            return None
        told = dict(state.state) | {"user": _stamp(connection.user, connection.role)}
        return self._tell(connection, Presence(state.client, state.clock + 1, told))

    def _claims(self, connection: Connection, told: Presence) -> bool:
        own = self._client_of.get(connection)
        if own is not None:
            return told.client == own
        owner, _ = self._remembered.get(told.client, (connection.user.id, 0))
        if told.state is None or owner != connection.user.id:
            return False
        for other, client in list(self._client_of.items()):
            if client == told.client:  # the same tab, back before its old socket was found dead
                del self._client_of[other]
        self._client_of[connection] = told.client
        return True

    def _set(self, connection: Connection, told: Presence) -> Presence | None:
        if told.clock > _MAX_CLOCK:
            raise BadFrame("The clock of a presence state is too large.")
        before = self._states.get(told.client)
        _, last = self._remembered.get(told.client, (connection.user.id, -1))
        if told.state is None:
            self._states.pop(told.client, None)
            return (
                None if before is None else self._tell(connection, Presence(told.client, max(told.clock, last), None))
            )
        state = _known(told.state) | {"user": _stamp(connection.user, connection.role)}
        if len(json.dumps(state)) > MAX_PRESENCE_BYTES:
            raise BadFrame(f"A presence state is at most {MAX_PRESENCE_BYTES} bytes.")
        if before is not None and state == before.state and told.clock <= last:
            return None  # what we told it ourselves: stock clients send it back
        # The server's clock runs ahead of the browser's own after a new name or role.
        return self._tell(connection, Presence(told.client, told.clock if told.clock > last else last + 1, state))

    def _tell(self, connection: Connection, told: Presence) -> Presence:
        if told.state is not None:
            self._states[told.client] = told
        if len(self._remembered) >= _MAX_REMEMBERED and told.client not in self._remembered:
            self._remembered = {
                client: self._remembered[client] for client in self._states if client in self._remembered
            }
        self._remembered[told.client] = connection.user.id, told.clock
        return told


def _known(state: Mapping[str, object]) -> dict[str, object]:
    """The fields there are; what has another type counts as absent."""
    cell = state.get("cell")
    cursor = state.get("cursor")
    known: dict[str, object] = {"cell": cell if isinstance(cell, str) and len(cell) <= _MAX_CELL_CHARS else None}
    known["cursor"] = (
        {"anchor": cursor["anchor"], "head": cursor["head"]}
        if isinstance(cursor, Mapping)
        and isinstance(cursor.get("anchor"), dict)
        and isinstance(cursor.get("head"), dict)
        else None
    )
    known["mode"] = "edit" if state.get("mode") == "edit" else "command"
    return known


def _stamp(user: User, role: Role) -> dict[str, object]:
    return user_json(user) | {"role": role.word}
