"""Comm messages between the kernel and everyone's pages, and the widget state that they make (outputs.md section 9).

The rules are in `widgets`, `captures` and `comm_throttle`; this carries them out for one Room. Pages get the state of
what they show when they ask, and from then on every change, gathered for each model.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from collab import messages, notebook
from collab.captures import Captured, Captures
from collab.comm_asks import CommAsk, CommSent, ModelsWanted
from collab.comm_throttle import Throttle, Waiting
from collab.connection import Connection, websocket_frame
from collab.messages import Stream
from collab.model import CellId, User
from collab.recorder import Recorder
from collab.room import Room
from collab.runtime import KernelMessage, Runtime
from collab.widget_files import Saved, restore, views_of
from collab.widget_values import BadBuffers, Large, join, sane, split
from collab.widgets import (
    WIDGET_TARGET,
    Changed,
    Closed,
    Echoed,
    News,
    Opened,
    Proposed,
    TooMuch,
    Widgets,
)
from collab.wire import comm_frame

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 64 << 20
_CONTROL_TARGET: Final = "jupyter.widget.control"
_OUTPUT: Final = "OutputModel"
_MAX_ASKED: Final = 2_000
_MAX_COMMS: Final = 10_000
_WINDOW_S: Final = 0.05
_BYTES_PER_S: Final = 4 << 20  # a model with much state is shown less often
_OURS: Final = "collab-comm-"


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who sent a comm message, and in which cell it was."""

    connection: Connection | None
    cell: CellId | None


@dataclass(slots=True)
class _Due:
    """Traits of a model that everyone is to see; `echoes` came from a browser, last from `message`, by `user`."""

    at: float
    traits: dict[str, None]
    echoes: dict[str, None]
    message: str = ""
    user: User | None = None


