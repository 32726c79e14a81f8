"""Sessions of stock clients: over REST as jupyter_server has them, and in their file."""

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from kernelhost.session_handlers import folder_of
from kernelhost.sessions import MAX_SESSIONS, Session, Sessions, TooManySessions

from tests.kernels.client import GatewayProcess, Message

NOBODY = "00000000-0000-0000-0000-000000000000"


def create(gateway: GatewayProcess, **body: object) -> httpx.Response:
    return gateway.http.post("/api/sessions", json=body)


@pytest.fixture
def session(gateway: GatewayProcess) -> Iterator[Message]:
    answer = create(gateway, path="a/b.ipynb", type="notebook", name="b", kernel={"name": "python3"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"/api/sessions/{made['id']}"
    yield made
    assert gateway.http.delete(f"/api/sessions/{made['id']}").status_code in (204, 404, 410)


def test_a_session_has_a_kernel_and_ends_with_it(gateway: GatewayProcess, session: Message) -> None:
    kernel = session["kernel"]
    assert session == {
        "id": session["id"],
        "path": "a/b.ipynb",
        "name": "b",
        "type": "notebook",
        "kernel": kernel,
        "notebook": {"path": "a/b.ipynb", "name": "b"},
    }
    assert gateway.model(kernel["id"])["name"] == "python3"
    at = f"/api/sessions/{session['id']}"
    assert gateway.http.get(at).json()["id"] == session["id"]
    assert session["id"] in [item["id"] for item in gateway.http.get("/api/sessions").json()]
    # The same path is the same session, and nothing is started for it.
    again = create(gateway, path="a/b.ipynb", type="notebook")
    assert (again.status_code, again.json()["id"], again.json()["kernel"]["id"]) == (201, session["id"], kernel["id"])
    assert gateway.http.delete(at).status_code == 204
    assert gateway.http.get(f"/api/kernels/{kernel['id']}").status_code == 404
    assert [gateway.http.request(method, at).status_code for method in ("GET", "PATCH", "DELETE")] == [404, 404, 404]


def test_a_session_whose_kernel_went_first_is_gone(gateway: GatewayProcess, session: Message) -> None:
    at = f"/api/sessions/{session['id']}"
    gateway.delete(session["kernel"]["id"])
    assert gateway.http.get(at).status_code == 404
    assert gateway.http.delete(at).status_code == 410
    assert gateway.http.delete(at).status_code == 404
    assert session["id"] not in [item["id"] for item in gateway.http.get("/api/sessions").json()]


def test_a_session_can_be_moved_and_given_another_kernel(gateway: GatewayProcess, session: Message) -> None:
    at, first = f"/api/sessions/{session['id']}", session["kernel"]["id"]
    moved = gateway.http.patch(at, json={"path": "c.ipynb", "name": "c", "type": "console"}).json()
    assert (moved["path"], moved["name"], moved["type"], moved["kernel"]["id"]) == ("c.ipynb", "c", "console", first)
    assert "notebook" not in moved
    refused = gateway.http.patch(at, json={"kernel": {"id": NOBODY}})
    assert (refused.status_code, NOBODY in refused.json()["message"]) == (400, True)
    absent = gateway.http.patch(at, json={"kernel": {"name": "cobol"}})
    assert (absent.status_code, absent.json()["short_message"]) == (501, "cobol not found")
    assert gateway.http.get(at).json()["kernel"]["id"] == first
    renamed = gateway.http.patch(at, json={"kernel": {"name": "python3"}}).json()
    second = renamed["kernel"]["id"]
    assert second != first
    assert gateway.http.get(f"/api/kernels/{first}").status_code == 404
    third = gateway.start(name="python3")
    assert gateway.http.patch(at, json={"kernel": {"id": third}}).json()["kernel"]["id"] == third
    assert gateway.http.get(f"/api/kernels/{second}").status_code == 404
    assert gateway.http.patch(at, json={"kernel": {"name": None, "id": None}}).json()["kernel"]["id"] == third


def test_a_session_takes_a_kernel_that_runs_or_starts_one_under_its_id(gateway: GatewayProcess) -> None:
    id = "11111111-2222-4333-8444-555555555555"
    made = create(gateway, path="by-id", type="console", kernel={"id": id}).json()
    assert made["kernel"]["id"] == id
    other = create(gateway, path="by-the-same-id", type="console", kernel={"id": id, "name": "python3"}).json()
    assert (other["kernel"]["id"], other["id"] != made["id"]) == (id, True)
    assert gateway.http.delete(f"/api/sessions/{made['id']}").status_code == 204
    assert gateway.http.delete(f"/api/sessions/{other['id']}").status_code == 410


def test_two_requests_for_one_path_get_one_session(gateway: GatewayProcess) -> None:
    before = gateway.http.get("/api/status").json()["kernels"]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: create(gateway, path="at-once", type="notebook"), range(3)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert gateway.http.get("/api/status").json()["kernels"] == before + 1
    gateway.http.delete(f"/api/sessions/{answers[0].json()['id']}")


def test_the_oldest_clients_have_the_path_in_notebook(gateway: GatewayProcess) -> None:
    """And an id that they made up, and a name from before Python 3."""
    made = create(gateway, notebook={"path": "old.ipynb"}, kernel={"id": "made up", "name": "python"}).json()
    assert (made["path"], made["type"], made["kernel"]["name"]) == ("old.ipynb", "notebook", "python3")
    gateway.http.delete(f"/api/sessions/{made['id']}")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "path"),
        ({"path": "x"}, 400, "type"),
        ({"type": "notebook"}, 400, "path"),
        ({"path": 5, "type": "notebook"}, 400, "path"),
        ({"path": "x" * 5000, "type": "notebook"}, 400, "path"),
        ({"path": "x", "type": "notebook", "kernel": "python3"}, 400, "kernel"),
        ({"path": "../../x", "type": "notebook"}, 400, "path"),
        ({"path": "x", "type": "notebook", "kernel": {"name": "cobol"}}, 501, "python3"),
        ({"path": "x", "type": "notebook", "kernel": {"name": "exits"}}, 503, "No module named spam"),
        ({"path": "x" * (1 << 20), "type": "notebook"}, 413, "1 MB"),
    ],
)
def test_a_session_that_cannot_be_says_why(gateway: GatewayProcess, body: Message, status: int, words: str) -> None:
    before = gateway.http.get("/api/sessions").json()
    answer = create(gateway, **body)
    assert (answer.status_code, words in answer.json()["message"]) == (status, True), answer.text
    assert gateway.http.get("/api/sessions").json() == before


