import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from kernelhost.journal import Journal
from kernelhost.messages import make, status
from kernelhost.reader import Overtaken, Reader
from kernelhost.segment import Kept, kept, record
from kernelhost.wire import Message, message


def parent(id: str, kind: str = "execute_request") -> bytes:
    return json.dumps({"msg_id": id, "msg_type": kind}).encode()


def stream(text: str, id: str = "", run: str = "run") -> Message:
    return make("iopub", "stream", {"name": "stdout", "text": text}, parent(run), id=id)


def reply(run: str) -> Message:
    return make("shell", "execute_reply", {"status": "ok"}, parent(run))


def read(reader: Reader) -> list[Message]:
    found = []
    while (item := reader.next()) is not None:
        found.append(item)
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture
def small(tmp_path: Path) -> Journal:
    """Of 40 kB, 5 kB of it in memory, in files of 5 kB."""
    return Journal(tmp_path / "journal", 40_000, 5_000, 5_000)


def flood(journal: Journal, size: int) -> list[Message]:
    """So many bytes of output, and a status now and then."""
    added: list[Message] = []
    while sum(item.size for item in added) < size:
        item = status("busy", parent("x")) if len(added) % 10 == 9 else stream("x" * 500, id=f"m{len(added)}")
        journal.add(item)
        added.append(item)
    return added


def test_a_reader_gets_what_is_everybodys_and_its_own_and_nothing_twice(journal: Journal) -> None:
    reader, other = Reader(journal, "a", 0), Reader(journal, "b", 0)
    items = [stream("1"), reply("x"), stream("2")]
    for item, session in zip(items, (None, "a", None), strict=True):
        journal.add(item, session)
    assert (read(reader), read(reader), read(other)) == (items, [], [items[0], items[2]])
    journal.add(items[0])
    assert read(reader) == [items[0]]


def test_a_message_counts_as_dealt_with_when_the_next_is_asked_for(journal: Journal) -> None:
    reader = Reader(journal, "a", 0)
    journal.add(stream("1"))
    journal.add(stream("2"))
    places = []
    for _ in range(3):
        reader.next()
        places.append(reader.at)
    assert places == [0, 1, 2]


def test_h9_a_passing_message_is_for_those_who_are_there(journal: Journal) -> None:
    there = Reader(journal, "a", 0)
    journal.add(status("restarting"), passing=True)
    late = Reader(journal, "b", 0)
    assert [item.type for item in read(there)] == ["status"]
    assert read(late) == []


texts = st.binary(max_size=50)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 1 << 60),
    st.none() | st.text(max_size=20) | st.sampled_from(["x" * 100_000, "\ud800"]),
    st.sampled_from(["iopub", "shell", "control", "stdin"]),
    st.booleans(),
    st.lists(texts, max_size=4),
    texts,
)
def test_a_record_is_read_as_it_was_written(
    seq: int, session: str | None, channel: str, passing: bool, buffers: list[bytes], content: bytes
) -> None:
    item = make(channel, "comm_msg", content, parent("ü"))
    item = message(channel, item.header, item.parent, b"{}", content, tuple(buffers))
    before = Kept(seq, session, item, passing)
    after = kept(record(before).data)
    assert after == before
    assert (after.message.id, after.message.type, after.message.parent_id) == (item.id, "comm_msg", "ü")


def test_j3_what_is_older_is_on_disk_for_its_owner_only_and_read_back(small: Journal, tmp_path: Path) -> None:
    added = flood(small, 25_000)
    files = list((tmp_path / "journal").iterdir())
    assert len(files) > 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    assert sum(path.stat().st_size for path in files) == small.disk_bytes
    assert read(Reader(small, "a", 0)) == added
    small.close()
    assert not (tmp_path / "journal").exists()


def test_a_quiet_kernel_writes_nothing(journal: Journal, tmp_path: Path) -> None:
    flood(journal, 100_000)
    assert list(tmp_path.iterdir()) == []
    journal.close()


def test_j4_x11_at_its_bound_output_is_lost_with_one_word_and_no_status(small: Journal) -> None:
    added = flood(small, 150_000)
    assert small.size < 2 * 40_000
    found = read(Reader(small, "a", 0))
    notice, *rest = found
    assert "Output was lost" in str(notice.part("content")["text"])
    assert notice.parent_id == "x"  # of the first message that is still there
    assert [item for item in rest if item.type == "status"] == [item for item in added if item.type == "status"]
    kept = [item for item in rest if item.type == "stream"]
    assert kept == [item for item in added if item.type == "stream"][-len(kept) :]
    assert sum(item.size for item in kept) > 40_000 / 2


ALWAYS = {
    "an error": make("iopub", "error", {"ename": "E", "evalue": "", "traceback": []}, parent("run")),
    "a comm message": make("iopub", "comm_msg", {"comm_id": "c", "data": {}}, parent("run")),
    "clear_output": make("iopub", "clear_output", {"wait": False}, parent("run")),
    "an input request": make("stdin", "input_request", {"prompt": ""}, parent("run")),
    "a reply": reply("run"),
}


