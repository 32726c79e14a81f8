"""Comm messages and widgets between pages and a real kernel with ipywidgets, through a real server (outputs.md 9)."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from collab import wire
from collab.wire import COMM, COMMAND, EVENT, comm_frame, varbytes
from tests.collab.serving import TOKEN, Served, closing, link, made, serving

WITHIN_S = 50.0

_numbers = count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("comms")) as server:
        yield server


class Page:
    """A hand-made client: everything it hears is kept, with what comm messages carry."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    def run(self, *cells: str) -> None:
        command = {"type": "run_cells", "cells": cells, "sources": {}}
        self.socket.send(bytes((COMMAND,)) + varbytes(json.dumps(command).encode()))

    def command(self, **command: object) -> None:
        self.socket.send(bytes((COMMAND,)) + varbytes(json.dumps(command).encode()))

    def comm(self, comm: str, *, buffers: tuple[bytes, ...] = (), cell: str = "c1", **data: object) -> str:
        id = f"m{next(_numbers)}"
        header = {"type": "comm_msg", "comm": comm, "id": id, "cell": cell, "data": data}
        self.socket.send(comm_frame(header, buffers))
        return id

    def update(self, comm: str, **state: object) -> str:
        return self.comm(comm, method="update", state=state, buffer_paths=[])

    def models(self, *ids: str) -> dict[str, Any]:
        request = next(_numbers)
        self.socket.send(comm_frame({"type": "models", "request": request, "models": ids}))
        return self.until(lambda m: m.get("type") == "models" and m["request"] == request)

    def value(self, comm: str, trait: str = "value") -> Any:
        """None while there is no such model."""
        return self.models(comm)["models"].get(comm, {"state": {}})["state"].get(trait)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that is wanted; those before it are kept too."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            message = self._next(deadline)
            if message is not None:
                self.heard.append(message)
                if wanted(message):
                    return message

    def until_value(self, comm: str, trait: str, wanted: Callable[[Any], bool]) -> Any:
        while not wanted(value := self.value(comm, trait)):
            self.until(lambda m: m.get("type") in ("update", "opened", "session"))
        return value

    def _next(self, deadline: float) -> dict[str, Any] | None:
        frame = self.socket.recv(timeout=max(0.1, deadline - time.monotonic()))
        assert isinstance(frame, bytes)
        reader = wire._Reader(frame)
        kind = reader.varuint()
        if kind == EVENT:
            return dict(json.loads(reader.varbytes())) | {"event": True}
        if kind != COMM:
            return None
        header = dict(json.loads(reader.varbytes()))
        return header | {"buffers": [reader.varbytes() for _ in range(reader.varuint())]}


@contextmanager
def page_of(served: Served, notebook: str, token: str = TOKEN) -> Iterator[Page]:
    with served.socket(f"/api/notebooks/{notebook}/socket", {"authorization": f"Bearer {token}"}) as socket:
        yield Page(socket)


