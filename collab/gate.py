"""Judges what browsers write before it reaches the live Doc, the log and the others (crdt.md V3-V7).

A Gate is a second Doc in step with the live one. What goes on is the Gate's own event, never the client's bytes,
so neither log nor live Doc ever holds parts that wait for something missing. Roles and rates are not its business.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from pycrdt import Array, Doc, Map, MapEvent, Subscription, Text, TextEvent, get_update

from collab.keystrokes import Keystrokes
from collab.model import CELL_TYPES, MAX_CELLS, MAX_DOCUMENT_BYTES, MAX_JSON_DEPTH, MAX_TITLE_CHARS
from collab.notebook import CELL_ID, CELLS, META, ROOT_NAMES, NotebookDoc, Roots, is_panic, roots, written_bytes
from collab.positions import is_position
from collab.wire import BadFrame, parse_json, varuint

EDITABLE_META: Final = ("title", "language", "kernelspec", "metadata")
CELL_FIELDS: Final = ("type", "source", "position", "metadata", "attachments")
# A title this long is no slip that a repair can cut short.
_MAX_META_TITLE_CHARS: Final = 10 * MAX_TITLE_CHARS
_MAX_POSITION_CHARS: Final = 1024
_UNWANTED: Final = frozenset("\r\0")
_REBASE_BYTES: Final = 256 << 10
_MAX_CLOCK_BYTES: Final = 5  # of 32 bits
_MAX_LATER: Final = 200


@dataclass(frozen=True, slots=True)
class Admitted:
    """`update` goes to the log, the live Doc and the others.

    `needs_repair`: run `notebook.repair` on the live Doc.
    """

    update: bytes
    needs_repair: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """All of it was known already. Acknowledge it after the commit in progress (D5)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of it builds on something that never came: ask the sender with STEP1, do not acknowledge (D6).

    The Gate keeps none of it, so that nothing unjudged can attach itself to what comes later; the sender's answer to
    STEP1 has all of it again.
    """


@dataclass(frozen=True, slots=True)
class TooLarge:
    """What browsers wrote would be more than a Notebook may hold: close with 4413. The Gate is as it was before."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Final for the sender's Doc (V6): close with 4422. The Gate is as it was before."""

    reason: str


Verdict: TypeAlias = Admitted | Nothing | Gap | TooLarge | Refused


class _Objection(Exception):
    """Why an update cannot go on."""


