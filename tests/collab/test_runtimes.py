"""A notebook on our own gateway, beyond Jupyter's contract: meters, resets, choices, and what was executed."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from tests.collab.serving import TOKEN, Served, link, made, serving
from tests.support.watcher import Watcher

SOURCES = (
    "open('kept.txt', 'a').write('x')\nkept = True",
    "import os\nprint([name for name in os.listdir() if name[0] != chr(46)], 'kept' in globals())",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with server.script() as client:
        yield client


def notebook_of(client: httpx.Client, *sources: str) -> str:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": id, "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for id, source in zip("abcdefgh", sources, strict=False)
    ]
    return made(client, notebook={"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def command(client: httpx.Client, id: str, **value: object) -> tuple[int, str]:
    answer = client.post(f"/api/notebooks/{id}/commands", json=value, timeout=60)
    return answer.status_code, answer.json().get("error", "")


def told(tab: Watcher, kind: str) -> list[dict[str, Any]]:
    return [event for event in tab.events if event["type"] == kind]


def was_told(tab: Watcher, words: str) -> bool:
    return any(words in event["text"] for event in told(tab, "notice"))


def is_fresh(tab: Watcher, before: str) -> bool:
    return tab.runtime["session"] not in ("", before)


def test_whoever_looks_sees_what_the_runtime_uses(server: Served, client: httpx.Client) -> None:
    id = notebook_of(client, "import time\nblock = bytearray(100 << 20)\ntime.sleep(60)")
    with Watcher(server.url, TOKEN, id) as tab:
        tab.command("run_cells", cells=["a"])
        tab.until(
            lambda: any(event["kernel"] and event["kernel"]["cell"] == "a" for event in told(tab, "runtime_usage"))
        )
        tab.until(lambda: (told(tab, "runtime_usage")[-1]["kernel"]["memory_bytes"] or 0) > 100 << 20)
        last = told(tab, "runtime_usage")[-1]
        assert last["kernel"]["processes"] >= 1
        assert last["machine"]["memory_total_bytes"] > last["machine"]["memory_bytes"] > 0
        assert set(last["limits"]) == {"memory_bytes", "cpus", "processes", "disk_bytes"}
        history = client.get(f"/api/notebooks/{id}/runtime/usage").json()
        assert history["limits"] == last["limits"]
        assert history["samples"][-1]["cell"] == "a"
        assert history["samples"][-1]["memory_bytes"] > 100 << 20
        tab.command("shut_down_runtime")
        tab.until(lambda: tab.runtime["status"] == "none")


def test_a_reset_gives_back_the_first_state_and_a_second_one_has_to_wait(server: Served, client: httpx.Client) -> None:
    id = notebook_of(client, *SOURCES)
    with Watcher(server.url, TOKEN, id) as tab:
        tab.command("run_cells", cells="all")
        tab.ended("a", "b")
        assert tab.text("b") == "['kept.txt'] True\n"
        session = tab.runtime["session"]

        assert command(client, id, type="reset_runtime", folder=True) == (202, "")
        tab.until(lambda: tab.runtime["status"] == "idle" and tab.runtime["session"] not in ("", session))
        tab.command("run_cells", cells=["b"])
        tab.until(lambda: tab.text("b") == "[] False\n")
        assert any("reset the runtime and its working folder." in event["text"] for event in told(tab, "notice"))

        session = tab.runtime["session"]
        status, sentence = 202, ""
        for _ in range(50):
            status, sentence = command(client, id, type="reset_runtime")
            if status != 202:
                break
        assert status == 409
        assert "reset" in sentence
        tab.command("run_cells", cells=["b"])  # what was refused has ended nothing
        tab.until(lambda: tab.text("b") == "[] False\n" and tab.runtime["status"] == "idle")
        tab.command("shut_down_runtime")
        tab.until(lambda: tab.runtime["status"] == "none")


def test_the_owner_resets_all_runtimes_and_everyone_is_told_by_whom(server: Served, client: httpx.Client) -> None:
    one, other = (
        notebook_of(client, "print('up')\nimport time; time.sleep(60)"),
        notebook_of(client, "x = 1", "print(x)"),
    )
    token = link(client, one, "editor")
    with Watcher(server.url, TOKEN, one) as first, Watcher(server.url, TOKEN, other) as second:
        first.command("run_cells", cells=["a"])
        second.command("run_cells", cells=["a"])
        second.ended("a")
        first.until(lambda: first.text("a") == "up\n")
        with server.script(token) as guest:
            status, sentence = command(guest, one, type="reset_all_runtimes")
            assert (status, sentence) == (403, "Resetting all runtimes needs the role owner; yours is editor.")
        sessions = first.runtime["session"], second.runtime["session"]
        assert command(client, one, type="reset_all_runtimes") == (202, "")
        for tab, before in zip((first, second), sessions, strict=True):
            tab.until(partial(is_fresh, tab, before))
            tab.until(partial(was_told, tab, "reset all runtimes."))
        mark = first.mark("a")
        assert mark is not None
        assert (mark.state, mark.status.startswith("The runtime was reset by ")) == ("failed", True)
        second.until(lambda: second.runtime["status"] == "idle")
        second.command("run_cells", cells=["b"])
        second.ended("b")
        assert any(output.get("ename") == "NameError" for output in second.outputs("b"))
        for tab in (first, second):
            tab.command("shut_down_runtime")


def test_another_kernel_is_chosen_and_runs_from_then_on(server: Served, client: httpx.Client) -> None:
    id = notebook_of(client, "print(1)")
    kernels = client.get(f"/api/notebooks/{id}/runtime").json()["kernels"]
    assert kernels[0]["name"] == "python3"
    with Watcher(server.url, TOKEN, id) as tab:
        tab.command("run_cells", cells=["a"])
        tab.ended("a")
        session = tab.runtime["session"]
        wish = {"kernel": "python3", "gpus": "0", "memory": "2GiB", "cpus": "1"}
        status, sentence = command(client, id, type="choose_runtime", **wish | {"kernel": "nonesuch"})
        assert (status, sentence.startswith("There is no kernel 'nonesuch'; there are python3")) == (409, True)
        assert command(client, id, type="choose_runtime", **wish, restart=True) == (202, "")
        tab.until(lambda: tab.runtime["status"] == "idle" and tab.runtime["session"] not in ("", session))
        chosen = client.get(f"/api/notebooks/{id}/runtime").json()["chosen"]
        assert chosen == wish | {"gpu_memory": "", "venv": False}
        limits = client.get(f"/api/notebooks/{id}/runtime/usage").json()["limits"]
        assert (limits["memory_bytes"], limits["cpus"]) == (2 << 30, 1)
        assert client.get(f"/api/notebooks/{id}/export").json()["metadata"]["collab"] == {
            "runtime": {"gpus": "0", "memory": "2GiB", "cpus": "1"}
        }
        tab.command("shut_down_runtime")


def test_what_was_executed_is_remembered_for_all_who_may_read(server: Served, client: httpx.Client) -> None:
    id = notebook_of(client, "1 + 1", "raise ValueError('no')", "'long' # " + "x" * 30_000)
    with Watcher(server.url, TOKEN, id) as tab:
        for cell in "abc":
            tab.command("run_cells", cells=[cell])
            tab.ended(cell)
        with server.script(link(client, id, "viewer")) as viewer:
            seen: list[dict[str, Any]] = []
            while len(seen) < 3 or seen[0]["state"] == "running":  # it is written behind the runs
                seen = viewer.get(f"/api/notebooks/{id}/runs").json()["runs"]
            page = viewer.get(f"/api/notebooks/{id}/runs", params={"before": seen[0]["id"], "limit": 1}).json()
            for bad in ({"limit": "0"}, {"limit": "201"}, {"before": "x"}, {"before": "-1"}):
                assert viewer.get(f"/api/notebooks/{id}/runs", params=bad).status_code == 400
        assert (page["runs"], page["more"]) == ([seen[1]], True)
        assert [(run["cell"], run["state"], run["status"], run["count"]) for run in seen] == [
            ("c", "finished", "ok", 3),
            ("b", "failed", "error", 2),
            ("a", "finished", "ok", 1),
        ]
        assert [(run["source"][:6], len(run["source"]), run["shortened"]) for run in seen] == [
            ("'long'", 20_000, True),
            ("raise ", 22, False),
            ("1 + 1", 5, False),
        ]
        assert {(run["user_id"], run["kernel"]) for run in seen} == {("owner", "Python 3 (ipykernel)")}
        assert all(run["requested"] <= run["started"] <= run["finished"] for run in seen)
        tab.command("shut_down_runtime")
