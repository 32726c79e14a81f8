"""kill -9 of the document server while cells run: every line is there exactly once, and every mark is right."""

import hashlib
import json
import random
import re
from pathlib import Path

import pytest

from tests.faults.server import MortalServer, mortal_server

pytestmark = pytest.mark.slow

SEEDS = [1, 2]
COUNT = "import time\nfor i in range({lines}):\n    print('{name}', i, flush=True)\n    time.sleep({pause})"

FLOOD = """
import time
for i in range(120_000):
    print("line", i)
    if i % 20_000 == 19_999:
        time.sleep(0.5)
"""


def counted(name: str, lines: int) -> str:
    return "".join(f"{name} {i}\n" for i in range(lines))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_line_is_there_once_after_several_kills(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    sources = [COUNT.format(name=name, lines=200, pause=0.008) for name in "ab"]
    with mortal_server(tmp_path) as server:
        id = server.notebook(*sources, "print('last')")
        server.command(id, type="run_cells", cells="all")
        for _ in range(3):
            kill_after(server, id, rng.randrange(1, 60))
        with server.watch(id) as tab:
            tab.ended("a", "b", "c")
            assert [tab.text(cell) for cell in "abc"] == [counted("a", 200), counted("b", 200), "last\n"]
            for count, cell in enumerate("abc", 1):
                mark = tab.mark(cell)
                assert mark is not None
                assert (mark.state, mark.status, mark.count, mark.user) == ("finished", "ok", count, "Owner")
                source = [*sources, "print('last')"][count - 1]
                assert mark.source_sha256 == hashlib.sha256(source.encode()).hexdigest()
                assert mark.session == tab.runtime["session"]
        exported = server.exported(id)
        assert ["".join(cell["outputs"][0]["text"]) for cell in exported][:2] == [counted("a", 200), counted("b", 200)]
        assert [cell["execution_count"] for cell in exported] == [1, 2, 3]


def kill_after(server: MortalServer, id: str, changes: int) -> None:
    """Kills after so many more changes of the outputs, and starts the next; nobody has the notebook open then."""
    with server.watch(id) as tab:

        def lines() -> int:
            return len((tab.text("a") + tab.text("b")).splitlines())

        wanted = lines() + changes
        tab.until(lambda: lines() >= min(wanted, 400))
        server.kill()
    server.start()


def test_a_server_that_is_stopped_for_an_update_loses_and_doubles_nothing_either(tmp_path: Path) -> None:
    with mortal_server(tmp_path) as server:
        id = server.notebook(COUNT.format(name="a", lines=200, pause=0.008))
        server.command(id, type="run_cells", cells="all")
        for _ in range(2):
            with server.watch(id) as tab:
                before = tab.text("a")
                tab.until(lambda: len(tab.text("a")) > len(before))  # noqa: B023
                server.stop()
            server.start()
        with server.watch(id) as tab:
            tab.ended("a")
            mark = tab.mark("a")
            assert mark is not None
            assert (tab.text("a"), mark.status) == (counted("a", 200), "ok")


def test_a_flood_is_whole_after_kills_in_its_middle(tmp_path: Path) -> None:
    """What is left out of the document is only in the server's memory until the run is over."""
    with mortal_server(tmp_path) as server:
        id = server.notebook(FLOOD)
        server.command(id, type="run_cells", cells="all")
        for reached in (39_999, 79_999):
            with server.watch(id) as tab:
                tab.until(lambda: last_line(tab.text("a")) >= reached)  # noqa: B023
                assert "left out" in tab.text("a")
                server.kill()
            server.start()
        with server.watch(id) as tab:
            tab.ended("a")
            (stream,) = tab.outputs("a")
            whole = server.blob(id, json.loads(stream["blobs"])["text/plain"]["sha256"])
            assert whole.decode().splitlines() == [f"line {i}" for i in range(120_000)]


def last_line(text: str) -> int:
    numbers = re.findall(r"^line (\d+)$", text, re.MULTILINE)
    return int(numbers[-1]) if numbers else -1


def test_a_run_that_was_accepted_and_had_not_begun_runs(tmp_path: Path) -> None:
    """Killed while the kernel is being started."""
    with mortal_server(tmp_path) as server:
        for _ in range(3):
            id = server.notebook("print('one')", "print('two')")
            server.command(id, type="run_cells", cells="all")
            server.kill()
            server.start()
            with server.watch(id) as tab:
                tab.ended("a", "b")
                assert (tab.text("a"), tab.text("b")) == ("one\n", "two\n")
