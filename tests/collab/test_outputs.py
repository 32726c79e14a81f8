"""Outputs in the document: streams, displays, clearing, bounds, and what a restarted server makes of them."""

import base64
import hashlib
import json
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from collab.messages import Clear, Display, Failure, Result, Stream, to_event
from collab.model import MAX_INLINE_DATA_BYTES, MAX_INLINE_STREAM_BYTES, STREAM_HEAD_BYTES, STREAM_TAIL_BYTES, CellId
from collab.notebook import SERVER_ORIGIN, NotebookDoc, roots
from collab.output import blob_bytes
from collab.outputs import MAX_OUTPUTS, OutputEvent, OutputWriter
from collab.terminal import CUT_NOTE

A, B = CellId("a"), CellId("b")


class Bench:
    """A writer, its document, the Blobs it gave out, and the updates that others would get."""

    def __init__(self, doc: Doc[Any] | None = None) -> None:
        self.doc: NotebookDoc = doc or Doc()
        roots(self.doc)
        self.writer = OutputWriter(self.doc)
        self.blobs: dict[str, bytes] = {}
        self.updates: list[bytes] = []
        self._subscription = self.doc.observe(lambda event: self.updates.append(event.update))

    def write(self) -> None:
        while blobs := self.writer.blobs():
            self.blobs.update((hashlib.sha256(blob).hexdigest(), blob) for blob in blobs)
        self.writer.write()
        for entry in (entry for cell in self.cells() for entry in self.outputs(cell)):
            for blob in json.loads(entry.get("blobs", "{}")).values():
                assert len(self.blobs[blob["sha256"]]) == blob["size"]

    def put(self, *events: OutputEvent, cell: CellId = A) -> None:
        for event in events:
            self.writer.receive(cell, event)
        self.write()

    def outputs(self, cell: CellId = A) -> list[dict[str, Any]]:
        array = roots(self.doc).outputs.get(cell)
        return array.to_py() if array is not None else []

    def cells(self) -> list[CellId]:
        return [CellId(cell) for cell in roots(self.doc).outputs.to_py() or {}]

    def end(self) -> None:
        self.writer.end(A)
        self.write()

    def texts(self, cell: CellId = A) -> list[str]:
        return [entry.get("text") or entry.get("data", {}).get("text/plain", "") for entry in self.outputs(cell)]

    def reloaded(self) -> "Bench":
        doc: NotebookDoc = Doc()
        roots(doc)
        doc.apply_update(self.doc.get_update())
        bench = Bench(doc)
        bench.blobs = self.blobs
        bench.writer.adopt()
        return bench


def out(text: str) -> Stream:
    return Stream("stdout", text)


def err(text: str) -> Stream:
    return Stream("stderr", text)


def show(text: str, display_id: str = "", update: bool = False) -> Display:
    return Display({"text/plain": text}, "{}", display_id, update)


def test_one_output_of_each_kind() -> None:
    bench = Bench()
    bench.put(
        *(out("a\n"), err("b\n"), show("c", "d"), Result({"text/plain": "r"}, '{"m": 1}', "", 3)),
        Failure("E", "v", ("t1", "t2")),
    )
    assert bench.outputs() == [
        {"output_type": "stream", "name": "stdout", "text": "a\n"},
        {"output_type": "stream", "name": "stderr", "text": "b\n"},
        {"output_type": "display_data", "data": {"text/plain": "c"}, "metadata": "{}", "display_id": "d"},
        {"output_type": "execute_result", "data": {"text/plain": "r"}, "metadata": '{"m": 1}', "count": 3.0},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": '["t1", "t2"]'},
    ]
    assert len(bench.updates) == 1


def test_consecutive_streams_are_one_text_and_only_what_is_new_is_sent() -> None:
    bench = Bench()
    bench.put(out("a" * 10_000))
    bench.put(out("b\n"))
    bench.put(show("x"), out("c"))
    assert bench.texts() == ["a" * 10_000 + "b\n", "x", "c"]
    assert len(bench.updates[1]) < 60


