"""Starting, interrupting, restarting, dying and ending (kernels.md section 9)."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.kernels.client import Channel, GatewayProcess, eventually, is_alive, kernel_pids, state_of

Start = Callable[..., GatewayProcess]


@pytest.fixture(scope="module")
def channel(gateway: GatewayProcess, kernel: str) -> Iterator[Channel]:
    with gateway.channel(kernel, "life") as channel:
        yield channel


def value(channel: Channel, code: str) -> str:
    id = channel.execute(code)
    assert channel.reply(id)["content"]["status"] == "ok"
    return channel.text(id).strip()


def pid_of(channel: Channel) -> int:
    return int(value(channel, "import os; print(os.getpid())"))


def wait_for_print(channel: Channel, text: str) -> None:
    channel.until(lambda message: text in str(message["content"].get("text", "")))


# -- starting ---------------------------------------------------------------------------------------------------------


def test_b5_l5_a_kernel_sees_nothing_of_ours(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    code = "import json, os, sys; print(json.dumps([dict(os.environ), os.getcwd(), sys.path, list(globals())]))"
    environment, folder, path, names = json.loads(value(channel, code))
    assert [
        key for key in environment if "TOKEN" in key or "SECRET" in key or key.startswith(("COLLAB", "KERNELH"))
    ] == []
    assert "a-secret" not in str(environment)
    assert Path(folder) == gateway.root
    assert [entry for entry in path if entry.endswith("kernelhost")] == []
    assert not {"bound_streams", "main", "signal"} & set(names)


def test_a_kernel_has_its_own_folder_group_and_no_descriptor_of_the_gateways(
    gateway: GatewayProcess, channel: Channel
) -> None:
    id = gateway.start(path="a/folder")
    with gateway.channel(id) as other:
        code = "import os; print(os.getcwd(), os.getpgid(0) == os.getsid(0) == os.getpid())"
        assert value(other, code) == f"{gateway.root / 'a/folder'} True"
        opened = {Path(file.path).name for file in psutil.Process(pid_of(other)).open_files()}
        assert opened <= {"log", "read"}  # its own log, and how far the gateway has read
    gateway.delete(id)


@pytest.mark.parametrize(
    ("name", "words"),
    [("no-program", "/no/such/program cannot be run (No such file"), ("exits", "No module named spam")],
)
def test_a_kernel_that_cannot_be_started_says_why(gateway: GatewayProcess, name: str, words: str) -> None:
    before = kernel_pids(gateway.pid)  # one that another test ended may still be among them
    answer = gateway.http.post("/api/kernels", json={"name": name})
    assert (answer.status_code, words in answer.json()["message"]) == (503, True)
    assert answer.json()["message"].endswith((".", "spam"))
    assert kernel_pids(gateway.pid) <= before


def test_a_kernel_that_is_not_ipykernel_is_started_as_it_says(gateway: GatewayProcess) -> None:
    id = gateway.start(name="not-ours")
    with gateway.channel(id) as channel:
        assert value(channel, "import sys; print(sys.argv[0])") == "-c"
    gateway.delete(id)


def test_delete_while_starting_ends_it_at_once(gateway: GatewayProcess) -> None:
    kernel = "11111111-1111-1111-1111-111111111111"
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(gateway.http.post, "/api/kernels", json={"name": "says-nothing", "kernel_id": kernel})
        eventually(lambda: gateway.http.get(f"/api/kernels/{kernel}").status_code == 200, "the kernel is starting")
        assert gateway.model(kernel)["execution_state"] == "starting"
        began = time.monotonic()
        gateway.delete(kernel)
        answer = starting.result(10)
    assert (answer.status_code, "was shut down" in answer.json()["message"]) == (503, True)
    assert time.monotonic() - began < 2


# -- interrupting -----------------------------------------------------------------------------------------------------

RUNNING = {
    "a loop": "print('begun', flush=True)\nwhile True: pass",
    "sleep": "import time; print('begun', flush=True); time.sleep(600)",
    "a child": "import subprocess; print('begun', flush=True); subprocess.run(['sleep', '600'])",
    "await": "import asyncio; print('begun', flush=True); await asyncio.sleep(600)",
}


@pytest.mark.parametrize("what", RUNNING)
def test_x14_an_interrupt_ends_the_cell(gateway: GatewayProcess, kernel: str, channel: Channel, what: str) -> None:
    id = channel.execute(RUNNING[what])
    wait_for_print(channel, "begun")
    assert gateway.http.post(f"/api/kernels/{kernel}/interrupt").status_code == 204
    content = channel.reply(id)["content"]
    assert (content["status"], content["ename"]) == (
        "error",
        "CancelledError" if what == "await" else "KeyboardInterrupt",
    )
    assert value(channel, "print(1)") == "1"


def test_x14_an_interrupt_ends_a_question(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    id = channel.execute("input()")
    channel.until(lambda message: message["msg_type"] == "input_request")
    gateway.http.post(f"/api/kernels/{kernel}/interrupt")
    assert channel.reply(id)["content"]["ename"] == "KeyboardInterrupt"


def test_i2_an_interrupt_right_after_the_run_is_not_lost(
    gateway: GatewayProcess, kernel: str, channel: Channel
) -> None:
    for _ in range(5):
        id = channel.execute("while True: pass")
        eventually(lambda: gateway.model(kernel)["execution_state"] == "busy", "the gateway has the request")
        gateway.http.post(f"/api/kernels/{kernel}/interrupt")
        assert channel.reply(id)["content"]["ename"] == "KeyboardInterrupt"


def test_x14_an_interrupt_between_requests_does_no_harm(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    before = pid_of(channel)
    gateway.http.post(f"/api/kernels/{kernel}/interrupt")
    assert pid_of(channel) == before


def test_an_interrupt_request_of_a_client_goes_through(channel: Channel) -> None:
    id = channel.execute("print('begun', flush=True)\nwhile True: pass")
    wait_for_print(channel, "begun")
    channel.send("interrupt_request", {}, "control")
    assert channel.reply(id)["content"]["ename"] == "KeyboardInterrupt"


def test_i1_message_mode_interrupts_over_control(gateway: GatewayProcess) -> None:
    id = gateway.start(name="by-message")
    with gateway.channel(id) as channel:
        run = channel.execute("print('begun', flush=True)\nwhile True: pass")
        wait_for_print(channel, "begun")
        gateway.http.post(f"/api/kernels/{id}/interrupt")
        assert channel.reply(run)["content"]["ename"] == "KeyboardInterrupt"
        assert "interrupt_reply" not in [message["msg_type"] for message in channel.got]
    gateway.delete(id)


# -- restarting -------------------------------------------------------------------------------------------------------


def test_x15_a_restart_while_busy_answers_what_was_asked_and_goes_on(
    gateway: GatewayProcess, kernel: str, channel: Channel
) -> None:
    before = pid_of(channel)
    generation = gateway.model(kernel)["generation"]
    running = channel.execute("kept = 1; print('begun', flush=True)\nwhile True: pass")
    waiting = channel.execute("1")
    wait_for_print(channel, "begun")
    channel.got.clear()
    answer = gateway.http.post(f"/api/kernels/{kernel}/restart")
    assert (answer.status_code, answer.json()["generation"]) == (200, generation + 1)
    channel.until(lambda message: state_of(message) == "idle" and not message["parent_header"])
    replies = {
        message["parent_header"]["msg_id"]: message["content"]["status"]
        for message in channel.got
        if message["msg_type"] == "execute_reply"
    }
    assert replies == {running: "aborted", waiting: "aborted"}
    own = [
        state_of(message) for message in channel.got if message["msg_type"] == "status" and not message["parent_header"]
    ]
    # Never "restarting", which is a death to JupyterLab. The new process may say "starting" itself.
    assert (own[0], set(own[1:-1]) <= {"starting"}, own[-1]) == ("starting", True, "idle")
    assert pid_of(channel) != before
    assert not is_alive(before)
    assert channel.run("kept")["ename"] == "NameError"


def test_x15_restarts_at_once_and_messages_meanwhile_all_end_well(
    gateway: GatewayProcess, kernel: str, channel: Channel
) -> None:
    generation = gateway.model(kernel)["generation"]
    with ThreadPoolExecutor() as pool:
        restarts = [pool.submit(gateway.http.post, f"/api/kernels/{kernel}/restart") for _ in range(2)]
        for _ in restarts:
            channel.until(lambda message: "generation" in message["content"] and state_of(message) == "starting")
        sent = channel.execute("print('held')")
        assert [restart.result(30).status_code for restart in restarts] == [200, 200]
    assert channel.reply(sent)["content"]["status"] == "ok"
    assert channel.text(sent) == "held\n"
    assert gateway.model(kernel)["generation"] == generation + 2


# -- dying ------------------------------------------------------------------------------------------------------------

DEATHS = {
    "import os; os._exit(3)": "The kernel was ended by its own code (exit 3).",
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": "The kernel was killed from outside (signal 9), perhaps",
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)": "The kernel was ended by signal 15 (SIGTERM).",
    "import ctypes; ctypes.string_at(0)": "The kernel crashed in native code (segmentation fault). Last words: Fatal",
    "import os; os.abort()": "The kernel crashed in native code (abort). Last words: Fatal Python error: Aborted",
}


@pytest.mark.parametrize("code", DEATHS)
def test_x16_a_death_is_told_at_once_with_its_reason(
    gateway: GatewayProcess, kernel: str, channel: Channel, code: str
) -> None:
    child = int(value(channel, "import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid)"))
    channel.got.clear()
    dying = channel.execute(code)
    behind = channel.execute("1")
    began = time.monotonic()
    told = channel.until(lambda message: state_of(message) == "dead")
    assert time.monotonic() - began < 2
    assert told["content"]["reason"].startswith(DEATHS[code])
    assert (told["parent_header"], set(told["header"]) >= {"msg_id", "msg_type", "username", "session", "version"}) == (
        {},
        True,
    )
    replies = {
        message["parent_header"]["msg_id"]: (message["content"]["status"], message["content"]["evalue"])
        for message in channel.got
        if message["msg_type"] == "execute_reply"
    }
    assert replies == {dying: ("aborted", told["content"]["reason"]), behind: ("aborted", told["content"]["reason"])}
    model = gateway.model(kernel)
    assert (model["execution_state"], model["reason"]) == ("dead", told["content"]["reason"])
    assert not is_alive(child)
    # Who asks a dead kernel, or comes to it, hears that it is dead.
    assert channel.run("1")["status"] == "aborted"
    with gateway.channel(kernel) as other:
        assert state_of(other.receive()) == "dead"
    assert gateway.http.post(f"/api/kernels/{kernel}/restart").json()["execution_state"] == "idle"
    assert value(channel, "print('alive')") == "alive"


def test_i5_a_kernel_killed_from_outside_while_idle_is_noticed(
    gateway: GatewayProcess, kernel: str, channel: Channel
) -> None:
    psutil.Process(pid_of(channel)).kill()
    began = time.monotonic()
    told = channel.until(lambda message: state_of(message) == "dead")
    assert time.monotonic() - began < 2
    assert "signal 9" in told["content"]["reason"]
    gateway.http.post(f"/api/kernels/{kernel}/restart")


# -- ending -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["REST", "message"])
def test_whoever_listens_hears_of_the_end(gateway: GatewayProcess, by: str) -> None:
    id = gateway.start()
    with gateway.channel(id, "a") as channel, gateway.channel(id, "b") as other:
        pid = pid_of(channel)
        running = other.execute("print('begun', flush=True)\nwhile True: pass")
        wait_for_print(channel, "begun")
        if by == "REST":
            gateway.delete(id)
        else:
            channel.send("shutdown_request", {"restart": False}, "control")
            reply = channel.until(lambda message: message["msg_type"] == "shutdown_reply")
            assert reply["content"] == {"status": "ok", "restart": False}
        assert gateway.http.get(f"/api/kernels/{id}").status_code == 404
        for one in (channel, other):
            assert one.closed() == (1000, "The kernel was shut down.")
            assert state_of(one.got[-1]) == "dead"
        aborted = [message for message in other.got if message["msg_type"] == "execute_reply"]
        assert [(item["parent_header"]["msg_id"], item["content"]["status"]) for item in aborted] == [
            (running, "aborted")
        ]
    eventually(lambda: not is_alive(pid), "the kernel's process ends")


def test_a_shutdown_request_with_restart_restarts(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    before = pid_of(channel)
    channel.send("shutdown_request", {"restart": True}, "control")
    channel.until(lambda message: message["msg_type"] == "shutdown_reply")
    channel.until(lambda message: state_of(message) == "idle" and not message["parent_header"])
    assert pid_of(channel) != before
    assert gateway.http.get(f"/api/kernels/{kernel}").status_code == 200


def test_i7_a_kernel_that_will_not_end_is_made_to(gateway: GatewayProcess) -> None:
    id = gateway.start()
    with gateway.channel(id) as channel:
        code = """
        import os, signal, subprocess, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sh", "-c", "trap '' TERM INT; sleep 600"])
        print(os.getpid(), child.pid)
        """
        pids = [int(word) for word in value(channel, code).split()]
        channel.execute(
            "print('begun', flush=True)\nwhile True:\n  try:\n    while True: pass\n  except BaseException: pass"
        )
        wait_for_print(channel, "begun")
        gateway.delete(id)
        channel.closed()
    eventually(lambda: not any(map(is_alive, pids)), "the kernel and its child are killed")


def test_x28_kernels_leave_no_process_descriptor_or_folder(start_gateway: Start) -> None:
    gateway = start_gateway()
    process = psutil.Process(gateway.pid)

    def cycle(_: int) -> None:
        id = gateway.start()
        with gateway.channel(id, "s") as channel:
            assert channel.run("1")["status"] == "ok"
        gateway.delete(id)

    def settled() -> bool:
        return not kernel_pids(gateway.pid) and not folders()

    def folders() -> list[Path]:
        return [path for path in gateway.temp.glob("kernelhost-*/*") if path.name not in ("lock", "hosts.log")]

    cycle(0)
    eventually(settled, "the first kernel is gone")
    before = process.num_fds()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(cycle, range(8)))
    eventually(settled, "all kernels are gone")
    eventually(lambda: process.num_fds() <= before + 2, f"{process.num_fds()} descriptors, {before} before")
    assert gateway.end() == 0
    assert list(gateway.temp.iterdir()) == []


def test_the_gateways_end_is_the_end_of_its_kernels(start_gateway: Start, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    gateway = start_gateway("--state", str(state))
    assert state.stat().st_mode & 0o777 == 0o600
    id = gateway.start()
    with gateway.channel(id) as channel:
        channel.execute("while True: pass")
        channel.until(lambda message: message["msg_type"] == "execute_input")
        pids = kernel_pids(gateway.pid)
        ended = threading.Thread(target=gateway.end, args=[signal.SIGINT])
        ended.start()
        code = channel.closed()[0]
        ended.join(20)
    assert code in (1000, 1012)
    assert (gateway.process.returncode, state.exists(), list(gateway.temp.iterdir())) == (0, False, [])
    assert [pid for pid in pids if is_alive(pid)] == []


def test_d1_a_gateway_without_a_folder_takes_its_kernels_along_when_it_is_killed_and_the_next_one_clears_up(
    start_gateway: Start, tmp_path: Path
) -> None:
    gateway = start_gateway(folder=tmp_path)
    id = gateway.start()
    with gateway.channel(id) as channel:
        # Code that keeps the interpreter's lock: what watches for its parent in a thread would not get a turn.
        channel.execute("import ctypes; open('begun', 'w').close(); ctypes.PyDLL(None).sleep(600)")
        eventually((gateway.root / "begun").exists, "the code runs")
        pids = kernel_pids(gateway.pid)
        assert gateway.end(signal.SIGKILL) == -signal.SIGKILL
    eventually(lambda: not any(map(is_alive, pids)), "the kernel ends with its gateway", 2)
    assert len(list(gateway.temp.iterdir())) == 1
    second = start_gateway(folder=tmp_path)
    assert len(list(gateway.temp.iterdir())) == 1
    assert second.end() == 0
    assert list(gateway.temp.iterdir()) == []
