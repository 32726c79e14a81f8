"""The sandbox of real kernels: what works in it as ever, and the plain ways out of it (kernels.md section 13, X18).

What it promises is in docs/isolation.md; each promise is tried here."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from kernelhost.sandbox import probe

from tests.kernels.client import TOKEN, Channel, GatewayProcess, eventually, is_alive, kernel_pids, state_of
from tests.support.wheels import make_wheel

WHY_NOT = probe("host", Path("/tmp"))
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"needs bubblewrap: {WHY_NOT}")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, start_gateway: Callable[..., GatewayProcess]) -> GatewayProcess:
    """Careless: its state, with the token, and its registry are in a folder that kernels work in."""
    folder = tmp_path_factory.mktemp("boxed")
    state = folder / "root" / "own" / "state.json"
    os.environ["AWS_SECRET_ACCESS_KEY"] = "a-secret"
    try:
        gateway = start_gateway("--sandbox", "bwrap", "--state", str(state), folder=folder)
    finally:
        del os.environ["AWS_SECRET_ACCESS_KEY"]
    assert TOKEN in state.read_text()
    return gateway


@pytest.fixture(scope="module")
def kernel(gateway: GatewayProcess) -> Iterator[str]:
    (gateway.root / "b").mkdir()
    (gateway.root / "b" / "secret").write_text("of another notebook")
    id = gateway.start(path="a/notebook.ipynb")
    yield id
    gateway.delete(id)


@pytest.fixture
def channel(gateway: GatewayProcess, kernel: str) -> Iterator[Channel]:
    with gateway.channel(kernel) as channel:
        yield channel
    if gateway.model(kernel)["execution_state"] == "dead":
        gateway.http.post(f"/api/kernels/{kernel}/restart")


def value(channel: Channel, code: str) -> Any:
    """What the code printed, which is JSON."""
    id = channel.execute(code)
    content = channel.reply(id)["content"]
    assert content["status"] == "ok", content
    return json.loads(channel.text(id))


# -- as ever ----------------------------------------------------------------------------------------------------------


def test_its_files_are_in_the_working_folder_and_are_the_gateways(gateway: GatewayProcess, channel: Channel) -> None:
    code = "import json, os; open('made', 'w').write('x'); print(json.dumps([os.getcwd(), os.path.expanduser('~')]))"
    assert value(channel, code) == ["/content", "/content"]
    about = (gateway.root / "a" / "made").stat()
    assert (about.st_uid, about.st_mode & 0o777) == (os.getuid(), 0o600)


# The shell says itself that it runs: C's system() ignores a signal that comes before its shell is there, anywhere.
RUNNING = {
    "a loop": "print('begun', flush=True)\nwhile True: pass",
    "a child": "import subprocess; print('begun', flush=True); subprocess.run(['sleep', '600'])",
    "a shell": "import os\nif os.system('echo begun; exec sleep 600'): raise KeyboardInterrupt",
    "await": "import asyncio; print('begun', flush=True); await asyncio.sleep(600)",
}


@pytest.mark.parametrize("what", RUNNING)
def test_i1_an_interrupt_reaches_the_code(gateway: GatewayProcess, kernel: str, channel: Channel, what: str) -> None:
    id = channel.execute(RUNNING[what])
    channel.until(lambda item: item["msg_type"] == "stream")
    gateway.http.post(f"/api/kernels/{kernel}/interrupt")
    assert channel.reply(id)["content"]["ename"] in ("KeyboardInterrupt", "CancelledError")
    assert channel.run("1")["status"] == "ok"


DEATHS = {
    "import os; os._exit(3)": "The kernel was ended by its own code (exit 3).",
    "import os; os.kill(os.getpid(), 9)": "The kernel was killed from outside (signal 9), perhaps",
    "import os; os.kill(os.getpid(), 15)": "The kernel was ended by signal 15 (SIGTERM).",
    "import ctypes; ctypes.string_at(0)": "The kernel crashed in native code (segmentation fault). Last words: Fatal",
}


@pytest.mark.parametrize("code", DEATHS)
def test_x16_a_death_is_told_with_its_reason(channel: Channel, code: str) -> None:
    channel.execute(code)
    told = channel.until(lambda item: state_of(item) == "dead")
    assert told["content"]["reason"].startswith(DEATHS[code])


def test_x17_a_daemon_ends_with_its_kernel(gateway: GatewayProcess) -> None:
    before = kernel_pids(gateway.pid)
    id = gateway.start()
    with gateway.channel(id) as channel:
        code = "import subprocess; subprocess.Popen(['setsid', '-f', 'sleep', '600']).wait(); print(1)"
        assert value(channel, code) == 1
        ours = map(psutil.Process, kernel_pids(gateway.pid) - before)
        (daemon,) = [process for process in ours if process.name() == "sleep"]
    gateway.delete(id)
    eventually(lambda: not is_alive(daemon.pid), "the daemon is killed")


def test_b9_packages_are_installed_into_an_environment_of_its_own(gateway: GatewayProcess) -> None:
    folder = gateway.root / "venv"
    folder.mkdir()
    wheel = make_wheel(folder, "spam_in_a_box")
    id = gateway.start(path="venv", env={"KERNEL_VENV": "1"})
    with gateway.channel(id) as channel:
        installing = channel.execute(f"%pip install --no-index ./{wheel.name}")
        assert channel.reply(installing)["content"]["status"] == "ok"
        assert "Successfully installed" in channel.text(installing)
        code = "import json, spam_in_a_box; print(json.dumps(spam_in_a_box.__file__))"
        assert value(channel, code).startswith("/content/.venv/lib/")
    gateway.delete(id)
    assert list(folder.glob(".venv/lib/*/site-packages/spam_in_a_box.py"))


# -- ways out ---------------------------------------------------------------------------------------------------------


def test_x18_it_sees_no_files_but_its_own_and_programs(gateway: GatewayProcess, channel: Channel) -> None:
    secrets = [
        gateway.root / "b" / "secret",
        Path("/content/../b/secret"),
        gateway.root / "own" / "state.json",
        gateway.root / "own" / "kernels",
        gateway.temp,
        Path(__file__),
        Path("/etc/shadow"),
        Path.home() / ".ssh",
        Path("/sys/fs/cgroup"),
        Path("/dev/vda"),
        Path("/dev/mem"),
    ]
    there = f"import json, os; print(json.dumps([path for path in {list(map(str, secrets))}"
    assert value(channel, f"{there} if os.path.exists(path)]))") == []
    code = "import json, os; print(json.dumps([sorted(os.listdir('/')), sorted(os.listdir('/content'))]))"
    top, own = value(channel, code)
    assert set(top) >= {"content", "proc", "usr"}
    assert not {"boot", "media", "mnt", "srv", "var"} & set(top)
    assert "b" not in own


def test_x18_a_kernel_of_the_whole_folder_does_not_see_what_is_the_gateways_in_it(gateway: GatewayProcess) -> None:
    id = gateway.start()
    with gateway.channel(id) as channel:
        code = """