class Gate:
    def __init__(self, state: bytes, live_client_id: int | None = None) -> None:
        """`state` is the live Doc's `get_update()`; updates that speak for `live_client_id` are refused (V7)."""
        self._live_client_id = live_client_id
        self._keystrokes = Keystrokes()
        self._later: list[bytes] = []  # admitted keystrokes that the Doc gets before it is needed
        self._base = state
        self._since: list[bytes] = []
        self._since_bytes = 0
        self._subscriptions: list[tuple[Any, Subscription]] = []
        self._load()
        # At least what browsers wrote; counted only when it may be too much. Outputs have limits of their own.
        self._written = len(state) if len(state) <= MAX_DOCUMENT_BYTES else written_bytes(self._doc)

    @property
    def doc(self) -> NotebookDoc:
        """For reading only."""
        self._catch_up()
        return self._doc

    def admit(self, update: bytes) -> Verdict:
        """Never raises on any bytes."""
        text = self._keystrokes.goes_on(update) if self._written + len(update) <= MAX_DOCUMENT_BYTES else None
        if text is not None:
            self._written += len(update)
            self._later.append(update)
            self._keep(update)
            if len(self._later) >= _MAX_LATER:
                self._catch_up()
            return Admitted(update, not _UNWANTED.isdisjoint(text))
        self._catch_up()
        self._begin()
        try:
            if self._apply(update):
                self._load()
                return Gap()
            if self._update is None:
                return Nothing()
            needs_repair = self._judge()
        except _Objection as objection:
            self._load()
            return Refused(str(objection))
        if self._outgrows(len(self._update)):
            self._load()
            return TooLarge()
        self._keep(self._update)
        if not self._changed_only_texts():
            self._keystrokes.forget()
        elif len(self._events[CELLS]) == 1:
            self._keystrokes.note(self._update)
        return Admitted(self._update, needs_repair)

    def follow(self, update: bytes) -> None:
        """Takes over what the server wrote, without judging it."""
        self._catch_up()
        self._begin()
        with self._doc.transaction():
            self._doc.apply_update(update)
        if self._events[CELLS] or self._events[META]:
            self._keystrokes.forget()
        for path, event in self._events[CELLS]:
            self._note_positions(path, event)
        self._keep(update)

    def close(self) -> None:
        """Lets go of the Doc: neither it nor the Gate would ever be collected (P11)."""
        for observed, subscription in self._subscriptions:
            observed.unobserve(subscription)
        self._subscriptions = []

    def _catch_up(self) -> None:
        """What was admitted without the Doc, in one transaction: many keystrokes cost little more than one."""
        if self._later:
            later, self._later = self._later, []
            with self._doc.transaction():
                for update in later:
                    self._doc.apply_update(update)

    def _changed_only_texts(self) -> bool:
        return not self._events[META] and all(
            isinstance(event, TextEvent) and len(path) == 2 and path[1] == "source"
            for path, event in self._events[CELLS]
        )

    def _load(self) -> None:
        """A fresh Doc from the last good state."""
        self.close()
        self._keystrokes.forget()
        self._later = []  # they are in what follows
        self._doc: NotebookDoc = Doc()
        self._roots: Roots = roots(self._doc)
        self._doc.apply_update(self._base)
        for update in self._since:
            self._doc.apply_update(update)
        self._begin()
        self._position_of = {
            id: position
            for id, cell in self._roots.cells.items()
            if isinstance(cell, Map) and isinstance(position := cell.get("position"), str)
        }
        self._holders = Counter(self._position_of.values())
        # Both ends of a subscription have to be kept, or it ends (P10).
        self._subscriptions.append((self._doc, self._doc.observe(self._on_update)))
        for name in ROOT_NAMES:
            root = getattr(self._roots, name)
            self._subscriptions.append((root, root.observe_deep(partial(self._on_events, name))))

    def _begin(self) -> None:
        self._update: bytes | None = None
        self._events: dict[str, list[tuple[list[Any], MapEvent | TextEvent]]] = {name: [] for name in ROOT_NAMES}

    def _keep(self, update: bytes) -> None:
        self._since.append(update)
        self._since_bytes += len(update)
        if self._since_bytes > max(_REBASE_BYTES, len(self._base)):
            self._catch_up()
            self._base, self._since, self._since_bytes = self._doc.get_update(), [], 0

    def _on_update(self, event: Any) -> None:
        self._update = bytes(event.update)

    def _on_events(self, name: str, events: Sequence[Any]) -> None:
        # The path lacks the root's name, so it comes with the subscription (V4).
        self._events[name].extend((event.path, event) for event in events)

    def _apply(self, update: bytes) -> bool:
        """Whether a part of it waits for something missing. Raises _Objection."""
        try:
            before = self._doc.get_state()
            self._doc.apply_update(update)
            after = self._doc.get_state()
            if self._server_clock(after) != self._server_clock(before):
                raise _Objection("The update speaks for the server.")
            misses = self._misses(update, after)
            if not misses and after != before and (self._update is None or self._update[0] == 0):
                # It took over what its event does not tell of: it would part from the live Doc (a quirk of yrs).
                raise _Objection("The update cannot be decoded.")
            return misses
        except ValueError as error:
            raise _Objection("The update cannot be decoded.") from error
        except _Objection:
            raise
        except BaseException as error:
            if not is_panic(error) and not isinstance(error, (ExceptionGroup, RuntimeError)):
                raise
            raise _Objection("The update breaks the document.") from error

    def _server_clock(self, state: bytes) -> int:
        """How many operations the live Doc's own id has."""
        return 0 if self._live_client_id is None else _clock(state, self._live_client_id)

    def _misses(self, update: bytes, state: bytes) -> bool:
        rest = get_update(update, state)
        if rest[0] != 0:
            return True
        if rest[1] == 0:
            return False
        # No structs are left over, so what follows is the update's delete set; deletions may run ahead, too.
        return any(end > _clock(state, client) for client, end in _deletions(rest[1:]))

    def _judge(self) -> bool:
        """Raises _Objection; tells whether a repair is due."""
        for name in ROOT_NAMES:
            if name not in (META, CELLS) and self._events[name]:
                raise _Objection(f"Only the server writes {name}.")
        unknown = set(self._doc.keys()) - set(ROOT_NAMES)
        if unknown:
            raise _Objection(f"A notebook has no '{min(unknown):.40}'.")
        for path, event in self._events[META]:
            self._check_root(META, path, event)
        for path, event in self._events[CELLS]:
            self._check_root(CELLS, path, event)
        needs_repair = False
        for path, event in self._events[META]:
            needs_repair = self._judge_meta(path, event) or needs_repair
        for path, event in self._events[CELLS]:
            needs_repair = self._judge_cells(path, event) or needs_repair
        for path, event in self._events[CELLS]:
            needs_repair = self._note_positions(path, event) or needs_repair
        return needs_repair

    def _check_root(self, name: str, path: list[Any], event: MapEvent | TextEvent) -> None:
        """Elements below a Map root show as an event without a key; so does a key that was set and removed again."""
        if not path and not _keys(event) and len(self._doc.get(name, type=Array)):
            raise _Objection(f"'{name}' is a map.")

    def _judge_meta(self, path: list[Any], event: MapEvent | TextEvent) -> bool:
        needs_repair = False
        if path:
            raise _Objection("The notebook's description holds plain values only.")
        for key, change in _keys(event).items():
            if key not in EDITABLE_META:
                raise _Objection(f"'{key:.40}' of a notebook cannot be changed.")
            if change["action"] == "delete":
                continue
            value = change["newValue"]
            if not isinstance(value, str):
                raise _Objection(f"The notebook's {key} is a text.")
            if key == "metadata":
                if not isinstance(_json(value, "The notebook's metadata"), dict):
                    raise _Objection("The notebook's metadata is a JSON object.")
            elif len(value) > _MAX_META_TITLE_CHARS:
                raise _Objection(f"The notebook's {key} is too long.")
            else:
                needs_repair = needs_repair or len(value) > MAX_TITLE_CHARS
        return needs_repair

    def _judge_cells(self, path: list[Any], event: MapEvent | TextEvent) -> bool:
        match path:
            case []:
                added = 0
                needs_repair = False
                for id, change in _keys(event).items():
                    if change["action"] == "delete":
                        continue
                    # One that takes the place of another is what a deletion looks like that was undone, edits
                    # before it and all, when both arrive at once.
                    needs_repair = _check_cell(id, change["newValue"]) or needs_repair
                    added += change["action"] == "add"
                if added and len(self._roots.cells) > MAX_CELLS:
                    raise _Objection(f"A notebook has at most {MAX_CELLS} cells.")
                return needs_repair
            case [str(id)]:
                for key, change in _keys(event).items():
                    if key not in ("type", "position"):
                        raise _Objection(f"The {key:.40} of cell '{id:.64}' was replaced instead of edited.")
                    if change["action"] == "delete":
                        raise _Objection(f"Cell '{id:.64}' lost its {key}.")
                    _check_plain(id, key, change["newValue"])
                return False
            case [str(id), "source"] if isinstance(event, TextEvent):
                return _check_runs(id, [(part.get("insert", ""), part.get("attributes")) for part in event.delta])  # type: ignore[attr-defined]
            case [str(id), "metadata" | "attachments" as key]:
                for name, change in _keys(event).items():
                    if change["action"] != "delete":
                        _check_json(f"The {key} of cell '{id:.64}'", name, change["newValue"])
                return False
            case _:
                raise _Objection("A cell holds nothing that deep.")

    def _outgrows(self, added: int) -> bool:
        """A Notebook that is too large already, as imported ones may be, can still shrink."""
        if self._written + added <= MAX_DOCUMENT_BYTES:
            self._written += added
            return False
        now = written_bytes(self._doc)
        if now > max(MAX_DOCUMENT_BYTES, self._written):
            return True
        self._written = now
        return False

    def _note_positions(self, path: list[Any], event: MapEvent | TextEvent) -> bool:
        """Keeps count of who holds which position; tells whether one that was set now needs repair."""
        match path:
            case []:
                changes = {
                    id: change["newValue"].get("position") if isinstance(change.get("newValue"), Map) else None
                    for id, change in _keys(event).items()
                }
            case [str(id)] if "position" in _keys(event):
                changes = {id: _keys(event)["position"].get("newValue")}
            case _:
                return False
        needs_repair = False
        for id, position in changes.items():
            old = self._position_of.pop(id, None)
            if old is not None:
                self._holders[old] -= 1
                if not self._holders[old]:
                    del self._holders[old]
            if isinstance(position, str):
                self._position_of[id] = position
                self._holders[position] += 1
                needs_repair = needs_repair or self._holders[position] > 1 or not is_position(position)
        return needs_repair


