"""Functions of the kernel's that a frame calls: name and arguments travel as data (outputs.md G5).

Our own package takes them by a comm. A kernel that does not know its target carries Google's package, or none: then it
is asked by a user expression of literals.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from collab import colab
from collab.asker import Asker
from collab.colab import INVOKE_TARGET, Outcome, invoke_expression, read_outcome
from collab.commands import Invoke
from collab.events import Event, Invoked, Refused
from collab.runtime import KernelMessage, Runtime

MAX_CALLS: Final = 100  # of functions of a kernel at once
_EXPRESSION: Final = "colab"
_NO_KERNEL: Final = "The runtime is not there any more; run the cell again."


@dataclass(slots=True)
class _Open:
    invoke: Invoke
    asker: Asker
    session: str
    answer: Callable[[Event], None]


class Invocations:
    """`hear(msg_id, asker)` is told of every message that is sent, before what comes of it."""

    def __init__(self, runtime: Runtime, hear: Callable[[str, Asker], None]) -> None:
        self._runtime = runtime
        self._hear = hear
        self._open: dict[str, _Open] = {}

    def is_open(self, id: str) -> bool:
        return id in self._open

    def begin(self, invoke: Invoke, asker: Asker, session: str, answer: Callable[[Event], None]) -> None:
        if len(self._open) >= MAX_CALLS:
            answer(Refused("Too many functions of this runtime are being called; try again in a moment."))
            return
        id = f"invoke-{secrets.token_hex(8)}"
        self._open[id] = _Open(invoke, asker, session, answer)
        self._hear(id, asker)
        data = {"name": invoke.name, "args": invoke.args, "kwargs": invoke.kwargs}
        content = {"comm_id": id, "target_name": INVOKE_TARGET, "data": data}
        self._runtime.send("shell", "comm_open", id, content, session=session)

    def receive(self, message: KernelMessage) -> bool:
        """True for a message that answers a call."""
        content = message.content if isinstance(message.content, Mapping) else {}
        if message.channel == "iopub" and message.type == "comm_close":
            id = content.get("comm_id")
            if isinstance(id, str) and id in self._open:
                outcome = read_outcome(content.get("data"))
                if outcome is None:
                    self._ask_by_expression(id)
                else:
                    self._answer(id, outcome)
                return True
        if message.channel == "shell" and message.type == "execute_reply" and message.parent_id in self._open:
            expressions = content.get("user_expressions")
            value = expressions.get(_EXPRESSION) if isinstance(expressions, Mapping) else None
            said = str(content.get("evalue") or _NO_KERNEL)
            self._answer(message.parent_id, read_outcome(value) or Outcome("error", error=said))
            return True
        return False

    def forget(self) -> None:
        """The kernel is another one, or gone."""
        for id in list(self._open):
            self._answer(id, Outcome("error", error=_NO_KERNEL))

    def _ask_by_expression(self, id: str) -> None:
        each = self._open.pop(id)
        again = f"{id}-again"
        self._open[again] = each
        self._hear(again, each.asker)
        expression = invoke_expression(each.invoke.name, each.invoke.args, each.invoke.kwargs)
        content = {
            "code": "",
            "silent": True,
            "store_history": False,
            "user_expressions": {_EXPRESSION: expression},
            "allow_stdin": True,
            "stop_on_error": False,
        }
        self._runtime.send("shell", "execute_request", again, content, session=each.session)

    def _answer(self, id: str, outcome: Outcome) -> None:
        each = self._open.pop(id)
        if len(outcome.data) > colab.MAX_VALUE_CHARS:
            outcome = Outcome("error", error="The function's result is larger than 1 MB; return less.")
        each.answer(Invoked(each.invoke.request, outcome.status, outcome.data, outcome.metadata, outcome.error))