import json, os
try:
    told = open("own/state.json").read()
except PermissionError:
    told = ""
print(json.dumps([os.path.exists("b/secret"), os.listdir("own/kernels"), told]))
"""
        assert value(channel, code) == [True, [], ""]
    gateway.delete(id)


def test_x18_it_writes_nowhere_but_in_its_folder(channel: Channel) -> None:
    code = """
import json, os, sys
places = ["/", "/usr", "/etc", "/proc/sys/kernel", "/run", "/root", sys.prefix, os.path.dirname(os.__file__)]
written = []
for place in places:
    try:
        with open(os.path.join(place, "kernelhost-was-here"), "w"):
            written.append(place)
    except OSError:
        pass
files = ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/run/kernel/read", "/sys/devices/system/cpu/online"]
for path in files:
    try:
        os.close(os.open(path, os.O_WRONLY))
        written.append(path)
    except OSError:
        pass
print(json.dumps(written))
"""
    assert value(channel, code) == []


def test_b5_rule_7_its_environment_and_descriptors_are_its_own(channel: Channel) -> None:
    code = """
import json, os
inherited = []
for name in os.listdir("/proc/self/fd"):
    try:
        target = os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        continue
    if target.startswith("/") and not target.startswith(("/proc/", "/dev/null", "/dev/urandom")):
        inherited.append(target)
init = open("/proc/1/environ").read().split("\\0")
print(json.dumps([dict(os.environ), [line.partition("=")[0] for line in init], inherited]))
"""
    environment, of_init, inherited = value(channel, code)
    for names in (environment, of_init):
        assert not [name for name in names if "SECRET" in name or "TOKEN" in name or name.startswith("KERNELHOST")]
    assert (environment["HOME"], "JPY_PARENT_PID" in environment) == ("/content", False)
    assert TOKEN not in json.dumps(environment)
    # Its log, which is ours, is what standard output and error are.
    assert {Path(target).name for target in inherited} <= {"log", "read"}


def test_x18_it_sees_and_signals_no_process_but_its_own(gateway: GatewayProcess, channel: Channel) -> None:
    code = f"""
import json, os
def tried(pid):
    try:
        os.kill(pid, 0)
    except OSError as error:
        return type(error).__name__
    return "reached"
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
print(json.dumps([pids, tried({gateway.pid}), tried({os.getpid()})]))
"""
    pids, *reached = value(channel, code)
    assert max(pids) < 10_000
    assert len(pids) <= 4
    assert reached == ["ProcessLookupError", "ProcessLookupError"]
    # Everything it may signal: its own, of which the first takes none.
    with pytest.raises(AssertionError, match="ProcessLookupError"):
        value(channel, "import os; os.kill(-1, 9)")
    assert gateway.http.get("/api/status").status_code == 200


def test_b4_it_makes_no_namespaces_mounts_or_keys_and_traces_nobody(channel: Channel) -> None:
    code = """
