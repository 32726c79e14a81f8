"""Real kernels behind a real server: what people see of their cells, over the socket and the HTTP API."""

import base64
import json
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.collab.serving import TOKEN, Served, link, made, serving
from tests.support.watcher import Watcher

log = logging.getLogger(__name__)

SECRET = "correct horse battery staple"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("kernels")) as served:
        yield served


@contextmanager
def opened(server: Served, *sources: str) -> Iterator[tuple[httpx.Client, str, Watcher]]:
    """A notebook with cells a, b, c, ...; its kernel is ended."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": id, "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for id, source in zip("abcdefgh", sources, strict=False)
    ]
    with server.script() as client:
        id = made(client, notebook={"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        with Watcher(server.url, TOKEN, id) as tab:
            yield client, id, tab
            command(client, id, type="shut_down_runtime")


def command(client: httpx.Client, id: str, **value: object) -> None:
    answer = client.post(f"/api/notebooks/{id}/commands", json=value)
    assert answer.status_code == 202, answer.text


def exported(client: httpx.Client, id: str) -> list[list[dict[str, Any]]]:
    """The outputs of each cell."""
    answer = client.get(f"/api/notebooks/{id}/export", params={"format": "ipynb"})
    assert answer.status_code == 200, answer.text
    return [cell["outputs"] for cell in answer.json()["cells"]]


def blob(client: httpx.Client, id: str, output: dict[str, Any], mime: str) -> bytes:
    sha256 = json.loads(output["blobs"])[mime]["sha256"]
    answer = client.get(f"/api/notebooks/{id}/blobs/{sha256}")
    assert answer.status_code == 200
    return answer.content


TABLE = """
import pandas as pd
pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
"""
PLOT = """
import matplotlib.pyplot as plt, numpy as np
plt.imshow(np.random.default_rng(0).random((400, 400)))
plt.show()
"""
BARS = """
for i in range(101):
    print(f"\\r{i:3d}%|{'#' * (i // 10):10}|", end="", flush=True)
print()
"""
CLEAR = """
from IPython.display import clear_output
for i in range(30):
    clear_output(wait=True)
    print("step", i, flush=True)
