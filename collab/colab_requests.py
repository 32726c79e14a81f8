"""Answers what kernels ask by `colab_request`: itself where it can, and else through the one tab of who ran the code.

One answer for each request, taken from the Connection that was asked (outputs.md G3). Answers wait while the kernel
waits for a person's input, whose value they would become (G2).
"""

import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import anyio

from collab import colab, ipynb, notebook
from collab.asker import Asker
from collab.colab import ColabRequest
from collab.commands import ColabReply
from collab.connection import Connection
from collab.events import ColabAsked
from collab.journal import RoomClosed
from collab.model import CellId, Role, User
from collab.recorder import Recorder
from collab.room import Room
from collab.runtime import KernelMessage, Runtime
from collab.secrets import NoSuchSecret, NotGranted, Secrets
from collab.store.blobs import Blobs
from collab.store.store import StoreError

log = logging.getLogger(__name__)

_TAB_BACK_WITHIN_S: Final = 30.0
_LOOK_FOR_TAB_S: Final = 0.5
_GRANTED_WITHIN_S: Final = 8.0  # Google's own package waits ten
_MAX_PATIENCE_S: Final = 600.0
MAX_ASKED: Final = 100  # of a Notebook at once, of the server or of a tab
_MAX_ASKERS: Final = 10_000
_NO_TAB: Final = "No browser tab of the person who ran this is open; open the notebook and run it again."
_TOO_MANY: Final = "Too many questions to the page wait already; let them be answered first."
_NO_ACCOUNT: Final = (
    "There is no Google account here: use a service account's key file, or keep a token in Secrets and read it with"
    " userdata.get()."
)

Ask = Literal["eval", "scratch_cell", "secret"]


@dataclass(slots=True, eq=False)
class _Open:
    """What a tab was asked. `asked` is that Connection's id."""

    request: ColabRequest
    asker: Asker
    asked: str = ""
    answer: ColabReply | None = None
    over: anyio.Event = field(default_factory=anyio.Event)