@pytest.mark.parametrize("what", ALWAYS)
def test_j4_what_is_no_output_outlives_it(small: Journal, what: str) -> None:
    small.add(ALWAYS[what], None if ALWAYS[what].channel == "iopub" else "a")
    flood(small, 150_000)
    assert read(Reader(small, "a", 0))[1] == ALWAYS[what]


def test_what_is_dropped_is_counted(small: Journal) -> None:
    added = flood(small, 20_000)
    assert small.dropped_bytes == 0
    added += flood(small, 400_000)
    sizes = sum(item.size for item in added)
    assert small.size < 100_000
    assert sizes - 100_000 < small.dropped_bytes < 2 * sizes


def test_j4_even_what_is_no_output_is_bounded(small: Journal) -> None:
    added = [status("busy", parent(f"{number}")) for number in range(1000)]
    for item in added:
        small.add(item)
    assert small.size < 2 * 40_000 + 10_000
    assert small.dropped > 0
    notice, *rest = read(Reader(small, "a", 0))
    assert "Output was lost" in str(notice.part("content")["text"])
    assert rest == added[small.dropped :]


def test_a_reader_that_has_caught_up_and_falls_behind_is_told(small: Journal) -> None:
    reader = Reader(small, "a", 0)
    flood(small, 30_000)
    assert reader.next() is not None
    flood(small, 100_000)
    with pytest.raises(Overtaken):
        reader.next()


def test_h14_who_comes_back_is_not_overtaken_before_it_has_caught_up(small: Journal) -> None:
    before = flood(small, 30_000)
    reader = Reader(small, "a", 0)
    assert reader.next() == before[0]
    flood(small, 100_000)
    notice, *rest = [reader.next() for _ in range(4)]
    assert notice is not None
    assert "Output was lost" in str(notice.part("content")["text"])
    assert rest == [item for item in before[1:] if item.type == "status"][:3]
    with pytest.raises(Overtaken):
        read(reader)


def test_a_reader_on_disk_goes_on_in_memory(small: Journal) -> None:
    added = flood(small, 30_000)
    reader = Reader(small, "a", 0)
    found = [reader.next() for _ in range(10)]
    added += flood(small, 3_000)
    assert found + read(reader) == added


def test_a_message_is_found_by_its_id_wherever_it_is_and_was(small: Journal) -> None:
    flood(small, 150_000)
    for seq in (small.seq - 1, small.lossy + 1, small.lossy, 1):
        kept = None if seq in (small.lossy, 1) else small.following(seq - 1)
        id = kept.message.id if kept is not None else f"m{seq - 1}"
        assert small.place_of(id) == seq
    assert small.place_of("nobody") is None


def test_a_huge_message_goes_through(small: Journal) -> None:
    reader = Reader(small, "a", 0)
    huge, after = stream("x" * 200_000), stream("after")
    small.add(huge)
    assert read(reader) == [huge]
    small.add(after)
    assert read(reader) == [after]
    flood(small, 6_000)
    assert small.size < 2 * 40_000


def test_e3_who_goes_on_after_an_output_still_gets_the_reply_that_came_before_it(small: Journal) -> None:
    answer = reply("run")
    small.add(answer, "a")
    small.add(stream("late", id="here"))
    flood(small, 20_000)  # onto the disk
    place = small.place_of("here")
    assert place == 2
    assert small.unfinished_replies(place, "a") == [answer]
    assert small.unfinished_replies(place, "b") == []


@pytest.mark.parametrize("idle_first", [True, False])
def test_e3_a_reply_is_dealt_with_when_its_idle_came_too(journal: Journal, idle_first: bool) -> None:
    both = [(reply("run"), "a"), (status("idle", parent("run")), None)]
    for item, session in reversed(both) if idle_first else both:
        journal.add(item, session)
    journal.add(stream("next", id="here"))
    assert journal.unfinished_replies(3, "a") == []


@pytest.mark.parametrize("size", [0, 20_000])
def test_an_answered_question_is_not_asked_again(small: Journal, size: int) -> None:
    question = make("stdin", "input_request", {"prompt": "?"}, parent("run"))
    small.add(question, "a")
    flood(small, size)
    assert read(Reader(small, "a", 0))[0] == question
    small.retire_question("a")
    assert question not in read(Reader(small, "a", 0))


