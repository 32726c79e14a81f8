"""Kernels that are ready before somebody asks: the rules on kernels that are none, and adoption of real ones (X24)."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from kernelhost import pool as module
from kernelhost.confining import Confining, Walls, build_walls
from kernelhost.kernel import KernelFailed
from kernelhost.kernels import Kernels
from kernelhost.limits import UNLIMITED
from kernelhost.link import Link
from kernelhost.messages import make
from kernelhost.pool import Pool
from kernelhost.spec import Spec
from kernelhost.wire import Message

from tests.kernels.client import GatewayProcess, eventually, is_alive

SPEC = Spec("python3", ("python",), {}, "python", "signal", Path())


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_AFTER_S", 0.0)
    monkeypatch.setattr(module, "_NEXT_AFTER_S", 0.0)
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.02)


# -- rules ------------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Fake:
    state: str = "idle"
    is_ending: bool = False


class Fakes:
    """What a Pool starts and ends; `spec` is what there is at the moment."""

    def __init__(self) -> None:
        self.spec: Spec | None = SPEC
        self.started: list[Fake] = []
        self.ended: list[Fake] = []
        self.at_once = self.most_at_once = 0
        self.fails = self.is_short = False
        self.asked = 0
        self.now_s = 0.0
        self.pool = Pool([("", 3)], lambda name: self.spec, self.start, self.ended.append, self.short, self.now)

    async def start(self, spec: Spec) -> Fake:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await anyio.lowlevel.checkpoint()
        self.at_once -= 1
        self.started.append(Fake())
        if self.fails:
            raise KernelFailed("No module named spam.")
        return self.started[-1]

    def short(self) -> bool:
        self.asked += self.is_short
        return self.is_short

    def now(self) -> float:
        return self.now_s

    async def until(self, true: Callable[[], bool]) -> None:
        with anyio.fail_after(10):
            while not true():  # noqa: ASYNC110 - a pool tells nobody
                await anyio.sleep(0.005)


def with_pool(test: Callable[[Fakes], object]) -> None:
    async def run() -> None:
        fakes = Fakes()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fakes.pool.run)
            await test(fakes)  # type: ignore[misc]
            tasks.cancel_scope.cancel()

    asyncio.run(run())


def test_p3_one_that_was_given_away_is_nobody_elses_and_another_is_started() -> None:
    async def test(fakes: Fakes) -> None:
        await fakes.until(lambda: fakes.pool.size == 3)
        taken = [fakes.pool.take(SPEC) for _ in range(4)]
        assert taken == [*fakes.started[:3], None]
        await fakes.until(lambda: fakes.pool.size == 3)
        assert fakes.pool.take(SPEC) not in taken
        assert (fakes.most_at_once, fakes.ended) == (2, [])

    with_pool(test)


@pytest.mark.parametrize("why", ["spec", "packages", "age", "death"])
def test_p4_one_that_is_of_no_use_any_more_is_replaced(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(fakes: Fakes) -> None:
        await fakes.until(lambda: fakes.pool.size == 3)
        before = fakes.started[:3]
        if why == "spec":
            fakes.spec = replace(SPEC, argv=("python", "-O"))
        elif why == "packages":
            monkeypatch.setattr(module, "stamp_of", lambda spec: (("site-packages", 1),))
        elif why == "age":
            fakes.now_s = 3601
        else:
            before = before[:1]
            before[0].state = "dead"
        assert fakes.pool.take(fakes.spec or SPEC) not in before
        await fakes.until(lambda: fakes.ended == before and fakes.pool.size == 3)

    with_pool(test)


def test_p2_none_is_started_while_memory_is_short() -> None:
    async def test(fakes: Fakes) -> None:
        await fakes.until(lambda: fakes.pool.size == 3)
        fakes.is_short = True
        assert fakes.pool.take(SPEC) is not None
        await fakes.until(lambda: fakes.asked > 2)
        assert (fakes.pool.size, len(fakes.started)) == (2, 3)

    with_pool(test)


def test_what_cannot_be_started_is_not_tried_again_and_again() -> None:
    async def test(fakes: Fakes) -> None:
        fakes.fails = True
        await fakes.until(lambda: len(fakes.started) == 3)
        for _ in range(5):
            await anyio.sleep(0.02)
        assert (len(fakes.started), fakes.pool.size) == (3, 0)
        fakes.fails, fakes.now_s = False, 61
        await fakes.until(lambda: fakes.pool.size == 3)

    with_pool(test)


def test_a_kernelspec_that_is_gone_is_no_trouble() -> None:
    async def test(fakes: Fakes) -> None:
        await fakes.until(lambda: fakes.pool.size == 3)
        fakes.spec = None
        await fakes.until(lambda: len(fakes.ended) == 3)
        assert fakes.pool.take(SPEC) is None

    with_pool(test)


# -- real kernels -----------------------------------------------------------------------------------------------------


class Reads:
    """A client in this process."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.work = asyncio.Event()

    def wake(self) -> None:
        self.work.set()

    def end(self, reason: str) -> None:
        self.work.set()

    def close(self, code: int, reason: str) -> None:
        self.work.set()


async def run(kernel: Link, code: str) -> str:
    """What it printed."""
    client = Reads("reads")
    tap = kernel.join(client, None)
    request = make("shell", "execute_request", {"code": code, "silent": False, "stop_on_error": False})
    text, ends = "", 0
    await kernel.send(client, request)
    with anyio.fail_after(30):
        while ends < 2:
            await client.work.wait()
            client.work.clear()
            while (given := tap.next()) is not None:
                item = given if isinstance(given, Message) else given.decode()
                text += _text(item, request)
                ends += item.parent_id == request.id and _ends(item)
    kernel.leave(client, tap)
    return text


