"""Terminals: over REST and their socket as jupyter_server_terminals has them, and what bounds them."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from kernelhost.terminals import MAX_KEPT, MAX_TERMINALS
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.kernels.client import TOKEN, WITHIN_S, GatewayProcess, eventually, is_alive


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    environment = {"SHELL": "/bin/sh", "ENV": "", "COLLAB_TOKEN": "a-secret", "PS1": "$ "}
    process = GatewayProcess(tmp_path_factory.mktemp("k"), "--terminals", environment=environment)
    yield process
    shells = psutil.Process(process.pid).children(recursive=True)
    assert process.end() == 0
    assert [shell.pid for shell in shells if is_alive(shell.pid)] == []


@pytest.fixture
def name(gateway: GatewayProcess) -> Iterator[str]:
    answer = gateway.http.post("/api/terminals", json={})
    assert answer.status_code == 200, answer.text
    name = str(answer.json()["name"])
    assert answer.headers["location"] == f"/api/terminals/{name}"
    yield name
    assert gateway.http.delete(f"/api/terminals/{name}").status_code in (204, 404)


class Page:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.text = ""
        assert self.receive() == ["setup", {}]

    def send(self, *frame: object) -> None:
        self.socket.send(json.dumps(frame))

    def receive(self) -> list[object]:
        frame = json.loads(self.socket.recv(timeout=WITHIN_S))
        assert isinstance(frame, list)
        if frame[0] == "stdout":
            self.text += frame[1]
        return frame

    def until(self, text: str) -> None:
        seen = 0
        while text not in self.text[seen:]:
            seen = max(0, len(self.text) - len(text))
            self.receive()

    def run(self, code: str) -> str:
        """What `code` printed: what comes between two words that its echo does not have, nor an earlier run."""
        word = secrets.token_hex(4)
        self.send("stdin", f"echo be''gun{word}; {code}; echo en''ded{word}\r")
        self.until(f"ended{word}\r\n")
        return self.text.partition(f"begun{word}\r\n")[2].rpartition(f"ended{word}\r\n")[0].replace("\r\n", "\n")

    def closed(self) -> tuple[int, str]:
        with pytest.raises(ConnectionClosed) as closed:
            self.until("what is never printed")
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason


@contextmanager
def page(gateway: GatewayProcess, name: str, query: str = f"?token={TOKEN}") -> Iterator[Page]:
    url = f"{gateway.url.replace('http', 'ws', 1)}/terminals/websocket/{name}{query}"
    with connect(url, proxy=None, max_queue=1, close_timeout=0.2, compression=None) as socket:
        yield Page(socket)


def test_a_shell_runs_in_the_root_with_a_kernels_environment(gateway: GatewayProcess, name: str) -> None:
    with page(gateway, name) as shell:
        assert shell.run("pwd") == f"{gateway.root}\n"
        assert shell.run("echo $TERM") == "xterm-256color\n"
        variables = shell.run("env")
        assert "PATH=" in variables
        assert "a-secret" not in variables
        assert TOKEN not in variables
        assert shell.run("ls /proc/self/fd").split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads
        shell.send("set_size", 30, 100, 600, 800)
        assert shell.run("stty size") == "30 100\n"
        with page(gateway, name) as other:
            other.send("set_size", 50, 80, 0, 0)
            assert other.run("stty size") == "30 80\n"
            other.send("set_size", 0, 0, 0, 0)  # a page that is not shown says so
            assert other.run("stty size") == "30 80\n"
        eventually(lambda: shell.run("stty size") == "30 100\n", "who left has no say in the size")


def test_who_comes_later_sees_what_was_printed_and_both_see_what_comes(gateway: GatewayProcess, name: str) -> None:
    with page(gateway, name) as first:
        first.run("echo early; printf '\\303\\244'")
        with page(gateway, name) as second:
            second.until("ä")
            assert "early" in second.text
            second.send("stdin", "echo la''te\r")
            first.until("late")
            second.until("late")


def test_a_page_may_leave_and_come_back(gateway: GatewayProcess, name: str) -> None:
    with page(gateway, name) as shell:
        shell.run("kept=here")
    with page(gateway, name) as shell:
        assert shell.run("echo $kept") == "here\n"


def test_an_exit_is_told_and_the_terminal_is_gone(gateway: GatewayProcess, name: str) -> None:
    with page(gateway, name) as shell, page(gateway, name) as other:
        shell.send("stdin", "exit\r")
        for looking in (shell, other):
            while looking.receive() != ["disconnect", 1]:
                pass
            assert looking.closed()[0] == 1000
    assert gateway.http.get(f"/api/terminals/{name}").status_code == 404


def test_a_delete_hangs_up_and_kills_what_does_not_hear(gateway: GatewayProcess, name: str) -> None:
    with page(gateway, name) as shell:
        pid = int(shell.run("trap '' HUP TERM; echo $$"))
        shell.send("stdin", "while :; do sleep 60; done\r")
        assert gateway.http.delete(f"/api/terminals/{name}").status_code == 204
        while shell.receive() != ["disconnect", 1]:
            pass
    assert name not in [model["name"] for model in gateway.http.get("/api/terminals").json()]
    eventually(lambda: not is_alive(pid), "the shell is gone")


def test_a_flood_is_bounded_and_waits_for_who_looks(gateway: GatewayProcess, name: str) -> None:
    with page(gateway, name) as reads:
        reads.send("stdin", "stty -echo; yes 0123456789abcdef | head -n 150000; echo a''ll\r")
        reads.until("all")
        assert reads.text.count("0123456789abcdef\r\n") == 150_000
    with page(gateway, name) as later:
        later.until("all")
        assert MAX_KEPT // 2 < len(later.text) <= MAX_KEPT


def test_who_does_not_read_keeps_nobody_waiting(gateway: GatewayProcess, name: str) -> None:
    with page(gateway, name) as sleeps, page(gateway, name) as reads:
        reads.send("stdin", "stty -echo; yes 0123456789abcdef | head -n 150000; echo a''ll\r")
        reads.until("all")
        assert reads.text.count("0123456789abcdef\r\n") == 150_000
        assert sleeps.text == ""


def test_what_nobody_looks_at_goes_on(gateway: GatewayProcess, name: str, tmp_path: Path) -> None:
    with page(gateway, name) as shell:
        shell.send("stdin", f"yes | head -n 2000000; touch {tmp_path}/done\r")
    eventually(lambda: (tmp_path / "done").exists(), "the flood is over", WITHIN_S)


def test_what_no_program_reads_is_bounded(gateway: GatewayProcess, name: str) -> None:
    with page(gateway, name) as shell:
        shell.send("stdin", "stty raw -echo; echo ra''w; sleep 600\r")
        shell.until("raw\n")
        with suppress(ConnectionClosed):
            for _ in range(20):
                shell.send("stdin", "x" * 100_000)
        code, reason = shell.closed()
        assert (code, "does not read" in reason) == (1013, True)


@pytest.mark.parametrize("frame", ["no json", "{}", '["stdin"]', '["stdin", 5]', '["other", 1]', "[" * 100_000])
def test_a_bad_frame_closes_its_own_socket_only(gateway: GatewayProcess, name: str, frame: str) -> None:
    with page(gateway, name) as good, page(gateway, name) as bad:
        bad.socket.send(frame)
        assert bad.closed()[0] == 1003
        assert good.run("echo fine") == "fine\n"


def test_a_terminal_has_a_name_and_a_folder(gateway: GatewayProcess) -> None:
    (gateway.root / "below").mkdir(exist_ok=True)
    below = gateway.root / "below"
    places = {"a": ("below", below), "b": ("/below", below), "c": ("none", gateway.root), "d": ("../..", gateway.root)}
    for name, (folder, where) in (places | {"e": ("/usr", Path("/usr"))}).items():
        made = gateway.http.post("/api/terminals", json={"name": name, "cwd": folder}).json()
        assert made["name"] == name
        assert gateway.http.post("/api/terminals", json={"name": name}).json()["name"] == name
        assert gateway.http.get(f"/api/terminals/{name}").json()["name"] == name
        with page(gateway, name) as shell:
            assert shell.run("pwd") == f"{where}\n"
        assert [gateway.http.delete(f"/api/terminals/{name}").status_code for _ in range(2)] == [204, 404]
    refused = gateway.http.post("/api/terminals", json={"name": "../x"})
    assert (refused.status_code, "name" in refused.json()["message"]) == (400, True)


def test_there_is_a_bound_of_terminals(gateway: GatewayProcess) -> None:
    names = [gateway.http.post("/api/terminals").json()["name"] for _ in range(MAX_TERMINALS)]
    refused = gateway.http.post("/api/terminals")
    assert (refused.status_code, str(MAX_TERMINALS) in refused.json()["message"]) == (503, True)
    for name in names:
        assert gateway.http.delete(f"/api/terminals/{name}").status_code == 204


@pytest.mark.parametrize("query", ["", "?token=wrong"])
def test_a_terminal_wants_the_token(gateway: GatewayProcess, name: str, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused, page(gateway, name, query):
        pass
    assert refused.value.response.status_code == 403
    for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{name}"), ("DELETE", f"/{name}")):
        answer = httpx.request(method, f"{gateway.url}/api/terminals{path}{query}", trust_env=False)
        assert answer.status_code == 403


def test_terminals_are_off_unless_asked_for(start_gateway: Callable[..., GatewayProcess]) -> None:
    gateway = start_gateway()
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/1"), ("DELETE", "/1")):
        answer = gateway.http.request(method, f"/api/terminals{path}")
        assert (answer.status_code, "--terminals" in answer.json()["message"]) == (404, True)
    with pytest.raises(InvalidStatus) as refused, page(gateway, "1"):
        pass
    assert refused.value.response.status_code == 404
    assert gateway.end() == 0