def _keys(event: MapEvent | TextEvent) -> dict[str, dict[str, Any]]:
    return dict(event.keys) if isinstance(event, MapEvent) else {}  # type: ignore[attr-defined]


def _check_cell(id: str, cell: object) -> bool:
    """A whole cell that is new; tells whether its source needs repair."""
    if not CELL_ID.fullmatch(id):
        raise _Objection(f"'{id:.64}' is no cell id.")
    if not isinstance(cell, Map):
        raise _Objection(f"Cell '{id}' is not a map.")
    fields: dict[str, Any] = dict(cell.items())
    for key in CELL_FIELDS:
        if key not in fields:
            raise _Objection(f"Cell '{id}' has no {key}.")
    for key in fields:
        if key not in CELL_FIELDS:
            raise _Objection(f"A cell has no '{key:.40}'.")
    _check_plain(id, "type", fields["type"])
    _check_plain(id, "position", fields["position"])
    if not isinstance(fields["source"], Text):
        raise _Objection(f"The source of cell '{id}' is not a shared text.")
    for key in ("metadata", "attachments"):
        if not isinstance(fields[key], Map):
            raise _Objection(f"The {key} of cell '{id}' is not a map.")
        for name, value in fields[key].items():
            _check_json(f"The {key} of cell '{id}'", name, value)
    return _check_runs(id, fields["source"].diff())