class ColabRequests:
    """`is_running` says whether a msg_id is of what the kernel executes now; `spawn` gives a task to the Room;
    `shut_down` ends the kernel for a person."""

    def __init__(
        self,
        room: Room,
        runtime: Runtime,
        recorder: Recorder,
        blobs: Blobs,
        secrets: Secrets | None,
        spawn: Callable[..., None],
        is_running: Callable[[str], bool],
        shut_down: Callable[[User], None],
    ) -> None:
        self._room = room
        self._runtime = runtime
        self._recorder = recorder
        self._blobs = blobs
        self._secrets = secrets
        self._spawn = spawn
        self._is_running = is_running
        self._shut_down = shut_down
        self._askers: OrderedDict[str, Asker] = OrderedDict()  # by msg_id
        self._open: dict[int, _Open] = {}
        self._held: list[dict[str, object]] = []
        self._numbers = 0
        self._sent = 0
        self._handled = 0
        self._input: CellId | None = None  # where a person's input is awaited

    # -- who asks ----------------------------------------------------------------------------------------------------

    def note(self, id: str, asker: Asker) -> None:
        """A message that the kernel gets now, on whose behalf it may ask something."""
        self._askers[id] = asker
        while len(self._askers) > _MAX_ASKERS:
            self._askers.popitem(last=False)

    def session(self, connection: str) -> str:
        """The Jupyter session in the headers of what this tab asks for (G1); empty for none."""
        return f"tab-{connection}" if connection else ""

    def _asker(self, request: ColabRequest) -> Asker | None:
        if request.parent in self._askers:
            return self._askers[request.parent]
        newest = reversed(self._askers.values())
        return next((each for each in newest if request.session == self.session(each.connection) != ""), None)

    # -- input of a person -------------------------------------------------------------------------------------------

    def input_opened(self, cell: CellId) -> None:
        self._input = cell

    def input_closed(self) -> None:
        """It was typed: what waited behind it goes out."""
        self._input = None
        held, self._held = self._held, []
        for content in held:
            self._send(content)

    def run_ended(self, id: str, is_ok: bool) -> None:
        """Nobody waits for held answers any more. Of a run that was broken off, nobody waits at all; threads of one
        that ended well may."""
        self._input = None
        self._held.clear()
        if not is_ok:
            for each in [each for each in self._open.values() if each.request.parent == id]:
                each.over.set()

    def forget(self) -> None:
        """The kernel is another one, or gone."""
        self._input = None
        self._held.clear()
        self._askers.clear()
        for each in self._open.values():
            each.over.set()

    # -- what the kernel asks ----------------------------------------------------------------------------------------

    def receive(self, message: KernelMessage) -> None:
        if message.type != "colab_request" or message.channel != "iopub":
            return
        request = colab.read_request(message.metadata, message.content, message.parent)
        if self._handled >= MAX_ASKED:
            self._fail(request, _TOO_MANY)
            return
        self._handled += 1
        self._spawn(self._handle, request)

    async def resume(self, kernel: str, run: str, until: str) -> None:
        """A server before us may have been asked, and have ended before it answered: the run has said nothing since."""
        said = await self._runtime.history(kernel, run, until) if until else None
        if said and said[-1].type == "colab_request":
            self.receive(said[-1])

    async def _handle(self, request: ColabRequest) -> None:
        try:
            await self._answer(request)
        except (StoreError, RoomClosed, OSError):
            self._fail(request, "The server cannot answer just now; run the cell again.")
        finally:
            self._handled -= 1

    async def _answer(self, request: ColabRequest) -> None:
        asker = self._asker(request)
        if asker is None:
            self._fail(request, "The server does not know who ran this; run the cell again.")
            return
        match request.type:
            case "cell_javascript_eval":
                script = request.body.get("script")
                await self._ask_tab(request, asker, "eval", script if isinstance(script, str) else "")
            case "add_scratch_cell":
                code = request.body.get("content")
                await self._ask_tab(request, asker, "scratch_cell", code if isinstance(code, str) else "")
            case "GetSecret":
                await self._secret(request, asker)
            case "get_ipynb":
                self._reply(request, {"ipynb": self._ipynb()})
            case "get_notebook_name":
                self._reply(request, self._name())
            case "notebook.save":
                await self._room.commit()
                self._reply(request, {})
            case "register_snippets":
                self._reply(request, {})
            case "runtime.unassign":  # of our own package
                self._reply(request, {})
                self._shut_down(asker.user)
            case "request_auth":
                self._fail(request, _NO_ACCOUNT)
            case "cell_display_stdin" | "cell_update_stdin" | "cell_remove_stdin":
                self._show_line(request, asker.cell)
            case type:
                self._fail(request, f"This server does not know the request '{type:.60}'.")

    def _show_line(self, request: ColabRequest, cell: CellId) -> None:
        """The line below a cell that is typed to a running `!` command: a prompt that stays until it is taken away."""
        shown = self._recorder.marked(cell, "prompt")
        if request.type == "cell_remove_stdin":
            if isinstance(shown, str):
                self._recorder.mark(cell, prompt=None)
        elif request.type == "cell_display_stdin" or isinstance(shown, str):
            prompt = {"text": "", "password": request.body.get("echo") is False, "line": True}
            self._recorder.mark(cell, prompt=json.dumps(prompt))

    def _ipynb(self) -> dict[str, Any]:
        written: dict[str, Any] = ipynb.to_notebook(self._room.doc, self._blobs.get)
        for cell in written["cells"]:
            source = cell["source"]
            cell["source"] = source.splitlines(keepends=True) if isinstance(source, str) else source
            cell["metadata"] = {**cell["metadata"], "id": cell.get("id", "")}
        written["metadata"]["colab"] = {**written["metadata"].get("colab", {}), "name": self._name()}
        return written

    def _name(self) -> str:
        title = notebook.title(self._room.doc)
        return title if title.endswith(".ipynb") else f"{title}.ipynb"

    # -- secrets -----------------------------------------------------------------------------------------------------

    async def _secret(self, request: ColabRequest, asker: Asker) -> None:
        """Only while their own code runs: a thread that was left behind could otherwise be anybody's."""
        key = request.body.get("key")
        if not isinstance(key, str) or self._secrets is None or not self._is_running(request.parent):
            self._reply(request, {"exists": self._secrets is not None, "access": False, "payload": ""})
            return
        try:
            found = await self._read_secret(asker.user, key)
            if found is None:
                asked = request.body.get("patience")
                patience = float(asked) if isinstance(asked, (int, float)) else _GRANTED_WITHIN_S
                with anyio.move_on_after(min(max(0.0, patience), _MAX_PATIENCE_S)):
                    await self._ask(request, asker, "secret", key)
                found = await self._read_secret(asker.user, key)
        except NoSuchSecret:
            self._reply(request, {"exists": False, "access": False, "payload": ""})
            return
        self._reply(request, {"exists": True, "access": found is not None, "payload": found or ""})

    async def _read_secret(self, user: User, key: str) -> str | None:
        """None for one that this Notebook may not read. Raises NoSuchSecret."""
        assert self._secrets is not None
        try:
            return await self._secrets.read_in(user.id, key, self._room.id)
        except NotGranted:
            return None

    # -- what a tab answers ------------------------------------------------------------------------------------------

    def answered(self, reply: ColabReply) -> None:
        """Taken once, and only from who was asked."""
        each = self._open.get(reply.reply)
        if each is not None and each.asked == reply.connection and not each.over.is_set():
            each.answer = reply
            each.over.set()

    async def _ask_tab(self, request: ColabRequest, asker: Asker, kind: Ask, text: str) -> None:
        answer = await self._ask(request, asker, kind, text)
        if answer is None:
            return
        if answer.error or answer.value is None:
            self._fail(request, answer.error or "The page gave no answer.")
        else:
            self._reply(request, json.loads(answer.value))

    async def _ask(self, request: ColabRequest, asker: Asker, kind: Ask, text: str) -> ColabReply | None:
        """None when nobody waits for it any more, or there is nobody to ask: then that was answered."""
        self._numbers += 1
        number, each = self._numbers, _Open(request, asker)
        self._open[number] = each
        try:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._keep_asked, number, each, kind, text)
                    await each.over.wait()
                    scope.cancel()
        finally:
            del self._open[number]
        return each.answer

    async def _keep_asked(self, number: int, each: _Open, kind: Ask, text: str) -> None:
        """In the tab of who ran the code, and when that is gone in another one of theirs."""
        deadline = anyio.current_time() + _TAB_BACK_WITHIN_S
        while not each.over.is_set():
            there = self._connection(each.asker, each.asked)
            if there is None:
                if anyio.current_time() > deadline:
                    each.answer = ColabReply(number, None, _NO_TAB)
                    each.over.set()
                    return
            else:
                deadline = anyio.current_time() + _TAB_BACK_WITHIN_S
                if there.id != each.asked:
                    each.asked = there.id
                    await self._tell(there, number, each.asker.cell, kind, text)
            await anyio.sleep(_LOOK_FOR_TAB_S)

    async def _tell(self, there: Connection, number: int, cell: CellId, kind: Ask, text: str) -> None:
        """Behind all that the cell has shown by now: the page waits until its document has this state."""
        self._recorder.clear_stale(cell)  # the script is this run's first sign of life, as an output would be
        await self._recorder.written()
        await self._room.commit()
        client = self._room.doc.client_id
        clock = notebook.clocks(self._room.doc.get_state()).get(client, 0)
        there.tell(ColabAsked(number, cell, kind, text, str(client), clock))

    def _connection(self, asker: Asker, asked: str) -> Connection | None:
        mine = [each for each in self._room.connections if each.user.id == asker.user.id and each.role >= Role.RUNNER]
        by_id = {each.id: each for each in mine}
        return by_id.get(asked) or by_id.get(asker.connection) or next(iter(mine), None)

    # -- out ---------------------------------------------------------------------------------------------------------

    def _reply(self, request: ColabRequest, data: object) -> None:
        if request.id is not None:
            self._send(colab.reply(request.id, data))

    def _fail(self, request: ColabRequest, error: str) -> None:
        if request.id is not None:
            self._send(colab.failure(request.id, error))

    def _send(self, content: dict[str, object]) -> None:
        if self._input is not None:
            if len(self._held) < MAX_ASKED:
                self._held.append(content)
            return
        self._sent += 1
        self._runtime.send("stdin", "input_reply", f"colab-{self._sent}", content)
