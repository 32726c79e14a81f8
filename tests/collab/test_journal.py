"""The journal: batches gather while a commit is under way, keep their authors, and are tried until nothing helps."""

from typing import Any

import anyio
import pytest
from pycrdt import Doc, Text

from collab.connection import Connection
from collab.journal import MAX_MERGED, Batch, Journal, RoomClosed
from collab.model import Role, User, UserId
from collab.store.store import StoreError
from tests.support.benches import ID, new_notebook
from tests.support.clock import JUMPING
from tests.support.logs import MemoryLog
from tests.support.sockets import FakeSocket

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


class Written:
    """A Doc whose every update goes into a Journal, and what the Journal says of them."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.log.add(ID, new_notebook())
        self.doc: Doc[Any] = Doc()
        self.text = self.doc.get("text", type=Text)
        self.journal = Journal(ID, 1, self.log, self.doc.get_state())
        self.author: Connection | None = None
        self.batches: list[Batch] = []
        self.durable: list[int] = []
        self.troubles: list[tuple[str, bool]] = []
        self.doc.observe(lambda event: self.journal.add(bytes(event.update), self.author))

    def write(self, author: Connection | None = None) -> None:
        self.author = author
        self.text.insert(0, "x")

    async def run(self) -> None:
        await self.journal.run(
            self.doc.get_state,
            lambda error, hopeless: self.troubles.append((str(error), hopeless)),
            self.batches.append,
            lambda: self.durable.append(self.journal.durable),
        )

    async def kept(self) -> str:
        again: Doc[Any] = Doc()
        text = again.get("text", type=Text)
        for update in (await self.log.load(ID)).updates[1:]:
            again.apply_update(update)
        return str(text)


def somebody(name: str) -> Connection:
    return Connection(FakeSocket(print), User(UserId(name), name, "#123456", False), Role.EDITOR)


async def test_what_gathers_during_a_commit_is_the_next_batch() -> None:
    written = Written()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(written.run)
        written.log.hold()
        written.write()
        await anyio.sleep(1)
        for _ in range(10):
            written.write()
        written.log.release()
        await written.journal.wait()
        assert (written.log.appends, len(written.batches)) == (2, 2)
        assert written.journal.all_durable
        assert written.journal.pending_bytes == 0
        assert await written.kept() == 11 * "x"
        tasks.cancel_scope.cancel()


async def test_a_row_holds_what_one_author_wrote_in_a_row() -> None:
    written, ada, bob = Written(), somebody("ada"), somebody("bob")
    for author in (ada, ada, bob, None, None, ada):
        written.write(author)
    before = written.journal.applied
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(written.run)
        await written.journal.wait()
        tasks.cancel_scope.cancel()
    assert before == 6
    assert [row.user for row in written.log.rows(ID)[1:]] == ["ada", "bob", "", "ada"]
    [batch] = written.batches
    assert [author for author, _ in batch.parts] == [ada, bob, None, ada]
    assert batch.only_author is None
    assert len(batch.updates()) == 1
    assert await written.kept() == 6 * "x"


async def test_the_only_author_of_a_batch_is_known() -> None:
    written, ada = Written(), somebody("ada")
    for _ in range(MAX_MERGED + 1):
        written.write(ada)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(written.run)
        await written.journal.wait()
        tasks.cancel_scope.cancel()
    [batch] = written.batches
    assert batch.only_author is ada
    assert len(batch.parts) == 2  # merging takes time that grows with the square of what is merged


async def test_the_state_before_a_batch_is_what_was_durable_then() -> None:
    written = Written()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(written.run)
        states = [written.doc.get_state()]
        for _ in range(3):
            written.write()
            await written.journal.wait()
            states.append(written.doc.get_state())
        tasks.cancel_scope.cancel()
    assert [batch.state_before for batch in written.batches] == states[:3]


async def test_d7_the_same_batch_is_tried_until_it_is_durable() -> None:
    written = Written()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(written.run)
        written.log.trouble = "The disk is full."
        written.write()
        await anyio.sleep(1)
        written.write()
        written.log.trouble = ""
        await written.journal.wait()
        tasks.cancel_scope.cancel()
    assert set(written.troubles) == {("The disk is full.", False)}
    assert await written.kept() == "xx"


async def test_d7_it_gives_up_in_the_end_and_tells_who_waits() -> None:
    written = Written()
    told: list[str] = []

    async def wait() -> None:
        try:
            await written.journal.wait()
        except RoomClosed as error:
            told.append(str(error))

    written.log.trouble = "The disk is full."
    written.write()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        with pytest.raises(StoreError, match="full"):
            await written.run()
    await wait()
    assert told == 2 * ["The notebook was closed meanwhile; try again."]
    assert [hopeless for _, hopeless in written.troubles] == [False] * (len(written.troubles) - 1) + [True]
    assert written.batches == []


async def test_a_notebook_that_is_gone_is_not_tried_again() -> None:
    written = Written()
    written.log.delete(ID)
    written.write()
    with pytest.raises(StoreError, match="gone"):
        await written.run()
    assert written.troubles == [("The notebook is gone.", True)]
    assert written.log.appends == 1


async def test_what_people_wrote_is_passed_on_before_the_disk_has_it_and_acknowledged_after() -> None:
    written, ada = Written(), somebody("ada")
    written.log.hold_disk()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(written.run)
        for _ in range(3):
            written.write(ada)
            await anyio.sleep(1)
        assert (len(written.batches), written.journal.committed) == (3, 3)
        assert (written.durable, written.journal.all_durable) == ([], False)
        written.log.release_disk()
        await written.journal.wait()
        assert written.durable[-1] == 3
        tasks.cancel_scope.cancel()


async def test_n7_what_the_server_wrote_is_passed_on_when_the_disk_has_it_and_what_came_after_not_before_it() -> None:
    written, ada = Written(), somebody("ada")
    written.log.hold_disk()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(written.run)
        written.write()
        await anyio.sleep(1)
        written.write(ada)
        await anyio.sleep(1)
        assert (written.batches, written.journal.committed) == ([], 0)
        written.log.release_disk()
        await written.journal.wait()
        assert [batch.only_author for batch in written.batches] == [None, ada]
        tasks.cancel_scope.cancel()


async def test_d7_a_disk_that_takes_nothing_is_told_of_until_it_is_given_up() -> None:
    written, ada = Written(), somebody("ada")
    written.log.disk_trouble = "It does not get to the disk."
    written.write(ada)
    with pytest.raises(StoreError, match="disk"):
        await written.run()
    assert [hopeless for _, hopeless in written.troubles] == [False] * (len(written.troubles) - 1) + [True]
    assert len(written.troubles) > 3
    assert (len(written.batches), written.durable) == (1, [])
