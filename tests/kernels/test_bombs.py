"""Code that takes all it can get: the kernel is told so or ended with the reason, and nobody else notices.

Under control groups where there are any, and without, where each process has its bounds and the rest is watched. What
would spread to the machine itself without a sandbox is tried in one only."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from kernelhost.sandbox import probe

from tests.kernels.client import Channel, GatewayProcess, eventually, kernel_pids, state_of
from tests.kernels.test_cages import needs_v1
from tests.kernels.test_floods import read_mb

MB = 1 << 20
LIMITS = ["--memory", "300MiB", "--processes", "100", "--disk", "20MiB", "--keep", "8"]
# What hides control groups from a gateway: it has a view of the files of its own, as in a container.
WITHOUT_CGROUPS = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh"]


def can_hide_cgroups() -> bool:
    return subprocess.run([*WITHOUT_CGROUPS, "true"], check=False, capture_output=True).returncode == 0


best = pytest.mark.parametrize("gateway", ["best"], indirect=True)
both = pytest.mark.parametrize(
    "gateway",
    [
        "best",
        pytest.param("rlimits", marks=pytest.mark.skipif(not can_hide_cgroups(), reason="needs root to hide groups")),
    ],
    indirect=True,
)
needs_bwrap = pytest.mark.skipif(bool(probe("host", Path("/tmp"))), reason="needs bubblewrap")


@pytest.fixture(scope="module")
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    hidden = request.param == "rlimits"
    folder = tmp_path_factory.mktemp("bombs")
    gateway = GatewayProcess(folder, *LIMITS, "--sandbox", "auto", wrapper=WITHOUT_CGROUPS if hidden else [])
    assert not hidden or driver_of(gateway) == "rlimits"
    yield gateway
    gateway.end()


def driver_of(gateway: GatewayProcess) -> str:
    return str(gateway.http.get("/healthz").json()["cage"]["driver"])


@pytest.fixture(scope="module")
def bystander(gateway: GatewayProcess) -> str:
    return gateway.start(path="bystander")


@pytest.fixture
def kernel(gateway: GatewayProcess, bystander: str, tmp_path: Path) -> Iterator[str]:
    """One to blow up. Afterwards everybody else goes on as before."""
    id = gateway.start(path=tmp_path.name)
    yield id
    gateway.delete(id)
    with gateway.channel(bystander) as channel:
        run = channel.execute("print(1 + 1)")
        assert channel.reply(run)["content"]["status"] == "ok"
        assert channel.text(run) == "2\n"
    shutil.rmtree(gateway.root / tmp_path.name, ignore_errors=True)


@pytest.fixture
def channel(gateway: GatewayProcess, kernel: str) -> Iterator[Channel]:
    with gateway.channel(kernel) as channel:
        yield channel


def death_of(channel: Channel, code: str) -> str:
    """The reason."""
    channel.execute(code)
    return str(channel.until(lambda item: state_of(item) == "dead")["content"]["reason"])


def resident_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / MB


@both
def test_m1_a_memory_bomb_ends_its_kernel_with_the_numbers(
    gateway: GatewayProcess, kernel: str, channel: Channel
) -> None:
    reason = death_of(channel, "kept = []\nwhile True: kept.append(bytearray(1_000_000))")
    # The watch comes a little late.
    assert re.fullmatch(r"Out of memory: used \d{3,5} of 300 MiB\. Variables are lost; outputs are kept\.", reason)
    assert gateway.model(kernel)["reason"] == reason
    assert gateway.http.post(f"/api/kernels/{kernel}/restart").json()["execution_state"] == "idle"
    assert channel.run("1 + 1")["status"] == "ok"


@best
def test_m5_memory_is_warned_of_in_the_cell_that_takes_it(channel: Channel) -> None:
    code = "kept = bytearray(230_000_000)\nimport time\nwhile True: time.sleep(0.01)"
    id = channel.execute(code)
    told = channel.until(lambda item: item["msg_type"] == "stream")
    assert told["parent_header"]["msg_id"] == id
    assert told["content"]["text"].startswith("\n[Memory is nearly used up: 2")


@best
@needs_bwrap
@needs_v1
def test_m4_files_in_memory_count_as_memory(channel: Channel) -> None:
    code = "for n in range(1000):\n  with open(f'/dev/shm/{n}', 'wb') as file: file.write(bytes(1_000_000))"
    assert death_of(channel, code).startswith("Out of memory: used 300 of 300 MiB.")


@both
def test_many_processes_are_refused_or_end_the_kernel(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    code = """
import subprocess
children = []
while len(children) < 150: children.append(subprocess.Popen(["sleep", "600"]))
"""
    channel.execute(code)
    if driver_of(gateway) == "rlimits":  # root is held by none
        told = channel.until(lambda item: state_of(item) == "dead")
        assert told["content"]["reason"].startswith("The kernel started more than 100 processes.")
    else:
        channel.until(lambda item: "The limit of 100 processes" in str(item["content"].get("text")))
    assert gateway.http.post(f"/api/kernels/{kernel}/restart").json()["execution_state"] == "idle"
    assert channel.run("1 + 1")["status"] == "ok"


@best
@needs_bwrap
@needs_v1
def test_a_fork_bomb_is_over_with_the_restart(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    before = kernel_pids(gateway.pid)
    channel.execute("import subprocess; subprocess.run(['bash', '-c', 'f() { f | f & }; f'], capture_output=True)")
    eventually(lambda: len(kernel_pids(gateway.pid) - before) > 50, "it burns")
    assert gateway.http.post(f"/api/kernels/{kernel}/restart").json()["execution_state"] == "idle"
    assert channel.run("1 + 1")["status"] == "ok"
    assert len(kernel_pids(gateway.pid)) <= len(before)


@best
def test_a_kernel_that_prints_for_ever_takes_no_memory_from_anybody(
    gateway: GatewayProcess, kernel: str, channel: Channel
) -> None:
    everyone = [gateway.pid, *kernel_pids(gateway.pid)]
    channel.run("1")
    before = {pid: resident_mb(pid) for pid in everyone}
    channel.execute("while True: print('x' * 1000)")
    read_mb(channel, 40)
    grown = {pid: resident_mb(pid) - before[pid] for pid in everyone}
    assert max(grown.values()) < 120, grown
    gateway.http.post(f"/api/kernels/{kernel}/interrupt")
    eventually(lambda: gateway.model(kernel)["execution_state"] == "idle", "the interrupt ends it")
    with gateway.channel(kernel) as again:
        assert again.run("1 + 1")["status"] == "ok"


@both
def test_m6_a_full_folder_interrupts_who_fills_it(channel: Channel) -> None:
    code = """
