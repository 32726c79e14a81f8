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


class PresenceTable:
    def __init__(self) -> None:
        self._client_of: dict[Connection, int] = {}
        self._states: dict[int, Presence] = {}
        # Whose a client id is, also after it left: what stock clients send on about others must not be taken for
        # their own, and only the same User may come back under it.
        self._user_of: dict[int, UserId] = {}

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
        return None if state is None else Presence(state.client, state.clock + 1, None)

    def restamp(self, connection: Connection) -> Presence | None:
        """After a new name or role."""
        client = self._client_of.get(connection)
        state = None if client is None else self._states.get(client)
        if state is None or state.state is None:
            return None
        told = dict(state.state) | {"user": _stamp(connection.user, connection.role)}
        self._states[state.client] = Presence(state.client, state.clock + 1, told)
        return self._states[state.client]

    def _claims(self, connection: Connection, told: Presence) -> bool:
        own = self._client_of.get(connection)
        if own is not None:
            return told.client == own
        if told.state is None or self._user_of.get(told.client, connection.user.id) != connection.user.id:
            return False
        for other, client in list(self._client_of.items()):
            if client == told.client:  # the same tab, back before its old socket was found dead
                del self._client_of[other]
        if len(self._user_of) >= _MAX_REMEMBERED:
            self._user_of = {client: self._user_of[client] for client in self._states if client in self._user_of}
        self._client_of[connection] = told.client
        self._user_of[told.client] = connection.user.id
        return True

    def _set(self, connection: Connection, told: Presence) -> Presence | None:
        before = self._states.get(told.client)
        if told.state is None:
            self._states.pop(told.client, None)
            return None if before is None else Presence(told.client, max(told.clock, before.clock + 1), None)
        if before is not None and told.clock < before.clock:
            return None
        state = _known(told.state) | {"user": _stamp(connection.user, connection.role)}
        # A restamped clock may be ahead of the browser's own.
        clock = told.clock if before is None else max(told.clock, before.clock)
        if len(json.dumps(state)) > MAX_PRESENCE_BYTES:
            raise BadFrame(f"A presence state is at most {MAX_PRESENCE_BYTES} bytes.")
        self._states[told.client] = Presence(told.client, clock, state)
        return self._states[told.client]


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