def test_collecting_is_seen_and_writing_joins_an_open_transaction() -> None:
    bench = Bench()
    assert not bench.writer.pending
    bench.writer.receive(A, out("hello"))
    assert bench.writer.pending
    assert bench.writer.pending_bytes == 5
    with bench.doc.transaction(origin=SERVER_ORIGIN):
        bench.writer.write()
        roots(bench.doc).meta["title"] = "x"
    assert len(bench.updates) == 1
    assert not bench.writer.pending
    assert bench.writer.pending_bytes == 0


def test_what_comes_between_blobs_and_write_has_its_blobs_asked_for() -> None:
    bench = Bench()
    bench.writer.receive(A, show("x" * MAX_INLINE_DATA_BYTES + "1"))
    assert len(bench.writer.blobs()) == 1
    bench.writer.receive(A, show("y" * MAX_INLINE_DATA_BYTES + "2"))
    assert len(bench.writer.blobs()) == 1
    assert bench.writer.blobs() == []
    bench.writer.write()
    assert len(bench.outputs()) == 2


def test_a_progress_bar_is_rewritten_in_place() -> None:
    bench = Bench()
    for done in range(101):
        bench.put(err(f"\r{done:3d}%|{'█' * (done // 10):10}| 日本 😀"))
    assert bench.texts() == ["100%|██████████| 日本 😀"]
    assert max(map(len, bench.updates)) < 200


def test_old_outputs_stay_until_the_first_new_one() -> None:
    bench = Bench()
    bench.put(out("old"), show("old", "d"))
    bench.writer.begin(A)
    bench.write()
    assert bench.texts() == ["old", "old"]
    bench.updates.clear()
    bench.put(out("new"))
    assert bench.texts() == ["new"]
    assert len(bench.updates) == 1


def test_stale_outputs_go_when_told_and_new_ones_stay() -> None:
    bench = Bench()
    bench.put(out("old"))
    bench.writer.begin(A)
    bench.writer.clear_stale(A)
    bench.write()
    assert bench.outputs() == []
    bench.put(out("new"))
    bench.writer.clear_stale(A)
    bench.end()
    assert bench.texts() == ["new"]


def test_clear_output_animations() -> None:
    bench = Bench()
    array = None
    for frame in range(50):
        bench.put(Clear(True))
        if frame:
            assert bench.texts() == [f"frame {frame - 1}"]
        bench.put(show(f"frame {frame}"))
        array = array or roots(bench.doc).outputs[A]
    assert bench.texts() == ["frame 49"]
    assert array is not None
    assert array.to_py() == roots(bench.doc).outputs[A].to_py()
    bench.put(*(event for frame in range(1000) for event in (Clear(False), out(f"{frame}"))))
    assert bench.texts() == ["999"]
    assert len(bench.updates[-1]) < 200


def test_a_mark_still_set_at_the_end_does_nothing() -> None:
    bench = Bench()
    bench.put(out("kept"), Clear(True))
    bench.writer.end(A)
    bench.put(show("later"))
    assert bench.texts() == ["kept", "later"]


def test_clearing_at_once_and_by_command() -> None:
    bench = Bench()
    bench.put(out("a"))
    bench.put(Clear(False))
    assert bench.outputs() == []
    bench.put(out("b"))
    bench.put(out("c"), cell=B)
    bench.writer.clear([A, B, CellId("none")])
    bench.write()
    assert bench.outputs(A) == bench.outputs(B) == []
    assert "none" not in roots(bench.doc).outputs


def test_the_array_is_never_replaced() -> None:
    bench = Bench()
    bench.put(out("a"))
    seen: list[object] = []
    array: Array[Any] = roots(bench.doc).outputs[A]
    subscription = array.observe(lambda event: seen.append(event))
    bench.writer.begin(A)
    bench.put(out("b"), Clear(False), show("c"))
    bench.put(Clear(True), show("d"))
    assert len(seen) == 2
    assert array.to_py() == bench.outputs()
    array.unobserve(subscription)


