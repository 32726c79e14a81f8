"""A gateway that root does not run: no control groups to write to, but limits and a sandbox all the same.

The tests run as root in some places, and elsewhere as whom they stand for; root becomes nobody here, with a view of the
files in which the interpreter is not below a folder of root's."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels.client import Channel, GatewayProcess, eventually, is_alive, state_of

# $1: the folder above which others may not look; the rest is the command.
AS_NOBODY = """
closed=$1; shift
kept=/mnt; mount --rbind "$closed" "$kept" && mount -t tmpfs -o mode=755 none "$closed" || exit 1
for name in $(ls -A "$kept"); do
    if [ -d "$kept/$name" ]; then mkdir "$closed/$name" && mount --rbind "$kept/$name" "$closed/$name"; fi
done
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""


def closed_folder() -> Path | None:
    """The outermost one on the way to the interpreter that only root may enter."""
    for folder in reversed(Path(os.path.realpath(sys.executable)).parents):
        if not folder.stat().st_mode & 0o005:
            return folder
    return None


def wrapper() -> list[str]:
    if os.getuid() != 0:
        return []
    closed = closed_folder()
    if closed is None:
        return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    return ["unshare", "--mount", "sh", "-c", AS_NOBODY, "sh", str(closed)]


def why_not() -> str:
    line = [*wrapper(), sys.executable, "-c", "import kernelhost, os; print(os.getuid())"]
    ran = subprocess.run(line, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 and ran.stdout.strip() != "0" else (ran.stderr.strip() or "it stays root")


WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"cannot be anybody else here: {WHY_NOT[-200:]}")


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    # pytest's own temp folders are closed to others, by every pytest that starts.
    with tempfile.TemporaryDirectory(prefix="ordinary-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("t", "root"):
            (folder / part).mkdir()
            (folder / part).chmod(0o777)
        arguments = ["--memory", "400MiB", "--processes", "60", "--sandbox", "auto"]
        environment = {"HOME": str(folder / "root")}
        gateway = GatewayProcess(folder, *arguments, environment=environment, wrapper=wrapper())
        yield gateway
        assert gateway.end() == 0


@pytest.fixture(scope="module")
def kernel(gateway: GatewayProcess) -> Iterator[str]:
    id = gateway.start()
    yield id
    gateway.delete(id)


@pytest.fixture
def channel(gateway: GatewayProcess, kernel: str) -> Iterator[Channel]:
    with gateway.channel(kernel) as channel:
        yield channel
    if gateway.model(kernel)["execution_state"] == "dead":
        gateway.http.post(f"/api/kernels/{kernel}/restart")


def test_a_kernel_runs_and_is_interrupted(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    told = gateway.http.get("/healthz").json()
    assert told["sandbox"]["as_root"] is False
    run = channel.execute("print('begun', flush=True)\nwhile True: pass")
    channel.until(lambda item: item["msg_type"] == "stream")
    gateway.http.post(f"/api/kernels/{kernel}/interrupt")
    assert channel.reply(run)["content"]["ename"] == "KeyboardInterrupt"


def test_its_files_are_the_gateways_users(gateway: GatewayProcess, channel: Channel) -> None:
    assert channel.run("open('made', 'w').close()")["status"] == "ok"
    assert (gateway.root / "made").stat().st_uid != 0


def test_where_there_is_a_sandbox_it_keeps_out_as_for_root(gateway: GatewayProcess, channel: Channel) -> None:
    if gateway.http.get("/healthz").json()["sandbox"]["level"] == "none":
        pytest.skip("bubblewrap does not work here")
    code = """
import ctypes, json, os
libc = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
few = len([name for name in os.listdir("/proc") if name.isdigit()]) <= 4
told = [os.getcwd(), os.path.exists("/etc/shadow"), libc.unshare(0x10000000), status["CapEff"].strip(), few]
print(json.dumps([*told, os.access("/proc/sys/kernel", os.W_OK)]))
"""
    run = channel.execute(code)
    assert channel.reply(run)["content"]["status"] == "ok"
    assert json.loads(channel.text(run)) == ["/content", False, -1, "0" * 16, True, False]


def test_processes_are_refused_by_the_system(gateway: GatewayProcess, channel: Channel) -> None:
    if gateway.http.get("/healthz").json()["cage"]["driver"] != "rlimits":
        pytest.skip("there are control groups for this user")
    code = "import subprocess\nchildren = []\nwhile True: children.append(subprocess.Popen(['sleep', '600']))"
    run = channel.execute(code)
    assert channel.reply(run)["content"]["ename"] == "BlockingIOError"
    assert channel.run("for child in children: child.kill()")["status"] == "ok"


def test_memory_is_watched(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    channel.execute("kept = []\nwhile True: kept.append(bytearray(1_000_000))")
    told = channel.until(lambda item: state_of(item) == "dead")
    assert "of 400 MiB. Variables are lost; outputs are kept." in told["content"]["reason"]


def test_a_daemon_ends_with_its_kernel(gateway: GatewayProcess) -> None:
    """Also without a sandbox, where it is in a session of its own and its parent is gone."""
    id = gateway.start()
    seconds = 100_000 + int(id[:8], 16)  # by which it is found
    with gateway.channel(id) as channel:
        code = f"import subprocess; subprocess.run(['setsid', '-f', 'sleep', '{seconds}'])"
        run = channel.execute(code)
        assert channel.reply(run)["content"]["status"] == "ok"
        eventually(lambda: bool(sleepers(seconds)), "the daemon sleeps")
        (daemon,) = sleepers(seconds)
    gateway.delete(id)
    eventually(lambda: not is_alive(daemon), "the daemon is killed")


def sleepers(seconds: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"sleep\0{seconds}\0".encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if b"setsid" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