def notebook(served: Served, *sources: str) -> str:
    cells: list[dict[str, Any]] = [
        {"id": f"c{n}", "cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for n, source in enumerate(sources, 1)
    ]
    with served.script() as client:
        return made(client, notebook={"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def exported(served: Served, id: str) -> dict[str, Any]:
    with served.script() as client:
        value: dict[str, Any] = client.get(f"/api/notebooks/{id}/export").json()
        return value


def shown(served: Served, id: str, cell: int = 1) -> str:
    """Of the cell: the model that its first widget-view shows."""
    for output in exported(served, id)["cells"][cell - 1]["outputs"]:
        view = output.get("data", {}).get("application/vnd.jupyter.widget-view+json")
        if view is not None:
            return str(view["model_id"])
    raise AssertionError("There is no view.")


def text_of(served: Served, id: str, cell: int = 1) -> str:
    outputs = exported(served, id)["cells"][cell - 1]["outputs"]
    return "".join("".join(output.get("text", "")) for output in outputs)


def run(served: Served, page: Page, id: str, cell: int = 1) -> None:
    page.run(f"c{cell}")
    page.until(lambda m: m.get("type") == "runtime_changed" and m["status"] == "busy")
    page.until(lambda m: m.get("type") == "runtime_changed" and m["status"] == "idle")


SLIDER = "import ipywidgets as w\ns = w.IntSlider(max=50)\ndisplay(s)"


def test_a_slider_moves_for_everyone_and_the_kernels_clamp_reaches_all(served: Served) -> None:
    id = notebook(served, SLIDER, "s.value")
    with page_of(served, id) as ada, page_of(served, id) as bo:
        run(served, ada, id)
        slider = shown(served, id)
        found = bo.models(slider)  # who joins late asks
        assert {model["name"] for model in found["models"].values()} == {
            "IntSliderModel",
            "LayoutModel",
            "SliderStyleModel",
        }
        assert found["models"][slider]["live"]
        message = ada.update(slider, value=999)
        own = ada.until(lambda m: m.get("type") == "update" and m["own"])
        assert (own["parent"], own["state"], own["echo"]) == (message, {"value": 999}, True)
        for page in (ada, bo):
            clamp = page.until(lambda m: m.get("type") == "update" and not m["echo"])
            assert (clamp["comm"], clamp["state"]) == (slider, {"value": 50})
        first = next(m for m in bo.heard if m.get("type") == "update")
        assert (first["state"], first["echo"], first["by"]["name"]) == ({"value": 999}, True, "Owner")
        bo.update(slider, value=7)
        ada.until(lambda m: m.get("type") == "update" and m["state"] == {"value": 7})
        run(served, ada, id, 2)
        (result,) = exported(served, id)["cells"][1]["outputs"]
        assert result["data"]["text/plain"] == ["7"]


def test_w3_a_slider_moves_for_others_while_the_kernel_is_busy(served: Served, tmp_path: Path) -> None:
    off = tmp_path / "off"
    wait = f"import time, os\nwhile not os.path.exists({str(off)!r}): time.sleep(0.02)"
    id = notebook(served, SLIDER, wait)
    with page_of(served, id) as ada, page_of(served, id) as bo:
        run(served, ada, id)
        slider = shown(served, id)
        bo.models(slider)
        ada.run("c2")
        ada.until(lambda m: m.get("type") == "runtime_changed" and m["status"] == "busy")
        for value in range(1, 31):
            id_ = ada.update(slider, value=value)
            ada.until(lambda m, id_=id_: m.get("type") == "idle" and m["parent"] == id_)  # type: ignore[misc]
        bo.until(lambda m: m.get("type") == "update" and m["state"] == {"value": 30})
        assert len([m for m in bo.heard if m.get("type") == "update"]) <= 31
        with served.script() as client:
            assert client.get(f"/api/notebooks/{id}").json()["runtime"]["status"] == "busy"
            client.post(f"/api/notebooks/{id}/commands", json={"type": "interrupt"})
        ada.until(lambda m: m.get("type") == "update" and m["own"])
        assert ada.value(slider) == 30


def test_w7_output_widgets_capture_on_the_server_and_python_knows_what(served: Served) -> None:
    source = (
        "import ipywidgets as w\nout = w.Output()\ndisplay(out)\n"
        "with out:\n print('one')\nprint('beside')\n"
        "with out:\n out.clear_output(wait=True)\n print('two')\n display({'text/plain': 'three'}, raw=True)\n"
    )
    id = notebook(served, source, "print(len(out.outputs))\nout.append_stdout('four')")
    with page_of(served, id) as ada:
        run(served, ada, id)
        out = shown(served, id)
        assert text_of(served, id) == "beside\n"
        two = {"output_type": "stream", "name": "stdout", "text": "two\n"}
        three = {"output_type": "display_data", "data": {"text/plain": "three"}, "metadata": {}}
        assert ada.value(out, "outputs") == [two, three]
        run(served, ada, id, 2)
        four = {"output_type": "stream", "name": "stdout", "text": "four"}
        ada.until_value(out, "outputs", lambda outputs: outputs == [two, three, four])
        assert text_of(served, id, 2) == "2\n"


def test_what_a_callback_prints_stands_in_the_cell_of_its_widget(served: Served) -> None:
    source = "import ipywidgets as w\nb = w.Button()\nb.on_click(lambda _: print('clicked'))\ndisplay(b)"
    id = notebook(served, source)
    with page_of(served, id) as ada:
        run(served, ada, id)
        ada.comm(shown(served, id), method="custom", content={"event": "click"})
        while text_of(served, id) != "clicked\n":
            ada.socket.recv(timeout=WITHIN_S)


def test_viewers_see_and_cannot_drive_also_with_a_client_of_their_own(served: Served) -> None:
    id = notebook(served, SLIDER)
    with served.script() as client:
        token = link(client, id, "viewer")
    with served.anonymous() as guest:
        guest.get(f"/n/{id}?link={token}", headers={"origin": served.url})
        cookie = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    with page_of(served, id) as ada:
        run(served, ada, id)
        slider = shown(served, id)
        headers = {"cookie": cookie, "origin": served.url}
        with served.socket(f"/api/notebooks/{id}/socket", headers) as socket:
            viewer = Page(socket)
            assert viewer.value(slider) == 0
            message = viewer.update(slider, value=9)
            refused = viewer.until(lambda m: m.get("type") == "refused" and "parent" in m)
            assert (refused["parent"], refused["reason"]) == (
                message,
                "Using a widget needs the role runner; yours is viewer.",
            )
            ada.update(slider, value=3)
            viewer.until(lambda m: m.get("type") == "update" and m["state"] == {"value": 3})
        assert ada.value(slider) == 3


def test_w8_the_last_state_stays_when_the_kernel_is_restarted(served: Served) -> None:
    id = notebook(served, SLIDER)
    with page_of(served, id) as ada:
        run(served, ada, id)
        slider = shown(served, id)
        ada.update(slider, value=12)
        ada.until(lambda m: m.get("type") == "update" and m["own"])
        ada.command(type="restart")
        ada.until(lambda m: m.get("type") == "session" and m["live"] is False)
        ada.until(lambda m: m.get("type") == "session" and m["live"] is True)
        model = ada.models(slider)["models"][slider]
        assert (model["live"], model["state"]["value"]) == (False, 12)
        message = ada.update(slider, value=13)
        refused = ada.until(lambda m: m.get("type") == "refused" and m.get("parent") == message)
        assert refused["reason"] == "This widget is not connected to a runtime: run the cell again."


def test_w9_large_state_is_named_and_fetched_once(served: Served) -> None:
    source = (
        "import ipywidgets as w, traitlets as t\n"
        "class Big(w.DOMWidget):\n"
        " _model_name = t.Unicode('AnyModel').tag(sync=True)\n"
        " _view_name = t.Unicode('AnyView').tag(sync=True)\n"
        " _esm = t.Unicode('x' * 5_000_000).tag(sync=True)\n"
        " data = t.Bytes(b'y' * 100_000).tag(sync=True)\n"
        " small = t.Bytes(b'z').tag(sync=True)\n"
        "display(Big())\nBig()"
    )
    id = notebook(served, source)
    with page_of(served, id) as ada, served.script() as client:
        run(served, ada, id)
        big = shown(served, id)
        found = ada.models(big)
        assert (found["paths"], found["buffers"]) == ([[big, "small"]], [b"z"])
        named = {part["path"][1]: part for part in found["large"]}
        assert {key: (part["size"], part["text"]) for key, part in named.items()} == {
            "_esm": (5_000_000, True),
            "data": (100_000, False),
        }
        answer = client.get(f"/api/notebooks/{id}/widgets/{named['data']['sha256']}")
        assert (answer.status_code, answer.content) == (200, b"y" * 100_000)
        assert answer.headers["content-disposition"].startswith("attachment")
        assert client.get(f"/api/notebooks/{id}/widgets/{'0' * 64}").status_code == 404
        assert client.get(f"/api/notebooks/{notebook(served)}/widgets/{named['data']['sha256']}").status_code == 404


def test_binary_buffers_go_both_ways_on_a_comm_that_a_page_opened(served: Served) -> None:
    source = (
        "def opened(comm, message):\n"
        " comm.on_msg(lambda m: comm.send({'n': m['content']['data']['n'] + 1}, buffers=m['buffers'][::-1]))\n"
        "get_ipython().kernel.comm_manager.register_target('mine', opened)"
    )
    id = notebook(served, source)
    with page_of(served, id) as ada, page_of(served, id) as bo:
        run(served, ada, id)
        header = {"type": "comm_open", "comm": "k1", "id": "o1", "cell": "c1", "target": "mine", "data": {}}
        ada.socket.send(comm_frame(header))
        ada.comm("k1", n=1, buffers=(b"\x00\xff", b""))
        answer = ada.until(lambda m: m.get("type") == "comm_msg")
        assert (answer["comm"], answer["data"], answer["buffers"]) == ("k1", {"n": 2}, [b"", b"\x00\xff"])
        assert bo.models()["models"] == {}
        assert not [m for m in bo.heard if m.get("type") == "comm_msg"]  # its own: nobody else hears it


def test_tqdm_is_shown_at_most_twenty_times_a_second(served: Served) -> None:
    source = (
        "import ipywidgets as w, time\np = w.IntProgress(max=2000)\ndisplay(p)\n"
        "for n in range(1, 2001):\n p.value = n\n time.sleep(0.0005)"
    )
    id = notebook(served, source)
    with page_of(served, id) as ada:
        started = time.monotonic()
        ada.run("c1")
        ada.until(lambda m: m.get("type") == "update" and m["state"].get("value") == 2000)
        took = time.monotonic() - started
        updates = [m for m in ada.heard if m.get("type") == "update"]
        assert len(updates) <= took * 20 + 5


def test_a_loop_may_make_more_widgets_than_are_kept_and_the_kernel_is_asked_for_those_that_went(served: Served) -> None:
    source = (
        "import ipywidgets as w\nfirst = w.Layout(width='7px')\n"
        "for _ in range(10_001): w.Layout()\nprint(first.model_id)"
    )
    id = notebook(served, source)
    with page_of(served, id) as ada:
        run(served, ada, id)
        first = text_of(served, id).strip()
        ada.until_value(first, "width", lambda width: width == "7px")


def test_malformed_comm_frames_end_their_socket(served: Served) -> None:
    id = notebook(served)
    with page_of(served, id) as ada:
        ada.socket.send(comm_frame({"type": "execute_request", "code": "1"}))
        code, reason = closing(ada.socket)
    assert (code, reason) == (4400, "There is no comm message 'execute_request'.")


def test_w8_state_survives_the_server_and_then_the_kernel(tmp_path: Path) -> None:
    """Killed: the kernel is asked for its widgets again. Ended with its kernels: the last state is kept in the file."""
    with serving(tmp_path) as first:
        id = notebook(first, SLIDER)
        with page_of(first, id) as ada:
            run(first, ada, id)
            slider = shown(first, id)
            ada.update(slider, value=21)
            ada.until(lambda m: m.get("type") == "update" and m["own"])
        first.process.kill()
    with serving(tmp_path) as second, page_of(second, id) as ada:
        ada.until_value(slider, "value", lambda value: value == 21)
        assert ada.models(slider)["models"][slider]["live"]
        ada.update(slider, value=999)
        ada.until(lambda m: m.get("type") == "update" and m["state"] == {"value": 50})
    with serving(tmp_path) as third, page_of(third, id) as ada:
        ada.until_value(slider, "value", lambda value: value is not None)
        model = ada.models(slider)["models"][slider]
        assert (model["live"], model["state"]["value"]) == (False, 50)
        saved = exported(third, id)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
        assert saved["state"][slider]["state"]["value"] == 50