def test_updates_reach_every_display_in_any_cell() -> None:
    bench = Bench()
    bench.put(show("1", "d"), show("other"))
    bench.put(show("1", "d"), cell=B)
    bench.put(
        Display({"text/html": "<b>"}, '{"a": 1}', "d", True),
        Display({"text/html": "<i>"}, '{"a": 2}', "d", True),
        show("lost", "unknown", True),
        cell=CellId("c"),
    )
    for cell in (A, B):
        assert bench.outputs(cell)[0]["data"] == {"text/html": "<i>"}
        assert bench.outputs(cell)[0]["metadata"] == '{"a": 2}'
    assert len(bench.outputs()) == 2
    assert bench.outputs(CellId("c")) == []
    bench.put(Clear(False))
    bench.put(show("x"))
    bench.put(show("2", "d", True))
    assert bench.texts() == ["x"]
    assert bench.texts(B) == ["2"]


def test_an_update_in_the_same_window_as_its_display_and_as_a_clear() -> None:
    bench = Bench()
    bench.put(show("1", "d"), show("2", "d", True), Clear(True), show("3", "d"), show("4", "d", True))
    assert bench.texts() == ["4"]


def test_an_update_that_changes_nothing_sends_nothing() -> None:
    bench = Bench()
    bench.put(show("1", "d"))
    bench.updates.clear()
    bench.put(show("1", "d", True))
    assert bench.updates == []


def test_large_values_become_blobs() -> None:
    bench = Bench()
    png = bytes(range(256)) * 1000
    text = "é" * MAX_INLINE_DATA_BYTES
    bench.put(Display({"image/png": base64.b64encode(png).decode(), "text/html": text, "text/plain": "x"}, "{}", "d"))
    [entry] = bench.outputs()
    blobs = json.loads(entry["blobs"])
    assert entry["data"] == {"text/plain": "x"}
    assert bench.blobs[blobs["image/png"]["sha256"]] == png
    assert bench.blobs[blobs["text/html"]["sha256"]] == text.encode()
    bench.put(show("small", "d", True))
    assert "blobs" not in bench.outputs()[0]
    bench.put(Display({"text/plain": text}, "{}", "d", True))
    assert bench.outputs()[0]["data"] == {}
    assert list(json.loads(bench.outputs()[0]["blobs"])) == ["text/plain"]


def test_many_values_of_a_cell_become_blobs_sooner_and_small_ones_stay() -> None:
    bench = Bench()
    values = [f"{at:060000}" for at in range(100)]
    for value in values:
        bench.put(Display({"text/html": value, "text/plain": "<HTML>"}))
    assert len(bench.doc.get_update()) < 1_200_000
    for entry, value in zip(bench.outputs(), values, strict=True):
        blobs = json.loads(entry.get("blobs", "{}"))
        inline = entry["data"].get("text/html")
        assert (inline or bench.blobs[blobs["text/html"]["sha256"]].decode()) == value
        assert entry["data"]["text/plain"] == "<HTML>"
    bench.writer.begin(A)
    bench.put(Display({"text/html": values[0]}))
    assert bench.outputs()[0]["data"] == {"text/html": values[0]}


def test_many_cells_together_become_blobs_sooner_also_after_a_restart() -> None:
    bench = Bench()
    for number in range(100):
        for at in range(3):
            bench.writer.receive(CellId(f"cell-{number}"), Display({"text/html": f"{at:060000}"}))
    bench.write()
    size = len(bench.doc.get_update())
    assert size < 4_600_000
    after = Bench(bench.doc)
    after.writer.adopt()
    after.put(*(Display({"text/html": f"{at:060000}"}) for at in range(10)), cell=CellId("more"))
    assert len(bench.doc.get_update()) < size + 10_000


def test_what_is_no_base64_is_kept_as_text() -> None:
    assert blob_bytes("image/png", "not base64!") == b"not base64!"


