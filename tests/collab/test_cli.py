"""`collab` as a program: what it prints, when it refuses, and what it leaves behind."""

import os
import signal
import socket
import stat
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from collab.cli import has_browser, listen
from collab.config import Config
from tests.collab.serving import TOKEN, refused, serving, start


def test_it_prints_one_line_and_keeps_its_token(tmp_path: Path) -> None:
    addresses = []
    for _ in range(2):
        with serving(tmp_path, COLLAB_TOKEN="") as server:
            addresses.append(httpx.URL(server.address))
            assert server.url == f"http://127.0.0.1:{server.port}"
            with server.anonymous() as client:
                assert client.get(str(server.address)).status_code == 303
            process = server.process
        assert process.returncode == 0
    first, second = addresses
    assert len(first.params["token"]) == 32
    assert first.params["token"] == second.params["token"]


def test_secrets_are_this_users_alone(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    with serving(data) as server:
        modes = {name: stat.S_IMODE((data / name).stat().st_mode) for name in
                 (".", "secrets.json", "served.json", "open.html", "lock")}  # fmt: skip
        assert modes == {".": 0o700, "secrets.json": 0o600, "served.json": 0o600, "open.html": 0o600, "lock": 0o600}
        assert (data / "open.html").read_text() == f'<meta http-equiv="refresh" content="0;url={server.address}">\n'
    assert not (data / "served.json").exists()
    assert not (data / "open.html").exists()


def test_the_token_is_never_logged(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    address = process.stdout.readline().removeprefix("Open ").strip()
    base = address.partition("/?")[0]
    with httpx.Client(base_url=base, trust_env=False, headers={"authorization": f"Bearer {TOKEN}"}) as client:
        for path in (f"/?token={TOKEN}", f"/nowhere?token={TOKEN}", f"/?token={TOKEN}wrong", f"/n/a?link={TOKEN}"):
            client.get(path)
        client.post(f"/api/notebooks?token={TOKEN}", content=b"{")
        client.get("/", headers={"host": "evil.test", "referer": f"{base}/?token={TOKEN}"})
    process.send_signal(signal.SIGINT)
    said, logged = process.communicate(timeout=20)
    assert TOKEN not in said + logged


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_it_listens_to_others_only_with_a_token_that_was_chosen(tmp_path: Path, host: str) -> None:
    sentence = f"Listening on {host} lets other machines in: choose a sign-in token first, by setting COLLAB_TOKEN."
    assert refused(tmp_path, "--host", host, COLLAB_TOKEN="") == f"collab: {sentence}"
    assert not (tmp_path / "collab.sqlite").exists()


def test_with_a_token_it_listens_to_others(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "0.0.0.0") as server, server.anonymous() as client:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert client.get("/healthz").json()["status"] == "ok"
        assert client.get("/api/me").status_code == 401


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = f"Cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port."
        assert refused(tmp_path, "--port", str(port)) == f"collab: {sentence}"


def test_the_port_that_nobody_chose_may_be_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with listen(Config(tmp_path, port=port, ports=50)) as listening:
            other = listening.getsockname()[1]
            assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    assert port < other < port + 50
    assert capsys.readouterr() == ("", f"Port {port} is taken; this is port {other}.\n")


def test_a_second_collab_on_the_same_data_points_to_the_first(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        second = start(tmp_path)
        assert second.communicate(timeout=20) == (f"Open {server.address}\n", "")
        assert second.returncode == 0
        sentence = f"Another collab serves {tmp_path}; end it first, or choose another folder for this one with --data."
        assert refused(tmp_path, str(tmp_path)) == f"collab: {sentence}"
        with server.anonymous() as client:
            assert client.get("/healthz").status_code == 200


def test_data_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert refused(file) == (f"collab: The data folder {file} cannot be used: File exists; choose another with --data.")
    (tmp_path / "secrets.json").write_text("{")
    assert refused(tmp_path) == (
        f"collab: {tmp_path / 'secrets.json'} cannot be read; restore it, or delete it to get a new sign-in token."
    )


def test_data_of_a_newer_collab(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        pass
    server.query("PRAGMA user_version = 999")
    assert refused(tmp_path).startswith("collab: The data was written by a newer collab (schema 999; ")


def test_no_database(tmp_path: Path) -> None:
    (tmp_path / "collab.sqlite").write_bytes(b"this is no database" * 100)
    assert refused(tmp_path).startswith(f"collab: The database {tmp_path / 'collab.sqlite'} cannot be opened: ")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to_even_with_a_page_open(tmp_path: Path, how: signal.Signals) -> None:
    with serving(tmp_path) as server, server.script() as owner:
        id = owner.post("/api/notebooks").json()["id"]
        with server.socket(f"/api/notebooks/{id}/socket", {"authorization": f"Bearer {TOKEN}"}) as page:
            page.recv(timeout=20)
            server.process.send_signal(how)
            said, logged = server.process.communicate(timeout=20)
    assert server.process.returncode in (0, -signal.SIGTERM)
    assert (said, logged) == ("", "")


@pytest.mark.parametrize(
    ("environ", "shown"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "1 2 3 4"}, False),
        ({"BROWSER": "w3m", "SSH_TTY": "/dev/pts/1"}, True),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="Windows always has a display")
def test_a_browser_is_shown_to_whoever_sits_here(environ: dict[str, str], shown: bool) -> None:
    assert has_browser(environ) is shown


def test_ctrl_c_ends_the_gateway_too_while_somebody_looks_at_its_meters(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.script() as owner:
        id = owner.post("/api/notebooks").json()["id"]
        with server.socket(f"/api/notebooks/{id}/socket", {"authorization": f"Bearer {TOKEN}"}) as page:
            assert owner.post(f"/api/notebooks/{id}/commands", json={"type": "start_runtime"}).status_code == 202
            while "runtime_usage" not in str(page.recv(timeout=20)):
                pass
            server.process.send_signal(signal.SIGINT)
            said, logged = server.process.communicate(timeout=20)
    assert (said, logged) == ("", "")
    left = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert [line for line in left if str(tmp_path) in " ".join(line or [])] == []
