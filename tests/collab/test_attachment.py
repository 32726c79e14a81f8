"""A stock Jupyter server as the runtime of one notebook, through the commands that the page sends."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from collab.jupyter_server import Address
from tests.collab.serving import TOKEN, Served, made, serving
from tests.support.stock import stock_server
from tests.support.watcher import Watcher


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    with stock_server(tmp_path_factory.mktemp("stock")) as address:
        yield address


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("server")) as served:
        yield served


def test_a_stock_server_runs_a_notebook_until_it_is_detached(stock: Address, server: Served) -> None:
    sources = (
        "x = 6 * 7\nprint(x)",
        "name = input('who? ')\nprint('hello', name)",
        "print('up', flush=True)\nimport time\ntime.sleep(60)",
        "print('x' in globals())",
        "import os; os._exit(3)",
    )
    with opened(server, *sources) as (client, id, tab):
        printed_address = f"{stock.url}/lab?token={stock.token}"  # as Jupyter itself prints it
        assert command(client, id, type="attach_runtime", url=printed_address, token="") == (202, "")
        tab.until(lambda: tab.runtime.get("attached") == stock.url and tab.runtime["status"] == "idle")
        tab.command("run_cells", cells=["a", "b"])
        tab.until(lambda: (mark := tab.mark("b")) is not None and bool(mark.prompt))
        tab.command("answer_input", cell="b", value="Ada")
        tab.ended("a", "b")
        assert (tab.text("a"), tab.text("b")) == ("42\n", "who? Ada\nhello Ada\n")
        assert list(kernels(stock)) == [tab.runtime["session"].partition(":")[0]]

        tab.command("run_cells", cells=["c"])
        tab.until(lambda: tab.text("c") == "up\n")
        tab.command("interrupt")
        tab.ended("c")
        mark = tab.mark("c")
        assert mark is not None
        assert mark.status.startswith("interrupted by ")

        before = tab.runtime["session"]
        tab.command("restart")
        tab.until(lambda: tab.runtime["status"] == "idle" and tab.runtime["session"] not in ("", before))
        tab.command("run_cells", cells=["d"])
        tab.ended("d")
        assert tab.text("d") == "False\n"

        # The server starts a kernel that died again by itself; what waits runs in the new process.
        before = tab.runtime["session"]
        tab.command("run_cells", cells=["e"])
        tab.command("run_cells", cells=["d"])
        tab.ended("e")
        tab.until(lambda: tab.runtime["session"] not in ("", before) and tab.runtime["status"] == "idle")
        tab.ended("d")
        marks = tab.mark("e"), tab.mark("d")
        assert [(mark.state, mark.status) for mark in marks if mark] == [
            ("failed", "The kernel was restarted meanwhile."),
            ("finished", "ok"),
        ]

        # What our own gateway knows is not known there, and nothing of it is an error.
        runtime = client.get(f"/api/notebooks/{id}/runtime").json()
        assert (runtime["attached"], runtime["may_attach"], runtime["gpus"]) == (stock.url, True, None)
        assert "python3" in [kernel["name"] for kernel in runtime["kernels"]]
        assert client.get(f"/api/notebooks/{id}/runtime/usage").json() == {"samples": [], "limits": None, "gpus": []}
        status, sentence = command(client, id, type="reset_runtime", folder=True)
        assert (status, sentence.endswith("cannot empty a working folder; restart the runtime.")) == (409, True)
        assert command(client, id, type="reset_runtime") == (202, "")
        tab.until(lambda: tab.runtime["status"] == "idle")

        # The token is in the database, and in nothing that anybody is told.
        assert stock.token not in json.dumps(tab.events)
        assert stock.token not in client.get(f"/api/notebooks/{id}/export").text
        assert stock.token not in client.get(f"/api/notebooks/{id}").text
        assert not server.query("SELECT 1 FROM updates WHERE instr(data, ?)", stock.token.encode())
        assert len(server.query("SELECT 1 FROM remembered WHERE instr(value, ?)", stock.token)) == 1

        assert command(client, id, type="detach_runtime") == (202, "")
        tab.until(lambda: tab.runtime["attached"] == "" and not kernels(stock))
        assert not server.query("SELECT 1 FROM remembered WHERE instr(value, ?)", stock.token)
        assert command(client, id, type="detach_runtime") == (409, "No Jupyter server is attached.")
        tab.command("run_cells", cells=["d"])
        tab.until(lambda: tab.runtime["status"] == "busy")
        tab.ended("d")
        assert not kernels(stock)
        said = [event["text"] for event in tab.events if event["type"] == "notice"]
        assert f"attached the Jupyter server at {stock.url}." in "".join(said)
        assert f"detached the Jupyter server at {stock.url}." in "".join(said)
    assert stock.token not in (server.data / "gateway.log").read_text()


def test_an_attached_server_is_found_again_and_so_are_variables_on_it(stock: Address, tmp_path: Path) -> None:
    with serving(tmp_path) as server, opened(server, "x = 6 * 7\nprint('set')", "print(x)") as (client, id, tab):
        assert command(client, id, type="attach_runtime", url=stock.url, token=stock.token) == (202, "")
        tab.command("run_cells", cells=["a"])
        tab.ended("a")
    with serving(tmp_path) as again, again.script() as client, Watcher(again.url, TOKEN, id) as tab:
        tab.command("run_cells", cells=["b"])
        tab.ended("b")
        assert (tab.text("b"), tab.runtime["attached"]) == ("42\n", stock.url)
        assert command(client, id, type="detach_runtime") == (202, "")
        tab.until(lambda: not kernels(stock))


def test_a_server_that_cannot_be_attached_is_one_sentence_and_changes_nothing(stock: Address, server: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    with opened(server, "print(1)") as (client, id, tab):
        tab.command("run_cells", cells=["a"])
        tab.ended("a")
        session = tab.runtime["session"]
        wrong = f"The Jupyter server at {stock.url} does not take this token; find the right one in its own output."
        for url, token, sentence in (
            (stock.url, "wrong", wrong),
            (stock.url, "", wrong),
            (
                closed,
                "x",
                f"The Jupyter server at {closed} does not answer; see that it runs and can be reached from here.",
            ),
            (server.url, TOKEN, f"The Jupyter server at {server.url} has no kernels to offer; check its address."),
            ("localhost:8888", "x", "The address of a Jupyter server is like http://localhost:8888."),
            (
                "http://u:p@localhost",
                "x",
                "The address holds a name or a password; leave them out and give the token by itself.",
            ),
            ("http://169.254.169.254", "x", "http://169.254.169.254 is an address that no Jupyter server is at."),
        ):
            assert command(client, id, type="attach_runtime", url=url, token=token) == (409, sentence)
        tab.command("attach_runtime", url=stock.url, token="wrong")
        tab.until(lambda: any(event["type"] == "refused" and event["reason"] == wrong for event in tab.events))
        assert (tab.runtime["session"], tab.runtime["attached"]) == (session, "")


def kernels(at: Address) -> dict[str, Any]:
    answer = httpx.get(f"{at.url}/api/kernels", headers={"Authorization": f"token {at.token}"}, trust_env=False)
    return {kernel["id"]: kernel for kernel in answer.json()}


@contextmanager
def opened(server: Served, *sources: str) -> Iterator[tuple[httpx.Client, str, Watcher]]:
    """A notebook with cells a, b, c, ..."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": id, "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for id, source in zip("abcdefgh", sources, strict=False)
    ]
    with server.script() as client:
        id = made(client, notebook={"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        with Watcher(server.url, TOKEN, id) as tab:
            yield client, id, tab


def command(client: httpx.Client, id: str, **value: object) -> tuple[int, str]:
    """The status, and the sentence of a refusal."""
    answer = client.post(f"/api/notebooks/{id}/commands", json=value, timeout=60)
    return answer.status_code, answer.json().get("error", "")