def test_blobs_of_what_was_cleared_or_updated_again_are_not_asked_for() -> None:
    bench = Bench()
    large = "x" * MAX_INLINE_DATA_BYTES
    bench.put(show(large + "1"), Clear(False), show("2", "d"), show(large + "3", "d", True), show("4", "d", True))
    assert bench.blobs == {}
    assert bench.texts() == ["4"]


def shortened(whole: str) -> str:
    head = whole.encode()[:STREAM_HEAD_BYTES].decode(errors="ignore")
    tail = whole.encode()[-STREAM_TAIL_BYTES:].decode(errors="ignore")
    size = len(whole.encode()) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[… {size:,} bytes left out; download the whole output …]\n{tail}"


def is_excerpt(text: str, whole: str) -> bool:
    """Head and tail as they are in the whole, as much left out as it says, and within the bounds."""
    head, number, tail = re.split(r"\n\[… ([0-9,]+) bytes left out; download the whole output …\]\n", text)
    shown = len(head.encode()) + len(tail.encode())
    return (
        whole.startswith(head)
        and whole.endswith(tail)
        and len(whole.encode()) == shown + int(number.replace(",", ""))
        and len(tail.encode()) <= STREAM_TAIL_BYTES
        and shown > MAX_INLINE_STREAM_BYTES // 2
    )


@pytest.mark.parametrize("line", ["line {}\n", "日本 {} 😀\n"])
@pytest.mark.parametrize("window", [37, 5_000, 100_000])
def test_a_flood_is_shortened_and_whole_in_a_blob(line: str, window: int) -> None:
    bench = Bench()
    bench.writer.begin(A)
    lines = [line.format(at) for at in range(100_000 if window > 37 else 37_000)]
    for at in range(0, len(lines), window):
        bench.put(*map(out, lines[at : at + window]))
    whole = "".join(lines)
    assert is_excerpt(bench.texts()[0], whole)
    assert "blobs" not in bench.outputs()[0]
    assert max(map(len, bench.updates)) <= MAX_INLINE_STREAM_BYTES + 1000
    bench.end()
    assert bench.texts() == [shortened(whole)]
    [entry] = bench.outputs()
    blob = json.loads(entry["blobs"])["text/plain"]
    assert bench.blobs[blob["sha256"]] == whole.encode()


def test_a_flood_sends_what_is_new() -> None:
    bench = Bench()
    bench.put(out(("x" * 79 + "\n") * 4000))
    bench.updates.clear()
    for _ in range(100):
        bench.put(out(("y" * 79 + "\n") * 10))
    assert max(map(len, bench.updates)) < 2000


def test_a_bar_below_a_flood() -> None:
    bench = Bench()
    flood = "".join(f"line {at}\n" for at in range(60_000))
    bench.put(out(flood))
    for at in range(100):
        bench.put(out(f"\r{at} of 100"))
        assert is_excerpt(bench.texts()[0], f"{flood}{at} of 100")
    bench.end()
    assert bench.texts() == [shortened(f"{flood}99 of 100")]


def test_text_that_shrinks_again_is_whole_again() -> None:
    bench = Bench()
    rows = "".join("w" * 16_000 + "\n" for _ in range(30))
    bench.put(out(rows))
    assert "left out" in bench.texts()[0]
    bench.put(out("\x1b[30A" + "\x1b[2K\x1b[B" * 30))
    assert bench.texts() == ["\n" * 30]
    bench.end()
    assert "blobs" not in bench.outputs()[0]


def test_beyond_what_is_held_the_blob_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.outputs.MAX_WHOLE_CHARS", 1_000_000)
    monkeypatch.setattr("collab.outputs.MAX_WHOLE_BYTES", 1_000_000)
    bench = Bench()
    lines = [f"zeile é {at}\n" for at in range(200_000)]
    bench.put(*map(out, lines))
    bench.put(err("x"), *map(out, lines))
    bench.end()
    for entry in bench.outputs()[::2]:
        blob = bench.blobs[json.loads(entry["blobs"])["text/plain"]["sha256"]]
        assert blob.endswith(CUT_NOTE.encode())
        assert len(blob) <= 1_000_000 + len(CUT_NOTE.encode())
        assert entry["text"].endswith(lines[-1])
        assert is_excerpt(entry["text"], "".join(lines))