"""


def test_tables_and_plots(server: Served) -> None:
    with opened(server, TABLE, PLOT) as (client, id, tab):
        command(client, id, type="run_cells", cells="all")
        tab.ended("a", "b", within_s=50)
        (shown,), (image,) = tab.outputs("a"), tab.outputs("b")
        assert shown["output_type"] == "execute_result"
        assert "<table" in shown["data"]["text/html"]
        assert blob(client, id, image, "image/png").startswith(b"\x89PNG")
        (result,), (picture,) = exported(client, id)
        assert result["execution_count"] == 1
        assert base64.b64decode(picture["data"]["image/png"]).startswith(b"\x89PNG")


def test_what_a_terminal_shows(server: Served) -> None:
    handle = "h = display('first', display_id='shared')"
    update = "h.update('second')\nprint('updated')"
    colour = "print('\\x1b[31mred\\x1b[0m')\nprint('abc\\b\\bX')\n1 / 0"
    with opened(server, BARS, CLEAR, handle, update, colour) as (client, id, tab):
        command(client, id, type="run_cells", cells="all")
        tab.ended("a", "b", "c", "d", "e")
        assert [tab.text(cell) for cell in "ab"] == ["100%|##########|\n", "step 29\n"]
        assert tab.outputs("c")[0]["data"]["text/plain"] == "'second'"
        assert tab.outputs("d")[0]["text"] == "updated\n"
        printed, error = tab.outputs("e")
        assert printed["text"] == "\x1b[31mred\x1b[0m\naXc\n"
        assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
        assert "\x1b[" in "".join(json.loads(error["traceback"]))


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_a_million_lines_leave_the_server_responsive_and_are_all_there(server: Served) -> None:
    with opened(server, "for i in range(1_000_000):\n    print(i)") as (client, id, tab):
        command(client, id, type="run_cells", cells=["a"])
        slowest = 0.0

        def asked() -> bool:
            nonlocal slowest
            began = time.monotonic()
            assert client.get("/healthz").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
            mark = tab.mark("a")
            return mark is not None and mark.state == "finished"

        began = time.monotonic()
        tab.until(asked, 60)
        log.info("a million lines in %.1f s; /healthz in at most %.3f s", time.monotonic() - began, slowest)
        assert slowest < 1.0
        (stream,) = tab.outputs("a")
        assert len(stream["text"].encode()) < 300_000
        assert blob(client, id, stream, "text/plain") == "".join(f"{i}\n" for i in range(1_000_000)).encode()


def test_lines_that_are_flushed_one_by_one_are_all_there(server: Served) -> None:
    with opened(server, "for i in range(5_000):\n    print(i, flush=True)") as (client, id, tab):
        command(client, id, type="run_cells", cells=["a"])
        tab.ended("a")
        assert tab.text("a") == "".join(f"{i}\n" for i in range(5_000))


def test_nothing_printed_is_lost_while_the_gateway_does_not_get_to_read(server: Served) -> None:
    done = "import pathlib; pathlib.Path('done').touch()"
    with opened(server, f"for i in range(4_000):\n    print(i, flush=True)\n{done}") as (client, id, tab):
        command(client, id, type="start_runtime")
        tab.until(lambda: tab.runtime.get("status") == "idle")
        gateway = json.loads((server.data / "gateway.json").read_text())["pid"]
        command(client, id, type="run_cells", cells=["a"])
        tab.until(lambda: "99\n" in tab.text("a"))
        os.kill(gateway, signal.SIGSTOP)
        try:
            wait_for_file(server.data / "files" / id / "done")
        finally:
            os.kill(gateway, signal.SIGCONT)
        tab.ended("a")
        assert tab.text("a") == "".join(f"{i}\n" for i in range(4_000))


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # what a kernel writes while its gateway stands still tells nobody


def test_any_runner_answers_and_a_password_is_seen_by_nobody(server: Served) -> None:
    ask = "import getpass\nname = input('name? ')\nword = getpass.getpass('word? ')\nprint(name, len(word))"
    with opened(server, ask) as (client, id, tab), server.script(link(client, id, "runner")) as runner:
        command(runner, id, type="run_cells", cells=["a"])
        tab.until(lambda: (mark := tab.mark("a")) is not None and "name? " in mark.prompt)
        command(runner, id, type="answer_input", cell="a", value="Ada")
        tab.until(lambda: (mark := tab.mark("a")) is not None and "word? " in mark.prompt)
        tab.command("answer_input", cell="a", value=SECRET)
        tab.ended("a")
        assert tab.text("a") == f"name? Ada\nword? ········\nAda {len(SECRET)}\n"
        late = client.post(f"/api/notebooks/{id}/commands", json={"type": "answer_input", "cell": "a", "value": "x"})
        assert late.status_code == 409
        assert SECRET not in json.dumps([tab.events, exported(client, id)])
        files = [file for file in server.data.rglob("*") if file.is_file()]
        assert all(SECRET.encode() not in file.read_bytes() for file in files)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("import os; os._exit(3)", "The kernel was ended by its own code (exit 3)."),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "The kernel was killed from outside (signal 9)"),
    ],
)
def test_the_death_of_the_kernel_is_told_and_the_next_run_works(server: Served, end: str, reason: str) -> None:
    with opened(server, f"print('up')\nimport time; time.sleep(0.5)\n{end}", "print('next')") as (client, id, tab):
        command(client, id, type="run_cells", cells="all")
        tab.ended("a", "b")
        tab.until(lambda: tab.runtime.get("status") == "dead")
        dead, waited = tab.mark("a"), tab.mark("b")
        assert dead is not None
        assert waited is not None
        assert (dead.state, waited.state, tab.text("a")) == ("failed", "cancelled", "up\n")
        assert dead.status.startswith(reason)
        assert tab.runtime["reason"] == waited.status == dead.status
        command(client, id, type="run_cells", cells=["b"])
        tab.until(lambda: (mark := tab.mark("b")) is not None and mark.state == "finished")


def test_interrupts_and_completions_while_a_cell_runs(server: Served) -> None:
    sleep, spin = "print('up')\nimport time; time.sleep(60)", "print('up')\nwhile True: pass"
    with opened(server, sleep, spin) as (client, id, tab):
        for cell in "ab":
            command(client, id, type="run_cells", cells=[cell])
            tab.until(lambda: tab.text(cell) == "up\n")  # noqa: B023
            tab.command("complete", request=7, code="prin", cursor=4)
            tab.until(lambda: tab.events[-1]["type"] == "completions")
            assert "print" in tab.events[-1]["matches"]
            command(client, id, type="interrupt")
            tab.ended(cell)
            mark = tab.mark(cell)
            assert mark is not None
            assert mark.status.startswith("interrupted by ")
            assert tab.outputs(cell)[-1]["ename"] == "KeyboardInterrupt"


def test_restart_and_run_all_is_a_fresh_process(server: Served) -> None:
    with opened(
        server,
        "import sys; print(getattr(sys, 'mark', 'fresh')); sys.mark = 'used'",
        "try:\n    seen += 1\nexcept NameError:\n    seen = 1\nseen",
    ) as (
        client,
        id,
        tab,
    ):
        command(client, id, type="run_cells", cells="all")
        tab.ended("a", "b")
        session = tab.runtime["session"]
        command(client, id, type="restart", run_all=True, clear_outputs=True)
        tab.until(lambda: tab.runtime["session"] not in ("", session) and tab.runtime["status"] == "idle")
        tab.ended("a", "b")
        assert tab.text("a") == "fresh\n"
        (seen,) = tab.outputs("b")
        mark = tab.mark("b")
        assert mark is not None
        assert (seen["data"]["text/plain"], seen["count"], mark.session) == ("1", 2, tab.runtime["session"])


def test_the_trash_ends_the_kernel(server: Served) -> None:
    with opened(server, "print('up')\nimport time; time.sleep(60)") as (client, id, tab):
        command(client, id, type="run_cells", cells="all")
        tab.until(lambda: tab.text("a") == "up\n")
        kernel = tab.runtime["session"].partition(":")[0]
        assert kernel in kernels_of(server)
        assert client.patch(f"/api/notebooks/{id}", json={"trashed": True}).status_code == 200
        assert kernel not in kernels_of(server)
        assert client.patch(f"/api/notebooks/{id}", json={"trashed": False}).status_code == 200
        with Watcher(server.url, TOKEN, id) as again:
            mark = again.mark("a")
            assert mark is not None
            assert (mark.state, mark.status) == ("failed", "The runtime was shut down by Owner")


def kernels_of(server: Served) -> list[str]:
    gateway = json.loads((server.data / "gateway.json").read_text())
    headers = {"Authorization": f"token {gateway['token']}"}
    return [kernel["id"] for kernel in httpx.get(f"{gateway['url']}/api/kernels", headers=headers).json()]


def test_an_interrupt_right_after_run_is_not_lost(server: Served) -> None:
    with opened(server, "import time; time.sleep(60)") as (client, id, tab):
        command(client, id, type="start_runtime")
        tab.until(lambda: tab.runtime.get("status") == "idle")
        for _ in range(3):
            command(client, id, type="run_cells", cells=["a"])
            command(client, id, type="interrupt")
            tab.ended("a")
            mark = tab.mark("a")
            assert mark is not None
            assert mark.status.startswith("interrupted by ")
