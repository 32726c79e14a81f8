"""kill -9 of the kernel gateway during a run: people are told, what was printed stays, and the next run works."""

from pathlib import Path

import pytest

from tests.faults.server import mortal_server

pytestmark = pytest.mark.slow


def test_people_are_told_and_the_next_run_works(tmp_path: Path) -> None:
    with mortal_server(tmp_path) as server:
        id = server.notebook("print('up', flush=True)\nimport time; time.sleep(60)", "print('next')")
        server.command(id, type="run_cells", cells="all")
        with server.watch(id) as tab:
            tab.until(lambda: tab.text("a") == "up\n")
            server.kill_gateway()
            tab.ended("a", "b")
            tab.until(lambda: tab.runtime.get("status") == "dead")
            dead, waited = tab.mark("a"), tab.mark("b")
            assert dead is not None
            assert waited is not None
            assert (dead.state, waited.state, tab.text("a")) == ("failed", "cancelled", "up\n")
            assert tab.runtime["reason"] == dead.status == waited.status
            assert dead.status.startswith("The kernel is gone")
            server.command(id, type="run_cells", cells=["b"])
            tab.until(lambda: (mark := tab.mark("b")) is not None and mark.state == "finished")
            assert tab.text("b") == "next\n"