def test_no_more_outputs_than_the_bound() -> None:
    bench = Bench()
    bench.put(*(show(str(at)) for at in range(MAX_OUTPUTS + 50)))
    bench.put(err("late"), show("later", "d"), show("update", "d", True))
    assert len(bench.outputs()) == MAX_OUTPUTS + 1
    assert bench.texts()[MAX_OUTPUTS - 1] == str(MAX_OUTPUTS - 1)
    assert "1,000" in bench.texts()[-1]
    assert bench.outputs()[-1]["name"] == "stderr"
    again = bench.reloaded()
    again.put(err("late"))
    assert again.texts() == bench.texts()
    again.put(Clear(False), show("fresh"))
    assert again.texts() == ["fresh"]


def test_the_last_output_within_the_bound_may_grow() -> None:
    bench = Bench()
    bench.put(*(show(str(at)) for at in range(MAX_OUTPUTS - 1)), out("a"))
    bench.put(out("b"))
    assert bench.texts()[-1] == "ab"


def test_nothing_makes_the_document_large() -> None:
    bench = Bench()
    huge = "x" * 5_000_000
    bench.put(
        *(
            out(huge),
            err(huge),
            show(huge),
            Failure(huge, huge, (huge,) * 10),
            Failure("E", "v", ("line",) * 1_000_000),
        ),
        *(Display({f"text/x-{at}": huge[:60_000] for at in range(100)}, json.dumps({"a": huge})),),
    )
    assert len(bench.doc.get_update()) < 1_300_000
    for entry in bench.outputs():
        if entry["output_type"] == "error":
            assert len(entry["traceback"]) <= MAX_INLINE_DATA_BYTES + 1000
            json.loads(entry["traceback"])
    assert json.loads(bench.outputs()[-1]["metadata"])


def test_a_million_printed_lines() -> None:
    bench = Bench()
    start = time.process_time()
    bench.writer.begin(A)
    for at in range(0, 1_000_000, 2000):
        for line in range(at, at + 2000):
            bench.writer.receive(A, out(f"line {line}\n"))
        bench.writer.write()
    bench.end()
    assert time.process_time() - start < 10
    assert len(bench.doc.get_update()) < MAX_INLINE_STREAM_BYTES + 20_000


def test_the_worst_json_of_a_kernel_is_stored() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    worst = {"n": 2**63, "nan": float("nan"), "s": "\ud800", 5: b"bytes", "deep": deep, "t": (1,)}
    bench = Bench()
    for kind in ("display_data", "execute_result"):
        content = {"data": {"application/json": worst, "text/plain": worst, 7: "\udfff"}, "metadata": worst}
        event = to_event({"header": {"msg_type": kind}, "content": content})
        assert isinstance(event, (Display, Result))
        bench.put(event)
    bench.put(out("a\ud83d"))
    assert len(bench.outputs()) == 3
    assert json.loads(bench.outputs()[0]["data"]["application/json"])["n"] == 2**63
    assert bench.texts()[-1] == "a\ufffd"


def test_a_deleted_cells_outputs_go_on() -> None:
    bench = Bench()
    bench.put(out("a"))
    bench.put(out("b"))
    assert "a" not in roots(bench.doc).cells
    assert bench.texts() == ["ab"]


def test_outputs_that_somebody_took_away_are_no_error() -> None:
    bench = Bench()
    bench.put(out("a\n"), show("x", "d"), out("b"))
    with bench.doc.transaction(origin=SERVER_ORIGIN):
        del roots(bench.doc).outputs[A]
    bench.put(out("c"), show("y", "d", True))
    assert bench.texts() == ["c"]


