"""kill -9 of the kernel gateway during a run, alone and together with the document server: the kernel's host lives on,
and nothing of the run is lost or doubled in the document (kernels.md X10)."""

from pathlib import Path

import pytest

from tests.faults.server import MortalServer, mortal_server
from tests.support.watcher import Watcher

pytestmark = pytest.mark.slow

LINES = 1_000
# Slow enough that the gateway dies in the middle and is back before the end.
PRINTS = f"import time\nfor number in range({LINES}):\n    print(number, flush=True)\n    time.sleep(0.003)"
ALL = "".join(f"{number}\n" for number in range(LINES))


def finished(tab: Watcher, cell: str) -> bool:
    mark = tab.mark(cell)
    return mark is not None and mark.state == "finished" and mark.status == "ok"


def run_and_reach_the_middle(server: MortalServer, tab: Watcher, id: str) -> None:
    server.command(id, type="run_cells", cells="all")
    tab.until(lambda: tab.text("a").count("\n") > 100)


def test_every_line_of_a_run_is_in_the_document_once(tmp_path: Path) -> None:
    with mortal_server(tmp_path) as server:
        id = server.notebook(PRINTS, "print(number)")
        with server.watch(id) as tab:
            run_and_reach_the_middle(server, tab, id)
            session = tab.runtime["session"]
            server.kill_gateway()
            tab.until(lambda: finished(tab, "a") and finished(tab, "b"))
            assert (tab.text("a"), tab.text("b")) == (ALL, f"{LINES - 1}\n")
            assert tab.runtime["session"] == session


def test_and_so_it_is_when_the_document_server_is_killed_with_it(tmp_path: Path) -> None:
    with mortal_server(tmp_path) as server:
        id = server.notebook(PRINTS, "print(number)")
        with server.watch(id) as tab:
            run_and_reach_the_middle(server, tab, id)
            session = tab.runtime["session"]
            server.kill_gateway()
            server.kill()
        server.start()
        with server.watch(id) as tab:
            tab.until(lambda: finished(tab, "a") and finished(tab, "b"))
            assert (tab.text("a"), tab.text("b")) == (ALL, f"{LINES - 1}\n")
            tab.until(lambda: tab.runtime.get("session") == session)


def test_a_question_is_still_open_and_an_interrupt_still_works_when_the_gateway_is_back(tmp_path: Path) -> None:
    with mortal_server(tmp_path) as server:
        id = server.notebook("print(input('who? '))", "print('up', flush=True)\nimport time; time.sleep(60)")
        server.command(id, type="run_cells", cells="all")
        with server.watch(id) as tab:
            tab.until(lambda: (mark := tab.mark("a")) is not None and bool(mark.prompt))
            server.kill_gateway()
            server.command(id, type="answer_input", cell="a", value="Ada")
            tab.until(lambda: finished(tab, "a") and tab.text("b") == "up\n")
            assert tab.text("a") == "who? Ada\nAda\n"
            server.kill_gateway()
            server.command(id, type="interrupt")
            tab.ended("b")
            mark = tab.mark("b")
            assert mark is not None
            assert (mark.state, mark.status.startswith("interrupted by ")) == ("failed", True)