def test_a_full_disk_costs_output_and_nothing_else(small: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        added = flood(small, 60_000)
    assert small.disk_bytes == 0
    assert small.size <= 3 * 5_000
    notice, *rest = read(Reader(small, "a", 0))
    assert "Output was lost" in str(notice.part("content")["text"])
    statuses = [item for item in added if item.type == "status"]
    assert [item for item in rest if item.type == "status"] == statuses[-len([i for i in rest if i.type == "status"]) :]
    # Space again: it goes on as if nothing had been.
    more = flood(small, 20_000)
    assert read(Reader(small, "a", small.seq - len(more))) == more


def test_a_disk_that_cannot_be_read_loses_what_is_on_it(small: Journal, tmp_path: Path) -> None:
    added = flood(small, 20_000)
    for path in (tmp_path / "journal").iterdir():
        os.truncate(path, 0)
    notice, *rest = read(Reader(small, "a", 0))
    assert "Output was lost" in str(notice.part("content")["text"])
    assert rest == added[-len(rest) :]


FLOOD = """
import pathlib, resource, sys
from kernelhost.journal import Journal
from kernelhost.reader import Overtaken, Reader
from kernelhost.messages import make
journal = Journal(pathlib.Path(sys.argv[1]))
reader = Reader(journal, "a", 0)
def flood(megabytes):
    for _ in range(megabytes * 100):
        journal.add(make("iopub", "stream", {"name": "stdout", "text": "x" * 10_000}))
        reader.next()
flood(100)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
away = Reader(journal, "b", 0)
flood(300)
while away.next() is not None: pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, journal.disk_bytes / 1e6)
journal.close()
"""


def test_j3_memory_stays_flat_while_a_kernel_prints_without_end(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FLOOD, str(tmp_path / "journal")]
    grown_mb, on_disk_mb = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert float(grown_mb) < 8
    assert 50 < float(on_disk_mb) < 70


# -- any order of anything, beside a journal that keeps all ----------------------------------------------------------


@dataclass
class Model:
    """What was ever added. What a journal has lost is known by what it says of itself; all else must be there."""

    all: list[Kept] = field(default_factory=list)

    def after(self, seq: int, session: str, journal: Journal, joined: int) -> list[Message]:
        return [
            kept.message
            for kept in self.all
            if kept.seq > seq
            and kept.seq > journal.dropped
            and (kept.seq > journal.lossy or not kept.is_output)
            and kept.session in (None, session)
            and not (kept.passing and kept.seq <= joined)
        ]


class BesideTheModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.journal = Journal(Path(self.folder.name) / "j", 20_000, 3_000, 2_500)
        self.model = Model()
        self.readers: list[tuple[Reader, list[Message]]] = []

    @rule(
        size=st.integers(0, 3_000),
        make_one=st.sampled_from([stream, lambda text: make("iopub", "error", {"text": text}, parent("run"))]),
        session=st.sampled_from([None, None, None, "a", "b"]),
        passing=st.sampled_from([False, False, False, True]),
        times=st.integers(1, 8),
    )
    def add(
        self, size: int, make_one: Callable[[str], Message], session: str | None, passing: bool, times: int
    ) -> None:
        for _ in range(times):
            item = make_one("x" * size)
            self.journal.add(item, session, passing)
            self.model.all.append(Kept(self.journal.seq, session, item, passing))

    @rule(session=st.sampled_from("ab"), data=st.data())
    def read_from_anywhere(self, session: str, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, self.journal.seq))
        found = read(Reader(self.journal, session, at))
        expected = self.model.after(at, session, self.journal, self.journal.seq)
        if at < self.journal.lossy:
            notice, *found = found
            assert "Output was lost" in str(notice.part("content")["text"])
        assert found == expected

    @rule(session=st.sampled_from("ab"))
    def join(self, session: str) -> None:
        self.readers = [*self.readers[-2:], (Reader(self.journal, session, self.journal.seq), [])]

    @rule(count=st.integers(1, 20))
    def go_on_reading(self, count: int) -> None:
        for reader, found in tuple(self.readers):
            try:
                for _ in range(count):
                    at = reader.at
                    item = reader.next()
                    if item is None:
                        break
                    found.append(item)
            except Overtaken:
                assert at < self.journal.lossy
                self.readers.remove((reader, found))

    @invariant()
    def live_readers_miss_nothing(self) -> None:
        for reader, found in self.readers:
            theirs = [kept.message for kept in self.model.all if kept.session in (None, reader.session)]
            if found:
                start = next(at for at, item in enumerate(theirs) if item.id == found[0].id)
                assert found == theirs[start : start + len(found)]

    @invariant()
    def nothing_is_lost_before_the_bound(self) -> None:
        kept = sum(kept.message.size for kept in self.model.all if kept.seq > self.journal.lossy)
        assert not self.journal.lossy or kept > 20_000 - 3_000 - 2 * 2_500 - 3_000
        assert self.journal.size < 2 * 20_000 + 2 * 3_000 + 10_000

    @rule(data=st.data())
    def find(self, data: st.DataObject) -> None:
        if self.model.all:
            kept = data.draw(st.sampled_from(self.model.all))
            assert self.journal.place_of(kept.message.id) == kept.seq

    def teardown(self) -> None:
        self.journal.close()
        self.folder.cleanup()


TestBesideTheModel = BesideTheModel.TestCase
TestBesideTheModel.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
