"""Runtimes as they were at first, and how often that may be asked for (kernels.md section 16)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
from kernelhost.emptying import NotEmptied
from kernelhost.kernel import KernelFailed
from kernelhost.quotas import TooOften
from kernelhost.resets import FolderInUse, Resets
from websockets.exceptions import InvalidStatus

from tests.kernels.client import GatewayProcess, eventually, kernel_pids, state_of

MESS = """
import os
value = 1
open("written", "w").close()
os.symlink("../..", "up")
os.mkdir("shut", 0)
"""
CLEAN = "import os; assert os.listdir() == []; assert 'value' not in globals(); open('new', 'w').close()"
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def bounded(start_gateway: Callable[..., GatewayProcess]) -> Iterator[GatewayProcess]:
    process = start_gateway("--max-kernels", "2", "--max-sockets", "2")
    yield process
    assert process.end() == 0


class Kernel:
    def __init__(self, id: str, folder: Path) -> None:
        self.id = id
        self.folder = folder
        self.restarts: list[Path | None] = []
        self.fails: Exception | None = None

    async def restart(self, empty_below: Path | None = None) -> None:
        self.restarts.append(empty_below)
        if self.fails is not None:
            raise self.fails


class House:
    """Kernels in folders below a root, and the clock of their resets."""

    def __init__(self, root: Path, *folders: str) -> None:
        self.root = root
        self.kernels = [Kernel(str(number), root / folder) for number, folder in enumerate(folders)]
        self.now_s = 0.0
        self.resets = Resets(root, lambda: self.kernels, lambda: self.now_s)

    def reset(self, number: int, folder: bool = False) -> None:
        anyio.run(self.resets.reset, self.kernels[number], folder)

    def reset_all(self, folder: bool = False) -> list[str]:
        return anyio.run(self.resets.reset_all, folder)

    @property
    def restarts(self) -> list[list[Path | None]]:
        return [kernel.restarts for kernel in self.kernels]


def test_the_root_and_shared_folders_are_not_emptied(tmp_path: Path) -> None:
    house = House(tmp_path, "", "a", "a", "b", "b/below", "c")
    for number, why in ((0, "own folder"), (1, "the folder a too"), (2, "the folder a too"), (3, "the folder b too")):
        with pytest.raises(FolderInUse, match=why):
            house.reset(number, folder=True)
    assert house.restarts == [[], [], [], [], [], []]
    house.reset(4, folder=True)
    house.reset(5, folder=True)
    house.reset(0)
    assert house.restarts == [[None], [], [], [], [tmp_path], [tmp_path]]


def test_a8_a_kernel_is_reset_so_often_and_another_one_is_its_own_affair(tmp_path: Path) -> None:
    house = House(tmp_path, "a", "b")
    for _ in range(4):
        house.reset(0)
    with pytest.raises(TooOften, match=r"^A runtime is reset 4 times in 60 s at most; try again in 60 s\.$"):
        house.reset(0)
    house.reset(1)
    house.now_s = 60
    house.reset(0)
    assert house.restarts == [[None] * 5, [None]]


def test_all_are_reset_whatever_becomes_of_one(tmp_path: Path) -> None:
    house = House(tmp_path, "", "a", "a", "b")
    house.kernels[1].fails = KernelFailed("No.")
    house.kernels[3].fails = NotEmptied("Not empty.")
    assert sorted(house.reset_all(folder=True)) == ["No.", "Not empty."]
    assert house.restarts == [[None], [tmp_path], [tmp_path], [tmp_path]]
    house.reset_all()
    with pytest.raises(TooOften, match="All runtimes are reset 2 times in 60 s at most"):
        house.reset_all()


def test_a_reset_gives_back_a_fresh_process_and_a_fresh_folder(gateway: GatewayProcess) -> None:
    kernel = gateway.start(name="python3", path="reset/one")
    folder = gateway.root / "reset" / "one"
    outside = gateway.root / "outside"
    outside.write_text("kept")
    with gateway.channel(kernel) as channel:
        channel.run(MESS)
        running, waiting = channel.execute("input()"), channel.execute("value = 2")
        channel.until(lambda message: message["msg_type"] == "input_request")
        answer = gateway.http.post(f"/api/kernels/{kernel}/reset", json={"folder": True})
        assert answer.status_code == 200
        model = answer.json()
        assert (model["id"], model["generation"], model["execution_state"]) == (kernel, 2, "idle")
        assert [channel.reply(id)["content"]["status"] for id in (running, waiting)] == ["aborted", "aborted"]
        assert channel.run(CLEAN)["status"] == "ok"
    assert (sorted(path.name for path in folder.iterdir()), outside.read_text()) == (["new"], "kept")
    again = gateway.http.post(f"/api/kernels/{kernel}/reset")
    assert (again.status_code, again.json()["generation"]) == (200, 3)
    assert [path.name for path in folder.iterdir()] == ["new"]
    gateway.delete(kernel)


def test_a_kernel_that_died_is_reset_too(gateway: GatewayProcess) -> None:
    kernel = gateway.start(name="python3", path="reset/dead")
    with gateway.channel(kernel) as channel:
        channel.execute("open('left', 'w').close(); import os; os._exit(3)")
        channel.until(lambda message: state_of(message) == "dead")
    answer = gateway.http.post(f"/api/kernels/{kernel}/reset", json={"folder": True})
    assert (answer.status_code, answer.json()["execution_state"]) == (200, "idle")
    assert list((gateway.root / "reset" / "dead").iterdir()) == []
    gateway.delete(kernel)


def test_a8_resets_are_refused_with_a_sentence(gateway: GatewayProcess, kernel: str) -> None:
    refused = gateway.http.post(f"/api/kernels/{kernel}/reset", json={"folder": True})
    assert refused.status_code == 409
    assert "own folder, which is not emptied" in refused.json()["message"]
    assert gateway.http.post(f"/api/kernels/{NOBODY}/reset").status_code == 404
    for body in (b"[]", b"{", b'{"folder": "' + b"x" * (1 << 20) + b'"}'):
        assert gateway.http.post(f"/api/kernels/{kernel}/reset", content=body).status_code in (400, 413)
    assert gateway.model(kernel)["generation"] == 1


def test_a8_all_are_reset_twice_a_minute(bounded: GatewayProcess) -> None:
    one, other = bounded.start(name="python3", path="a"), bounded.start(name="python3", path="a")
    (bounded.root / "a" / "file").touch()
    before = kernel_pids(bounded.pid)
    answer = bounded.http.post("/api/reset", json={"folder": True})
    assert answer.status_code == 200
    assert {model["id"]: model["generation"] for model in answer.json()["kernels"]} == {one: 2, other: 2}
    assert "failed" not in answer.json()
    assert list((bounded.root / "a").iterdir()) == []
    assert before != kernel_pids(bounded.pid)
    assert bounded.http.post("/api/reset").status_code == 200
    refused = bounded.http.post("/api/reset")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["message"].startswith("All runtimes are reset 2 times in 60 s at most; try again in ")
    bounded.delete(one)
    bounded.delete(other)


def test_a8_kernels_and_sockets_are_bounded(bounded: GatewayProcess) -> None:
    eventually(lambda: bounded.http.get("/api/kernels").json() == [], "those of the test before are gone")
    one, other = bounded.start(name="python3"), bounded.start(name="python3")
    full = bounded.http.post("/api/kernels", json={"name": "python3"})
    assert (full.status_code, full.headers["retry-after"]) == (503, "30")
    assert full.json()["message"] == "2 kernels run, as many as may; shut one down first."
    with bounded.channel(one, "one") as first, bounded.channel(one, "two"):
        with pytest.raises(InvalidStatus, match="HTTP 403"), bounded.channel(one, "three"):
            pass
        with bounded.channel(other), bounded.channel(one, "one") as again:  # takes the place of the first
            assert first.closed()[0] == 1000
            assert again.run("1")["status"] == "ok"
    bounded.delete(one)
    bounded.delete(other)


def test_a8_starts_are_bounded_by_the_minute(start_gateway: Callable[..., GatewayProcess]) -> None:
    gateway = start_gateway("--max-starts", "1")
    gateway.delete(gateway.start(name="python3"))
    assert gateway.http.post("/api/kernels", json={"name": "no such"}).status_code == 400
    for path, body in (("kernels", {}), ("sessions", {"path": "a.ipynb", "type": "notebook", "kernel": {}})):
        refused = gateway.http.post(f"/api/{path}", json=body)
        assert refused.status_code == 429
        assert refused.json()["message"].startswith("Kernels are started once in 60 s at most; try again in ")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert gateway.end() == 0
