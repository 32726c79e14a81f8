"""Completions and documentation asked of the kernel: each is answered once, by the kernel or, when it cannot, empty.

While a cell runs they go to a subshell (ipykernel 7), which answers beside it; kernels without any are not asked then.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, assert_never

import anyio

from collab.commands import Complete, Inspect
from collab.events import Completions, Event, Inspection
from collab.notebook import clean
from collab.runtime import Runtime

_ANSWER_WITHIN_S: Final = 10.0
_MAX_OPEN: Final = 100
_MAX_MATCHES: Final = 500
_MAX_TEXT_CHARS: Final = 100_000

Question: TypeAlias = Complete | Inspect


@dataclass(slots=True)
class _Open:
    question: Question
    answer: Callable[[Event], None]
    over: anyio.Event = field(default_factory=anyio.Event)


@dataclass(slots=True)
class _Subshell:
    """The kernel's, for as long as the process lives. `request` asked for it, `held` waits for it."""

    request: str
    state: Literal["asked", "there", "never"] = "asked"
    id: str = ""
    held: list[str] = field(default_factory=list)


class Questions:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._open: dict[str, _Open] = {}
        self._prefix = f"ask-{secrets.token_hex(4)}"  # replies to those of a server before us are nobody's
        self._asked = 0
        self._subshell: _Subshell | None = None

    async def ask(self, question: Question, answer: Callable[[Event], None], busy: bool) -> None:
        """Returns when it is answered; after 10 s that is empty."""
        subshell = self._subshell
        if len(self._open) >= _MAX_OPEN or (busy and subshell is not None and subshell.state == "never"):
            answer(read(question, {}))
            return
        id = self._id()
        asked = self._open[id] = _Open(question, answer)
        if busy:
            self._ask_beside(id)
        else:
            self._send(id, "")
        with anyio.move_on_after(_ANSWER_WITHIN_S):
            await asked.over.wait()
        if not asked.over.is_set() and self._subshell is not None and id in self._subshell.held:
            self._subshell.state = "never"
            self._subshell.held.clear()
        self._answer(id, {})

    def receive(self, channel: str, parent: str, content: Mapping[str, object]) -> bool:
        """True for a message that answers something asked here."""
        subshell = self._subshell
        if channel == "control" and subshell is not None and parent == subshell.request:
            id = content.get("subshell_id")
            subshell.id = id if isinstance(id, str) else ""
            subshell.state = "there" if subshell.id else "never"
            held, subshell.held = subshell.held, []
            for asked in held:
                if subshell.id:
                    self._send(asked, subshell.id)
                else:
                    self._answer(asked, {})
            return True
        if channel == "shell" and parent in self._open:
            self._answer(parent, content)
            return True
        return False

    def forget(self) -> None:
        """The kernel is another one, or gone."""
        self._subshell = None
        for id in list(self._open):
            self._answer(id, {})

    def _ask_beside(self, id: str) -> None:
        if self._subshell is None:
            self._subshell = _Subshell(self._id())
            self._runtime.send("control", "create_subshell_request", self._subshell.request, {})
        if self._subshell.state == "there":
            self._send(id, self._subshell.id)
        else:
            self._subshell.held.append(id)

    def _send(self, id: str, subshell: str) -> None:
        if asked := self._open.get(id):
            kind, content = _request(asked.question)
            self._runtime.send("shell", kind, id, content, subshell)

    def _answer(self, id: str, content: Mapping[str, object]) -> None:
        if asked := self._open.pop(id, None):
            asked.over.set()
            asked.answer(read(asked.question, content))

    def _id(self) -> str:
        self._asked += 1
        return f"{self._prefix}-{self._asked}"


def _request(question: Question) -> tuple[str, dict[str, object]]:
    match question:
        case Complete(_, code, cursor):
            return "complete_request", {"code": code, "cursor_pos": cursor}
        case Inspect(_, code, cursor, detail):
            return "inspect_request", {"code": code, "cursor_pos": cursor, "detail_level": detail}
        case _:
            assert_never(question)


def read(question: Question, content: Mapping[str, object]) -> Event:
    """A reply's content, or an empty one, as who asked gets it."""
    match question:
        case Complete(request, _, cursor):
            return _completions(request, cursor, content)
        case Inspect(request):
            data = content.get("data")
            text = data.get("text/plain", "") if isinstance(data, Mapping) else ""
            return Inspection(request, clean(text)[:_MAX_TEXT_CHARS] if isinstance(text, str) else "")
        case _:
            assert_never(question)


def _completions(request: int, cursor: int, content: Mapping[str, object]) -> Completions:
    matches = content.get("matches")
    if content.get("status") != "ok" or not isinstance(matches, list):
        return Completions(request, (), cursor, cursor)
    texts = tuple(clean(match) for match in matches if isinstance(match, str))[:_MAX_MATCHES]
    start, end = content.get("cursor_start"), content.get("cursor_end")
    metadata = content.get("metadata")
    rich = metadata.get("_jupyter_types_experimental") if isinstance(metadata, Mapping) else None
    kinds = [str(item.get("type", "")) for item in rich if isinstance(item, Mapping)] if isinstance(rich, list) else []
    types = tuple(kinds[: len(texts)]) if len(kinds) >= len(texts) else ()
    return Completions(
        request,
        texts,
        start if isinstance(start, int) else cursor,
        end if isinstance(end, int) else cursor,
        types,
    )
