"""Blobs, floods and a full disk under a run; questions to the kernel beside it."""

import asyncio
import hashlib
import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab.commands import Complete, Inspect, Restart
from collab.events import CannotSave, Completions, Inspection
from collab.store.blobs import Blobs
from tests.collab.test_messages import ANYTHING, FIELDS, TYPES
from tests.support.executions import Server, bench

LARGE = "<p>" + "x" * 100_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class WatchedBlobs(Blobs):
    """`fails` is how often storing does not work; `early` whether a document ever named what was not stored yet."""

    def __init__(self, folder: Path, fails: int = 0) -> None:
        super().__init__(folder)
        self.server: Server | None = None
        self.fails = fails
        self.early = False

    def put(self, data: bytes) -> str:
        assert self.server is not None
        sha256 = hashlib.sha256(data).hexdigest()
        self.early = self.early or sha256 in json.dumps(self.server.outputs("a"))
        if self.fails:
            self.fails -= 1
            raise OSError("No space left on device")
        return super().put(data)


@pytest.mark.anyio
async def test_a_blob_is_stored_before_the_document_names_it_however_long_that_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = WatchedBlobs(tmp_path / "blobs", fails=2)
    monkeypatch.setattr("collab.recorder._RETRY_S", (0.01,))
    async with bench(tmp_path, "print('up')\nwait('a')", blobs=blobs) as server:
        blobs.server = server
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        kernel, id = server.gateway.only, server.gateway.only.log[-1].parent_id
        kernel.say("iopub", "display_data", id, {"data": {"text/html": LARGE, "text/plain": "x"}, "metadata": {}})
        kernel.say("iopub", "stream", id, {"name": "stdout", "text": "after\n"})
        server.gateway.release("a")
        await server.ended("a")
        _, shown, after = server.outputs("a")
        (blob,) = json.loads(shown["blobs"]).values()
        assert (blob["sha256"], shown["data"]) == (hashlib.sha256(LARGE.encode()).hexdigest(), {"text/plain": "x"})
        assert after["text"] == "after\n"
        assert blobs.get(blob["sha256"]) == LARGE.encode()
        assert not blobs.early
        assert await server.store.has_blob(server.room.id, blob["sha256"])
        told = [event for event in server.room.told if isinstance(event, CannotSave)]
        assert told == [CannotSave("An output cannot be stored: No space left on device")] * 2


@pytest.mark.anyio
@pytest.mark.parametrize("adopts", [False, True], ids=["one server", "a server that came back"])
async def test_a17_no_kernel_updates_what_one_before_it_showed(tmp_path: Path, adopts: bool) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')", "print('up')\nwait('b')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        bundle = {"metadata": {}, "transient": {"display_id": "d"}}
        kernel = server.gateway.only
        before = {"data": {"text/plain": "before"}} | bundle
        kernel.say("iopub", "display_data", kernel.log[-1].parent_id, before)
        await server.until(lambda: len(server.outputs("a")) == 2)
        server.gateway.release("a")
        await server.ended("a")
        server.ask(Restart())
        await server.until(lambda: server.status == "idle")
        if adopts:
            server.executions._recorder.adopt()
        server.run("b")
        await server.until(lambda: server.text("b") == "up\n")
        kernel = server.gateway.only
        after = {"data": {"text/plain": "after"}} | bundle
        kernel.say("iopub", "update_display_data", kernel.log[-1].parent_id, after)
        kernel.say("iopub", "stream", kernel.log[-1].parent_id, {"name": "stdout", "text": "told\n"})
        await server.until(lambda: server.text("b") == "up\ntold\n")
        assert server.outputs("a")[1]["data"] == {"text/plain": "before"}
        server.gateway.release("b")
        await server.ended("b")


@pytest.mark.anyio
async def test_a_room_closes_although_an_output_cannot_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collab.recorder._LAST_WRITE_S", 0.1)
    blobs = WatchedBlobs(tmp_path / "blobs", fails=1 << 30)
    with anyio.fail_after(10):
        async with bench(tmp_path, "print('up')\nwait('a')", blobs=blobs) as server:
            blobs.server = server
            server.run("a")
            await server.until(lambda: server.text("a") == "up\n")
            kernel = server.gateway.only
            kernel.say("iopub", "display_data", kernel.log[-1].parent_id, {"data": {"text/html": LARGE}})
            await server.until(lambda: any(isinstance(event, CannotSave) for event in server.room.told))


def shows(server: Server, text: str) -> bool:
    return server.text("a") == text