def _check_plain(id: str, key: str, value: object) -> None:
    if key == "type" and value not in CELL_TYPES:
        raise _Objection(f"Cell '{id:.64}' is neither code nor markdown nor raw.")
    if key == "position" and not (isinstance(value, str) and len(value) <= _MAX_POSITION_CHARS):
        raise _Objection(f"The position of cell '{id:.64}' is not a short text.")


def _check_runs(id: str, runs: Sequence[tuple[Any, Mapping[str, Any] | None]]) -> bool:
    """Pieces of a source with their formatting; tells whether one needs repair."""
    needs_repair = False
    for piece, attributes in runs:
        if attributes or not isinstance(piece, str):
            raise _Objection(f"The source of cell '{id:.64}' is plain text.")
        needs_repair = needs_repair or not _UNWANTED.isdisjoint(piece)
    return needs_repair


def _check_json(where: str, name: str, value: object) -> None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return  # a plain text; readers take it for what it is
        except RecursionError as error:
            raise _Objection(f"{where}, '{name:.40}', is nested too deeply.") from error
    elif value is not None and not isinstance(value, (bool, int, float, list, dict)):
        raise _Objection(f"{where}, '{name:.40}', is not JSON.")
    if _depth(value) > MAX_JSON_DEPTH:
        raise _Objection(f"{where}, '{name:.40}', is nested too deeply.")


def _json(text: str, where: str) -> object:
    try:
        return parse_json(text.encode())
    except BadFrame as error:
        raise _Objection(f"{where} is not JSON of at most {MAX_JSON_DEPTH} levels.") from error


def _depth(value: object) -> int:
    deepest, level = 0, [value]
    while level and deepest <= MAX_JSON_DEPTH:
        deepest += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, (list, dict))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return deepest


def _clock(state_vector: bytes, client: int) -> int:
    """How many operations of a client there are. A notebook that lives long has thousands of clients, so the number
    is looked for as bytes: those of a random id can be no clock, and begin where no other number goes on."""
    id = varuint(client)
    if len(id) > _MAX_CLOCK_BYTES:
        at = state_vector.find(id, 1)
        while at > 0 and state_vector[at - 1] & 0x80:
            at = state_vector.find(id, at + 1)
        return 0 if at < 0 else _Numbers(state_vector[at + len(id) :]).next()
    numbers = _Numbers(state_vector)
    return {numbers.next(): numbers.next() for _ in range(numbers.next())}.get(client, 0)


def _deletions(encoded: bytes) -> list[tuple[int, int]]:
    """(client id, end of a deleted range) of an encoded delete set."""
    numbers = _Numbers(encoded)
    found: list[tuple[int, int]] = []
    for _ in range(numbers.next()):
        client = numbers.next()
        for _ in range(numbers.next()):
            start = numbers.next()
            found.append((client, start + numbers.next()))
    return found


class _Numbers:
    """lib0's variable-length unsigned integers, of bytes that pycrdt itself wrote."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def next(self) -> int:
        number = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