def _text(item: Message, request: Message) -> str:
    if item.parent_id != request.id or item.type not in ("stream", "error"):
        return ""
    return str(item.part("content").get("text") or item.part("content"))


def _ends(item: Message) -> bool:
    return item.type == "execute_reply" or item.part("content").get("execution_state") == "idle"


@asynccontextmanager
async def kernels_with_pool(folder: Path, walls: Walls | None = None) -> AsyncIterator[Kernels]:
    (folder / "root").mkdir(exist_ok=True)
    kernels = Kernels(folder / "root", data=folder / "data", alone_s=60, pool=[("", 1)])
    kernels.walls = walls or Walls(Confining(UNLIMITED), "none", "")
    async with kernels.running():
        kernels.keep = False
        yield kernels


async def ready(kernels: Kernels) -> None:
    with anyio.fail_after(30):
        while not kernels.ready:  # noqa: ASYNC110 - a pool tells nobody
            await anyio.sleep(0.01)


WHERE = """import json, os
print(json.dumps([os.getcwd(), os.environ.get("KERNEL_WHO"), list(map(str, _dh)), In[1:], len(dir())]))"""


def test_x24_a_kernel_that_was_ready_is_like_one_that_was_started(tmp_path: Path) -> None:
    async def test() -> None:
        async with kernels_with_pool(tmp_path) as kernels:
            await ready(kernels)
            assert kernels.all == []
            # It cannot be given a limit late.
            fresh = await kernels.start("", "", "a", {"KERNEL_WHO": "Ada", "KERNEL_MEMORY": "4GiB"})
            assert kernels.ready == 1
            adopted = await kernels.start("", "1-2-3-4-5", "b", {"KERNEL_WHO": "Ada"})
            assert kernels.ready == 0
            first, second = json.loads(await run(fresh, WHERE)), json.loads(await run(adopted, WHERE))
            assert first[0] == str(tmp_path / "root" / "a")
            there = str(tmp_path / "root" / "b")
            assert second == [there, "Ada", [there], *first[3:]]
            model = adopted.model()
            assert (model["id"], model["generation"], model["execution_state"]) == ("1-2-3-4-5", 1, "idle")
            assert abs(adopted.created.timestamp() - adopted.last_activity.timestamp()) < 5
            # It stays where it is, whatever becomes of its process.
            await adopted.restart()
            assert json.loads(await run(adopted, WHERE))[:2] == [there, "Ada"]

    asyncio.run(test())


def test_x24_a_ready_kernel_that_died_or_hangs_is_given_to_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        async with kernels_with_pool(tmp_path) as kernels:
            await ready(kernels)
            (row,) = [json.loads(path.read_text()) for path in (tmp_path / "data").glob("*/row.json")]
            os.kill(row["kernel_pid"], signal.SIGSTOP)
            kernel = await kernels.start("", "", "a", {})
            assert "4" in await run(kernel, "print(2 + 2)")
            os.kill(row["kernel_pid"], signal.SIGCONT)
            await ready(kernels)

    asyncio.run(test())


def test_b8_a_sandboxed_kernel_moves_with_its_folder_where_nothing_is_yet(tmp_path: Path) -> None:
    walls = build_walls(Confining(UNLIMITED), tmp_path)
    if walls.level == "none":
        pytest.skip(f"there is no sandbox here: {walls.why_not_higher}")

    async def test() -> None:
        root = tmp_path / "root"
        async with kernels_with_pool(tmp_path, walls) as kernels:
            await ready(kernels)
            (root / "full").mkdir()
            (root / "full" / "data.txt").write_text("kept")
            other = await kernels.start("", "", "full", {})
            assert await run(other, "print(open('data.txt').read())") == "kept\n"
            assert kernels.ready == 1  # of no use there
            new = await kernels.start("", "", "new", {"KERNEL_WHO": "Ada"})
            assert kernels.ready == 0
            written = (
                "import os; print(os.getcwd(), os.environ['KERNEL_WHO']); open('made.txt', 'w').write('here').real"
            )
            assert (await run(new, written)).startswith("/content Ada\n")
            assert (root / "new" / "made.txt").read_text() == "here"
            await ready(kernels)
            beside = await kernels.start("", "", "new", {})  # where one works already
            assert await run(beside, "print(open('made.txt').read())") == "here\n"
            assert kernels.ready == 1
        assert sorted(path.name for path in root.iterdir()) == ["full", "new"]

    asyncio.run(test())


def test_p4_ready_kernels_end_with_their_gateway_also_when_it_is_killed(
    tmp_path: Path, start_gateway: Callable[..., GatewayProcess]
) -> None:
    arguments = ["--pool", "1", "--data", str(tmp_path / "data")]
    gateway = start_gateway(*arguments, folder=tmp_path)

    def rows() -> list[dict[str, object]]:
        found = [json.loads(path.read_text()) for path in (tmp_path / "data").glob("*/row.json")]
        return [row for row in found if row["pooled"] and row["kernel_pid"]]

    eventually(lambda: len(rows()) == 1, "one is started ahead")
    (row,) = rows()
    assert gateway.http.get("/api/kernels").json() == []
    gateway.end(signal.SIGKILL)
    eventually(lambda: not is_alive(int(str(row["pid"]))), "its host ends")
    gateway = start_gateway(*arguments, folder=tmp_path)
    assert gateway.http.get("/api/kernels").json() == []
    assert not is_alive(int(str(row["kernel_pid"])))
    gateway.end(signal.SIGTERM)
    assert [path for path in (tmp_path / "data").iterdir() if path.is_dir()] == []
    assert list(gateway.temp.iterdir()) == []