def test_a_sessions_folder_is_the_one_its_path_is_in_or_the_nearest_there_is(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    found = {path: folder_of(tmp_path, path) for path in ("x", "a/x", "/a/b/x", "a/b", "a/none/x", "none/x/y", "", "/")}
    assert found == {
        "x": ".", "a/x": "a", "/a/b/x": "a/b", "a/b": "a", "a/none/x": "a", "none/x/y": ".", "": ".", "/": ".",
    }  # fmt: skip


def test_sessions_outlive_the_gateway_with_their_kernels(tmp_path: Path) -> None:
    file = tmp_path / "sessions.json"
    kernels = {"k1", "k2"}
    sessions = Sessions(file, kernels.__contains__)
    first = sessions.add("one.ipynb", "one", "notebook", "k1")
    second = sessions.add("two", "", "console", "k2")
    assert file.stat().st_mode & 0o777 == 0o600
    kernels.remove("k1")
    assert Sessions(file, kernels.__contains__).all == [second]
    assert [item["id"] for item in json.loads(file.read_text())] == [second.id]
    assert first not in Sessions(file, lambda id: True).all


@pytest.mark.parametrize("text", ["", "no json", "{}", '[1, {"id": "x"}]', "[" * 100_000, "\x00\xff"])
def test_a_file_of_sessions_that_is_none_is_no_session(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sessions.json"
    file.write_text(text, encoding="latin-1")
    sessions = Sessions(file, lambda id: True)
    assert sessions.all == []
    made = sessions.add("x", "", "console", "k")
    assert Sessions(file, lambda id: True).all == [made]


def test_there_is_a_bound_of_sessions() -> None:
    sessions = Sessions(None, lambda id: True)
    for number in range(MAX_SESSIONS):
        sessions.put(Session(str(number), str(number), "", "console", "k"))
    with pytest.raises(TooManySessions):
        sessions.check_room()


def test_a_session_is_there_for_the_next_gateway(
    start_gateway: Callable[..., GatewayProcess], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("k")
    kept = ("--data", str(folder / "data"))
    first = start_gateway(*kept, folder=folder)
    made = create(first, path="x.ipynb", type="notebook", name="x").json()
    first.end(signal.SIGKILL)
    second = start_gateway(*kept, folder=folder)
    assert [item["id"] for item in second.http.get("/api/sessions").json()] == [made["id"]]
    again = create(second, path="x.ipynb", type="notebook").json()
    assert (again["id"], again["kernel"]["id"]) == (made["id"], made["kernel"]["id"])
    with second.channel(made["kernel"]["id"]) as channel:
        assert channel.run("1")["status"] == "ok"
    assert second.http.delete(f"/api/sessions/{made['id']}").status_code == 204
    assert second.end() == 0