@pytest.mark.anyio
async def test_a_cell_that_prints_slowly_leaves_its_text_in_the_document_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collab.recorder._WINDOW_S", 0.0)
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        kernel, id = server.gateway.only, server.gateway.only.log[-1].parent_id
        before = len(server.room.doc.get_update())
        text = "up\n"
        for number in range(300):
            text += (line := f"line {number}\n")
            kernel.say("iopub", "stream", id, {"name": "stdout", "text": line})
            await server.until(partial(shows, server, text))
        assert len(server.room.doc.get_update()) - before < len(text) + 300
        server.gateway.release("a")
        await server.ended("a")


@pytest.mark.anyio
async def test_a_flood_waits_for_the_disk_and_arrives_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.recorder._MAX_PENDING_BYTES", 10_000)
    async with bench(tmp_path, "wait('a')") as server:
        server.run("a")
        await server.until(lambda: server.mark("a").count == 1)
        kernel, id = server.gateway.only, server.gateway.only.log[-1].parent_id
        largest = 0
        for number in range(3000):
            kernel.say("iopub", "stream", id, {"name": "stdout", "text": f"{number:0100}\n"})
            largest = max(largest, server.executions._recorder._writer.pending_bytes)
            if number % 100 == 0:
                await anyio.lowlevel.checkpoint()
        server.gateway.release("a")
        await server.ended("a")
        (stream,) = server.outputs("a")
        blob = json.loads(stream["blobs"])["text/plain"]
        whole = (tmp_path / "blobs" / blob["sha256"][:2] / blob["sha256"][2:]).read_bytes()
        assert whole == "".join(f"{number:0100}\n" for number in range(3000)).encode()
        assert largest < 20_000


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["iopub", "iopub", "shell", "stdin", "control", ""]),
        st.sampled_from((*TYPES, "create_subshell_reply", "complete_reply")),
        st.dictionaries(st.sampled_from(FIELDS), ANYTHING) | ANYTHING,
        st.booleans(),
    ),
    max_size=25,
)


@given(MESSAGES)
@settings(max_examples=20, deadline=None)
def test_nothing_that_a_kernel_says_ends_the_room(messages: list[tuple[str, str, object, bool]]) -> None:
    async def run(folder: Path) -> None:
        async with bench(folder, "wait('a')") as server:
            server.run("a")
            await server.until(lambda: server.states() == {"a": "running"} and bool(server.gateway.only.executed))
            kernel, id = server.gateway.only, server.gateway.only.log[-1].parent_id
            for channel, type, content, is_about_the_run in messages:
                kernel.say(channel, type, id if is_about_the_run else "", content)
            server.gateway.release("a")
            await server.ended("a")

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


# -- questions ------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_idle_kernel_completes(tmp_path: Path) -> None:
    async with bench(tmp_path, "wait('a')") as server:
        await server.started()
        answers = server.ask(Complete(7, "pri", 3))
        await server.until(lambda: bool(answers))
        assert answers == [Completions(7, ("pri!",), 0, 1)]


@pytest.mark.anyio
async def test_a_subshell_completes_while_a_cell_runs(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        for number in (1, 2):
            answers = server.ask(Complete(number, "pri", 3))
            await server.until(lambda: bool(answers))  # noqa: B023
            assert answers == [Completions(number, ("pri!",), 0, 1)]
        server.gateway.release("a")
        await server.ended("a")


@pytest.mark.anyio
async def test_without_subshells_the_answer_is_empty_and_next_time_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collab.questions._ANSWER_WITHIN_S", 0.05)
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        await server.started()
        server.gateway.only.subshells = False
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        answers = server.ask(Complete(1, "pri", 3))
        await server.until(lambda: bool(answers))
        assert answers == [Completions(1, (), 3, 3)]
        monkeypatch.setattr("collab.questions._ANSWER_WITHIN_S", 60)
        answers = server.ask(Inspect(2, "pri", 3))
        await server.until(lambda: bool(answers))
        assert answers == [Inspection(2, "")]
        server.gateway.release("a")
        await server.ended("a")


@pytest.mark.anyio
async def test_nobody_waits_for_a_kernel_that_is_not_there_or_ends(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        assert server.ask(Complete(1, "pri", 3)) == [Completions(1, (), 3, 3)]
        await server.started()
        server.gateway.lost = {"complete_reply"}
        answers = [server.ask(Complete(number, "pri", 3)) for number in range(150)]
        await server.until(lambda: sum(map(len, answers)) == 50)  # of too many at once the rest are answered empty
        server.gateway.only.die("Out of memory.")
        await server.until(lambda: all(answers))
        assert all(len(each) == 1 for each in answers)
        server.gateway.lost = set()
        await server.until(lambda: server.status == "dead")
        await server.started()
        last = server.ask(Complete(9, "pri", 3))
        await server.until(lambda: bool(last))
        assert last == [Completions(9, ("pri!",), 0, 1)]
