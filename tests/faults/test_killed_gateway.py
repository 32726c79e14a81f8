"""kill -9 of the kernel gateway during a run: the kernel does not notice, and nothing that it prints is lost."""

from pathlib import Path

import pytest

from tests.faults.server import mortal_server

pytestmark = pytest.mark.slow

PRINTING = """
import time
for number in range(1000):
    print(number, flush=True)
    time.sleep(0.002)
kept = 7
"""


def test_every_line_arrives_once_and_the_queue_goes_on(tmp_path: Path) -> None:
    with mortal_server(tmp_path) as server:
        id = server.notebook(PRINTING, "print('next', kept)")
        server.command(id, type="run_cells", cells="all")
        with server.watch(id) as tab:
            tab.until(lambda: "100\n" in tab.text("a"))
            server.kill_gateway()
            tab.ended("a", "b")
            tab.until(lambda: tab.text("b") == "next 7\n")
            assert tab.text("a") == "".join(f"{number}\n" for number in range(1000))
            marks = [tab.mark(cell) for cell in "ab"]
            assert [(mark.state, mark.status) for mark in marks if mark is not None] == [("finished", "ok")] * 2