import ctypes, json, os, platform
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, *arguments):
    ctypes.set_errno(0)
    return getattr(libc, name)(*arguments) == -1 and ctypes.get_errno()
numbers = {"x86_64": {"keyctl": 250, "bpf": 321, "clone3": 435}, "aarch64": {"keyctl": 219, "bpf": 280, "clone3": 435}}
number = numbers[platform.machine()]
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({
    "unshare user": tried("unshare", 0x10000000),
    "unshare mount": tried("unshare", 0x00020000),
    "mount": tried("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "umount": tried("umount2", b"/proc/sys", 2),
    "setns": tried("setns", 0, 0),
    "ptrace": tried("ptrace", 0, 0, None, None),
    "chroot": tried("chroot", b"/tmp"),
    "keyctl": tried("syscall", number["keyctl"], 0, -3, 0),
    "bpf": tried("syscall", number["bpf"], 0, None, 0),
    "clone3": tried("syscall", number["clone3"], None, 0),
    "capabilities": status["CapEff"].strip(),
    "filter": status["Seccomp"].strip(),
    "new privileges": status["NoNewPrivs"].strip(),
}))
"""
    told = value(channel, code)
    assert (told.pop("capabilities"), told.pop("filter"), told.pop("new privileges")) == ("0" * 16, "2", "1")
    assert told.pop("clone3") == 38  # "there is none", so that C libraries use clone
    assert {what for what, error in told.items() if error != 1} == set()
    assert value(channel, "import os; print(os.system('unshare -U true 2>/dev/null') != 0 and 1)") == 1


def test_x18_our_loopback_services_want_their_token_and_without_a_network_are_not_there(
    gateway: GatewayProcess, channel: Channel, start_gateway: Callable[..., GatewayProcess]
) -> None:
    code = """
import json, urllib.request, urllib.error
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
try:
    print(json.dumps(opener.open("{url}/api/kernels", timeout=5).status))
except urllib.error.HTTPError as error:
    print(json.dumps(error.code))
except OSError as error:
    print(json.dumps(type(error).__name__))
"""
    assert value(channel, code.format(url=gateway.url)) == 403
    cut_off = start_gateway("--sandbox", "bwrap", "--network", "none")
    id = cut_off.start()
    with socket.create_server(("127.0.0.1", 0)) as service, cut_off.channel(id) as other:
        assert value(other, code.format(url=cut_off.url)) == "URLError"
        address = service.getsockname()
        code = f"import json, socket; print(json.dumps(socket.socket().connect_ex({address!r})))"
        assert value(other, code) == 111  # connection refused, in a network of its own
    cut_off.delete(id)


def test_x18_links_in_its_folder_lead_us_nowhere(gateway: GatewayProcess, channel: Channel) -> None:
    """What we write and read of a kernel is not in a folder that it can write to."""
    secret = gateway.root / "b" / "secret"
    code = f"""
import json, os
for name in os.listdir("/run/kernel"):
    try:
        os.remove("/run/kernel/" + name)
        os.symlink({str(secret)!r}, "/run/kernel/" + name)
    except OSError:
        pass
os.symlink({str(secret)!r}, "/run/kernel/log")
os._exit(1)
"""
    channel.execute(code)
    told = channel.until(lambda item: state_of(item) == "dead")
    assert "of another notebook" not in json.dumps(told)
    assert secret.read_text() == "of another notebook"


def test_a_folder_that_is_shown_is_read_and_not_written(
    tmp_path: Path, start_gateway: Callable[..., GatewayProcess]
) -> None:
    (tmp_path / "data").write_text("1")
    gateway = start_gateway("--sandbox", "bwrap", "--show", str(tmp_path))
    id = gateway.start()
    with gateway.channel(id) as channel:
        assert value(channel, f"print(open({str(tmp_path / 'data')!r}).read())") == 1
        assert channel.run(f"open({str(tmp_path / 'data')!r}, 'w')")["ename"] == "OSError"
    gateway.delete(id)


def test_d1_a_host_that_is_killed_takes_the_sandbox_along(gateway: GatewayProcess) -> None:
    before = kernel_pids(gateway.pid)
    id = gateway.start()
    ours = kernel_pids(gateway.pid) - before
    hosts = [pid for pid in ours if "kernelhost.host" in psutil.Process(pid).cmdline()]
    assert len(ours) >= 4
    os.kill(hosts[0], signal.SIGKILL)
    eventually(lambda: not any(map(is_alive, ours)), "nothing of the sandbox is left")
    gateway.delete(id)


def test_many_sandboxes_begin_at_once(gateway: GatewayProcess) -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: gateway.start(), range(4)))
    for id in ids:
        gateway.delete(id)