def test_a_restart_goes_on_with_a_progress_bar() -> None:
    bench = Bench()
    bench.put(out("start\n"), err("\r 10%|█         |\r"))
    again = bench.reloaded()
    again.put(err(" 50%|█████     |\r"))
    again.put(err("100%|██████████|\n"))
    assert again.texts() == ["start\n", "100%|██████████|\n"]
    assert len(again.updates[-1]) < 120


def test_a_restart_knows_displays() -> None:
    bench = Bench()
    bench.put(show("1", "d"))
    bench.put(show("1", "d"), cell=B)
    again = bench.reloaded()
    again.put(show("2", "d", True), cell=CellId("c"))
    assert again.texts(A) == again.texts(B) == ["2"]


@pytest.mark.parametrize("more", ["", "more\n", "y" * 500_000])
def test_a_restart_amid_a_flood_says_what_was_lost(more: str) -> None:
    bench = Bench()
    lines = [f"line {at}\n" for at in range(60_000)]
    bench.put(*map(out, lines))
    again = bench.reloaded()
    if more:
        again.put(out(more))
    assert is_excerpt(again.texts()[0], "".join(lines) + more)
    again.end()
    [entry] = again.outputs()
    blob = again.blobs[json.loads(entry["blobs"])["text/plain"]["sha256"]].decode()
    assert blob.startswith("line 0\n")
    assert "bytes were lost" in blob
    assert blob.endswith("line 59999\n" + more)


def test_adopting_amid_a_run_changes_nothing() -> None:
    bench = Bench()
    lines = [f"line {at}\n" for at in range(60_000)]
    bench.put(*map(out, lines[:50_000]))
    bench.writer.receive(A, out("".join(lines[50_000:])))
    bench.writer.adopt()
    bench.end()
    [entry] = bench.outputs()
    assert bench.blobs[json.loads(entry["blobs"])["text/plain"]["sha256"]] == "".join(lines).encode()


def test_an_imported_text_is_put_right_before_it_goes_on() -> None:
    bench = Bench()
    with bench.doc.transaction(origin=SERVER_ORIGIN):
        entry = {"output_type": "stream", "name": "stdout", "text": Text("10%\r50%\x1b[2J")}
        roots(bench.doc).outputs[A] = Array([Map(entry)])
    bench.put(out("!"))
    assert bench.texts() == ["50%!"]


EVENTS = st.one_of(
    st.builds(
        Stream, st.sampled_from(["stdout", "stderr"]), st.sampled_from(["a\n", "日", "\r", "b\rc", "x" * 90_000])
    ),
    st.builds(Clear, st.booleans()),
    st.builds(
        Display,
        st.dictionaries(st.sampled_from(["text/plain", "image/png"]), st.sampled_from(["v", "w" * 70_000]), max_size=2),
        st.just("{}"),
        st.sampled_from(["", "d", "e"]),
        st.booleans(),
    ),
)
STEPS = st.lists(
    st.tuples(st.sampled_from([A, B]), EVENTS | st.sampled_from(["begin", "stale", "end", "clear"]), st.booleans()),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_windows_and_copies_change_nothing(steps: list[tuple[CellId, Any, bool]]) -> None:
    """Whether everything is written at once or step by step, and what others get by updates, is the same."""
    one, many = Bench(), Bench()
    for cell, step, flush in steps:
        for bench in (one, many):
            match step:
                case "begin":
                    bench.writer.begin(cell)
                case "stale":
                    bench.writer.clear_stale(cell)
                case "end":
                    bench.writer.end(cell)
                case "clear":
                    bench.writer.clear([cell])
                case _:
                    bench.writer.receive(cell, step)
        if flush:
            many.write()
    one.write()
    many.write()
    copy: NotebookDoc = Doc()
    roots(copy)
    for update in many.updates:
        copy.apply_update(update)
    for cell in (A, B):
        assert one.texts(cell) == many.texts(cell)
        assert [entry | {"text": ""} for entry in one.outputs(cell)] == [e | {"text": ""} for e in many.outputs(cell)]
    assert roots(copy).outputs.to_py() == roots(many.doc).outputs.to_py()