import time
for n in range(10_000):
    with open(f"file-{n}", "wb") as file: file.write(bytes(1_000_000))
    time.sleep(0.05)
"""
    id = channel.execute(code)
    assert channel.reply(id)["content"]["ename"] == "KeyboardInterrupt"
    assert re.search(r"\[The working folder is full: \d\d of 20 MiB\. Running code was interrupted", channel.text(id))
    # One file alone never grows so large.
    content = channel.run("open('one', 'wb').write(bytes(30_000_000))")
    assert (content["ename"], "File too large" in content["evalue"]) == ("OSError", True)


@best
def test_a_full_disk_is_an_error_of_the_code_and_of_nothing_else(
    gateway: GatewayProcess, tmp_path: Path, bystander: str
) -> None:
    folder = gateway.root / f"small-{tmp_path.name}"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("needs root to mount a small disk")
    try:
        id = gateway.start(path=folder.name)
        with gateway.channel(id) as channel:
            content = channel.run("open('x', 'wb').write(bytes(10_000_000))")
            assert (content["ename"], "No space left" in content["evalue"]) == ("OSError", True)
            run = channel.execute("print('goes on')")
            channel.reply(run)
            assert channel.text(run) == "goes on\n"
        gateway.delete(id)
        eventually(lambda: not any(folder.name in str(p) for p in open_folders(gateway)), "nobody works there any more")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def open_folders(gateway: GatewayProcess) -> list[str]:
    found = []
    for pid in kernel_pids(gateway.pid):
        try:
            found.append(os.readlink(f"/proc/{pid}/cwd"))
        except OSError:
            continue
    return found


@best
@pytest.mark.parametrize(
    "code",
    [
        "import os; os.closerange(0, 10_000)",
        "import os; os.close(1); os.close(2); os._exit(1)",
        "import signal, os; os.killpg(0, signal.SIGKILL)",
    ],
)
def test_whatever_it_does_to_itself_is_told_and_mended_by_a_restart(
    gateway: GatewayProcess, kernel: str, channel: Channel, code: str
) -> None:
    assert death_of(channel, code).startswith("The kernel ")
    assert gateway.http.post(f"/api/kernels/{kernel}/restart").json()["execution_state"] == "idle"
    assert channel.run("1 + 1")["status"] == "ok"


@best
def test_open_files_are_bounded(channel: Channel) -> None:
    content = channel.run("files = []\nwhile True: files.append(open('/dev/null'))")
    assert (content["ename"], "Too many open files" in content["evalue"]) == ("OSError", True)
    assert channel.run("files.clear(); 1 + 1")["status"] == "ok"


@best
@needs_bwrap
def test_it_cannot_end_who_holds_it(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    assert gateway.http.get("/healthz").json()["sandbox"]["level"] == "bwrap"  # it would be everyone else's end
    code = "import os\nfor pid in (os.getppid(), 1): os.kill(pid, 9)\nprint('lives')"
    id = channel.execute(code)
    assert channel.reply(id)["content"]["status"] == "ok"
    assert channel.text(id) == "lives\n"
    assert channel.run("os.kill(-1, 15)")["ename"] == "ProcessLookupError"