class Comms:
    def __init__(
        self, room: Room, runtime: Runtime, recorder: Recorder, cell_of: Callable[[str], CellId | None]
    ) -> None:
        """`cell_of` a run's msg_id."""
        self.widgets = Widgets()
        self.changes = 0  # of the state, so that who stores it knows whether it is stored
        self._room = room
        self._runtime = runtime
        self._recorder = recorder
        self._cell_of_run = cell_of
        self._captures = Captures()
        self._throttle = Throttle()
        self._session = self._restored = ""
        self._is_connected = False
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._owners: OrderedDict[str, Connection | None] = OrderedDict()  # comms of other targets
        self._fetched: OrderedDict[str, None] = OrderedDict()
        self._control = ""
        self._said: tuple[str, str] = ("", "")  # why something was refused, and of which message
        self._seq = 0
        self._due: dict[str, _Due] = {}
        self._shown_at: OrderedDict[str, float] = OrderedDict()
        self._work = asyncio.Event()

    # -- the kernel's life -----------------------------------------------------------------------------------------

    def use(self, session: str) -> None:
        """From now on messages are this process's. What another one left is shown as it was last (W8)."""
        if session != self._session:
            self.lost()
            self._session = session
            self._tell_state()

    def restore(self, saved: Saved, session: str) -> None:
        """What was stored of the process `session`, before anything else is known."""
        restore(self.widgets, saved)
        self._restored = session
        self._tell_state()  # to who came before this was read

    def take_up(self, session: str) -> None:
        """A server before us knew this process; ask it for what there is, behind what it does now. Until it answers,
        what that server stored is as good as we have it."""
        self._session = session
        if session == self._restored:
            self.widgets.reconnect()
            self._tell_state()
        self._control = f"{_OURS}{secrets.token_hex(8)}"
        self._send("comm_open", {"comm_id": self._control, "target_name": _CONTROL_TARGET, "data": {}})
        self._send("comm_msg", {"comm_id": self._control, "data": {"method": "request_states"}})
        self._send("comm_info_request", {"target_name": WIDGET_TARGET})  # for ipywidgets 7

    def lost(self) -> None:
        """The process is gone, or is to end."""
        was_live = self._session != ""
        self._session = self._control = ""
        self._captures.clear()
        self._throttle.forget()
        self._asked.clear()
        self._owners.clear()
        self._fetched.clear()
        self.widgets.disconnect()
        self.changes += 1
        if was_live:
            self._tell_state()

    def connected(self, is_connected: bool) -> None:
        self._is_connected = is_connected
        if is_connected:
            self._throttle.lost()
            self._send_waiting()

    @property
    def session(self) -> str:
        """Of the process that there is; empty when there is none."""
        return self._session

    @property
    def is_live(self) -> bool:
        return self._session != ""

    # -- browsers --------------------------------------------------------------------------------------------------

    def ask(self, ask: CommAsk, connection: Connection) -> None:
        """`Connection.recv` has checked the role."""
        match ask:
            case ModelsWanted():
                connection.post_comm(self._models(ask))
            case CommSent():
                self._take(ask, connection)
            case _:
                assert_never(ask)

    def _models(self, ask: ModelsWanted) -> bytes:
        found = {id: self.widgets.models[id] for id in self.widgets.reachable(ask.models)}
        missing = [id for id in ask.models if id not in found]
        self._fetch(missing)
        parts = split({id: model.state for id, model in found.items()})
        models = {
            id: {
                "name": model.name,
                "module": model.module,
                "version": model.module_version,
                "live": model.is_live,
                "state": parts.value[id],
            }
            for id, model in found.items()
        }
        header: dict[str, object] = {"type": "models", "request": ask.request, "seq": self._seq, "models": models}
        header |= {"paths": parts.paths, "large": _named(parts.large), "missing": missing}
        return comm_frame(header, parts.buffers)

    def _fetch(self, missing: Sequence[str]) -> None:
        """What went to make room, the kernel may still have; each is asked for once."""
        if not (self.is_live and self._is_connected):
            return
        for id in [id for id in missing if id not in self._fetched]:
            self._fetched[id] = None
            self._send("comm_msg", {"comm_id": id, "data": {"method": "request_state"}})
        while len(self._fetched) > _MAX_ASKED:
            self._fetched.popitem(last=False)

    def _take(self, sent: CommSent, connection: Connection) -> None:
        reason = self._why_not(sent)
        if not reason:
            try:
                self._pass_on(sent, connection)
            except (BadBuffers, TooMuch) as error:
                reason = str(error)
        if reason:
            connection.post_comm(comm_frame({"type": "refused", "parent": sent.id, "reason": reason}))
        # In place of the kernel's, which comes when it is no longer busy: until then the page would send nothing.
        connection.post_comm(comm_frame({"type": "idle", "parent": sent.id}))

    def _why_not(self, sent: CommSent) -> str:
        model = self.widgets.get(sent.comm)
        if not self.is_live or not self._is_connected or (model is not None and not model.is_live):
            return "This widget is not connected to a runtime: run the cell again."
        if sent.kind != "comm_open" and model is None and sent.comm not in self._owners:
            return "This comm is closed: run the cell again."
        if self._throttle.is_full:
            return "The kernel is busy, and too many widget messages wait for it already."
        return ""

    def _pass_on(self, sent: CommSent, connection: Connection) -> None:
        is_code = notebook.cell_type(self._room.doc, sent.cell) == "code"
        self._asked[sent.id] = _Asked(connection, sent.cell if is_code else None)
        while len(self._asked) > _MAX_ASKED:
            self._asked.popitem(last=False)
        if sent.kind == "comm_msg" and sent.comm in self.widgets.models and sent.data.get("method") == "update":
            self._news(self.widgets.propose(sent.comm, sent.id, sent.data, sent.buffers), connection.user)
            state = join(sent.data["state"], sent.data.get("buffer_paths") or [], sent.buffers)
            earlier = self._throttle.update(sent.comm, sent.id, state)
            if earlier is not None:
                self._news(self.widgets.idle(earlier))
            self._send_waiting()
            return
        for waiting in self._throttle.take(at_once=True):
            self._send_update(waiting)
        content: dict[str, object] = {"comm_id": sent.comm, "data": sent.data}
        if sent.kind == "comm_open":
            content["target_name"] = sent.target
            self._opened_by(sent, connection)
        elif sent.kind == "comm_close":
            self._owners.pop(sent.comm, None)
            self._news(self.widgets.close(sent.comm))
        self._throttle.sent(sent.id)
        self._runtime.send("shell", sent.kind, sent.id, content, buffers=sent.buffers)

    def _opened_by(self, sent: CommSent, connection: Connection) -> None:
        if sent.target == WIDGET_TARGET:
            self._news(self.widgets.open(sent.comm, sent.data, sent.buffers))
            return
        if len(self._owners) >= _MAX_COMMS:
            raise TooMuch(f"A kernel has at most {_MAX_COMMS:,} comms; restart it to begin anew.")
        self._owners[sent.comm] = connection

    def hurry(self) -> None:
        """A cell is about to run: it sees where the sliders are now."""
        if self._is_connected:
            for waiting in self._throttle.take(at_once=True):
                self._send_update(waiting)

    def _send_waiting(self) -> None:
        if self._is_connected:
            for waiting in self._throttle.take():
                self._send_update(waiting)

    def _send_update(self, waiting: Waiting) -> None:
        parts = split(waiting.state)
        data = {"method": "update", "state": parts.value, "buffer_paths": parts.paths}
        content = {"comm_id": waiting.model, "data": data}
        self._runtime.send("shell", "comm_msg", waiting.id, content, buffers=parts.buffers)

    def _send(self, kind: str, content: Mapping[str, object]) -> str:
        id = f"{_OURS}{secrets.token_hex(8)}"
        self._runtime.send("shell", kind, id, content)
        return id

    # -- the kernel ------------------------------------------------------------------------------------------------

    def receive(self, message: KernelMessage, event: messages.KernelEvent) -> bool:
        """Whether it is not for the cell: an Output widget has it, or it came of a browser's comm message."""
        parent = message.parent_id
        match event:
            case messages.Comm(kind):
                try:
                    self._comm(kind, message, parent)
                except (BadBuffers, TooMuch) as error:
                    self._refuse(message, str(error))
            case messages.Stream() | messages.Display() | messages.Result() | messages.Failure() | messages.Clear():
                return self._output(parent, event)
            case messages.Status("idle") if message.channel == "iopub":
                self._idle(parent)
            case messages.CommInfo(comms):
                for comm in comms:
                    if comm not in self.widgets.models:
                        self._send("comm_msg", {"comm_id": comm, "data": {"method": "request_state"}})
            case _:
                pass
        return False

    def _comm(self, kind: str, message: KernelMessage, parent: str) -> None:
        content = message.content if isinstance(message.content, Mapping) else {}
        comm, data = str(content.get("comm_id", "")), content.get("data")
        fields = data if isinstance(data, Mapping) else {}
        if sum(map(len, message.buffers)) > MAX_MESSAGE_BYTES:
            raise TooMuch(f"A widget's message may have {MAX_MESSAGE_BYTES >> 20} MB; this one had more.")
        if comm == self._control:
            if fields.get("method") == "update_states":
                self._news(self.widgets.states(fields, message.buffers))
                for model in self.widgets.models.values():
                    self._follow(model.id, model.state)
                self._tell_state()
        elif kind == "comm_open" and content.get("target_name") == WIDGET_TARGET:
            if self.widgets.is_full:
                self.widgets.make_room(views_of(self._room.doc))
            self._news(self.widgets.open(comm, fields, message.buffers))
            self._follow(comm, fields.get("state"))
        elif comm in self.widgets.models:
            self._of_model(kind, comm, fields, message, parent)
        elif parent.startswith(_OURS) and fields.get("method") == "update":
            self._news(self.widgets.open(comm, fields, message.buffers))  # ipywidgets 7 was asked for it
        else:
            self._of_other(kind, comm, content, message)

    def _of_model(self, kind: str, comm: str, data: Mapping[str, Any], message: KernelMessage, parent: str) -> None:
        method = data.get("method")
        if kind == "comm_close":
            self._captures.forget(comm)
            self._news(self.widgets.close(comm))
        elif method == "update":
            self._news(self.widgets.update(comm, data, message.buffers))
            self._follow(comm, data.get("state"))
        elif method == "echo_update":
            if not parent.startswith(_OURS):  # of what an Output widget captured: there may be more by now
                self._news(self.widgets.echo(comm, data, message.buffers, parent))
        else:
            self._show(comm)
            self._say("comm_msg", comm, data, message, None)

    def _of_other(self, kind: str, comm: str, content: Mapping[str, Any], message: KernelMessage) -> None:
        if kind == "comm_open":
            if len(self._owners) >= _MAX_COMMS:
                raise TooMuch(f"A kernel has at most {_MAX_COMMS:,} comms; restart it to begin anew.")
            self._owners[comm] = None
        elif comm not in self._owners:
            return
        owner = self._owners[comm]
        self._say(kind, comm, content.get("data"), message, owner, str(content.get("target_name", "")))
        if kind == "comm_close":
            del self._owners[comm]

    def _say(
        self,
        kind: str,
        comm: str,
        data: object,
        message: KernelMessage,
        owner: Connection | None,
        target: str = "",
    ) -> None:
        """Passes a message on that changes no state; to everyone when nobody owns the comm."""
        passed = self.widgets.large.pass_on(message.buffers)
        large = [([index], item) for index, item in enumerate(passed) if isinstance(item, Large)]
        header: dict[str, object] = {"type": kind, "comm": comm, "data": sane(data), "parent": message.parent_id}
        header |= {"target": target, "large": _named(large), "seq": self._next()}
        self._post(comm_frame(header, [b"" if isinstance(item, Large) else item for item in passed]), owner)

    def _refuse(self, message: KernelMessage, reason: str) -> None:
        """The comm is closed, and the cell says why."""
        content = message.content if isinstance(message.content, Mapping) else {}
        comm = str(content.get("comm_id", ""))
        log.warning("A widget is closed", extra={"notebook": self._room.id, "reason": reason})
        self._captures.forget(comm)
        self._news(self.widgets.close(comm))
        self._owners.pop(comm, None)
        self._send("comm_close", {"comm_id": comm, "data": {}})
        cell = self._cell_of(message.parent_id)
        said, self._said = self._said, (message.parent_id, reason)
        if cell is not None and said != self._said:
            self._recorder.receive(cell, Stream("stderr", f"{reason}\n"))

    def _cell_of(self, parent: str) -> CellId | None:
        asked = self._asked.get(parent)
        return asked.cell if asked is not None else self._cell_of_run(parent)

    def _idle(self, parent: str) -> None:
        self._throttle.idle(parent)
        self._news(self.widgets.idle(parent))
        self._send_waiting()

    # -- Output widgets --------------------------------------------------------------------------------------------

    def _follow(self, comm: str, state: object) -> None:
        """What an Output widget listens to, and what it shows, as the kernel says."""
        model = self.widgets.get(comm)
        if model is None or model.name != _OUTPUT or not isinstance(state, Mapping):
            return
        if "outputs" in state:
            self._captures.replace(comm, self.widgets.large.whole(model.state.get("outputs")))
        if "msg_id" in state:
            was_listening = self._captures.is_listening(comm)
            self._captures.listen(comm, str(state["msg_id"] or ""))
            if was_listening and not state["msg_id"]:
                self._give_back(comm)

    def _give_back(self, comm: str) -> None:
        """The kernel, too, knows what its widget has captured: `out.outputs`."""
        state = {"outputs": self._captures.outputs(comm)}
        data = {"method": "update", "state": state, "buffer_paths": []}
        self._send("comm_msg", {"comm_id": comm, "data": data})

    def _output(self, parent: str, event: Captured) -> bool:
        model = self._captures.listener(parent)
        if model is not None:
            if self._captures.take(model, event):
                try:
                    self._news(self.widgets.set(model, {"outputs": self._captures.outputs(model)}))
                except TooMuch as error:
                    log.warning("An Output widget is full", extra={"notebook": self._room.id, "reason": str(error)})
            return True
        asked = self._asked.get(parent)
        if asked is None:
            return False
        if asked.cell is not None:
            self._recorder.receive(asked.cell, event)
        return True

    # -- out -------------------------------------------------------------------------------------------------------

    def _news(self, news: Sequence[News], user: User | None = None) -> None:
        self.changes += len(news)
        for item in news:
            match item:
                case Opened(model):
                    self._post(comm_frame({"type": "opened", "comm": model, "seq": self._next()}))
                case Changed(model, traits):
                    self._plan(model, traits)
                case Proposed(model, traits, message):
                    self._plan(model, traits, message, user)
                case Echoed():
                    self._echo(item)
                case Closed(model):
                    self._due.pop(model, None)
                    self._post(comm_frame({"type": "comm_close", "comm": model, "data": {}, "seq": self._next()}))
                case _:
                    assert_never(item)

    def _echo(self, echo: Echoed) -> None:
        due = self._due.get(echo.model)
        if due is not None and echo.state.keys() & (due.traits | due.echoes).keys():
            self._show(echo.model)
        asked = self._asked.get(echo.message)
        if asked is not None and asked.connection is not None:
            self._post(self._update(echo.model, echo.state, echo.message, own=True), asked.connection)
        if echo.newest:
            self._plan(echo.model, echo.newest, echo.message)

    def _plan(self, model: str, traits: Sequence[str], message: str = "", user: User | None = None) -> None:
        """At once after quiet, then in windows. `message`: it came from a browser."""
        now = asyncio.get_running_loop().time()
        due = self._due.get(model)
        if due is None:
            known = self.widgets.get(model)
            window = _WINDOW_S + (known.size / _BYTES_PER_S if known is not None else 0)
            at = max(now, self._shown_at.get(model, 0.0) + window)
            due = self._due[model] = _Due(at, {}, {})
        (due.echoes if message else due.traits).update(dict.fromkeys(traits))
        due.message, due.user = message or due.message, user or due.user
        if due.at <= now:
            self._show(model)
        else:
            self._work.set()

    async def show_forever(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._due:
                loop = asyncio.get_running_loop()
                await asyncio.sleep(max(0.0, min(due.at for due in self._due.values()) - loop.time()))
                now = loop.time()
                for model in [model for model, due in self._due.items() if due.at <= now]:
                    self._show(model)

    def _show(self, id: str) -> None:
        due, model = self._due.pop(id, None), self.widgets.get(id)
        if due is None or model is None:
            return
        self._shown_at[id] = asyncio.get_running_loop().time()
        self._shown_at.move_to_end(id)
        while len(self._shown_at) > _MAX_ASKED:
            self._shown_at.popitem(last=False)
        for traits, message in ((due.traits, ""), ({t: None for t in due.echoes if t not in due.traits}, due.message)):
            state = {trait: model.state[trait] for trait in traits if trait in model.state}
            if state:
                self._post(self._update(id, state, message, user=due.user if message else None))

    def _update(
        self, model: str, state: Mapping[str, Any], message: str, own: bool = False, user: User | None = None
    ) -> bytes:
        """`message`: as an echo of it, which whoever waits for an echo of their own leaves out (W4). `own`: for who
        sent it."""
        parts = split(dict(state))
        header: dict[str, object] = {"type": "update", "comm": model, "state": parts.value, "parent": message}
        header |= {"echo": bool(message), "own": own, "paths": parts.paths, "large": _named(parts.large)}
        if user is not None:
            header["by"] = {"id": user.id, "name": user.name, "color": user.color}
        return comm_frame(header | {"seq": self._next()}, parts.buffers)

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _tell_state(self) -> None:
        self._post(comm_frame({"type": "session", "live": self.is_live, "seq": self._next()}))

    def _post(self, payload: bytes, owner: Connection | None = None) -> None:
        present = self._room.connections
        frame = websocket_frame(payload)
        for connection in present if owner is None else (owner,) if owner in present else ():
            connection.post_comm(payload, frame)


def _named(large: Sequence[tuple[Sequence[str | int], Large]]) -> list[dict[str, object]]:
    return [
        {"path": list(path), "sha256": item.sha256, "size": item.size, "text": item.is_text} for path, item in large
    ]
