"""GPUs through the gateway: what a kernel is told, who waits, who keeps what. On devices pretended, and a real one."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from kernelhost.gpus.nvml import driver

from tests.kernels.client import GatewayProcess, Message, eventually, is_alive

GIB = 1 << 30
Start = Callable[..., GatewayProcess]
IDS = [f"{number}{number}{number}{number}0000-0000-0000-0000-000000000000" for number in range(10)]
TOLD = """
import json, os
names = ("CUDA_VISIBLE_DEVICES", "XLA_CLIENT_MEM_FRACTION", "KERNELHOST_GPU_SHARE")
print(json.dumps([os.getpid(), *(os.environ.get(name) for name in names)]))
"""


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says who uses the devices that are pretended."""
    return tmp_path_factory.mktemp("gpus") / "uses"


@pytest.fixture(scope="module")
def gpus(start_gateway: Start, tmp_path_factory: pytest.TempPathFactory, uses: Path) -> GatewayProcess:
    """Two of them."""
    data = tmp_path_factory.mktemp("data")
    return start_gateway("--gpus", f"fake:2x24GiB@{uses}", "--gpu-share", "0.5", "--data", str(data))


def told(gateway: GatewayProcess, kernel: str) -> list[object]:
    with gateway.channel(kernel) as channel:
        id = channel.execute(TOLD)
        channel.reply(id)
        return list(json.loads(channel.text(id)))


def ask(gateway: GatewayProcess, number: int, gpus: str, **more: str) -> tuple[int, Message]:
    body = {"kernel_id": IDS[number], "env": {"KERNEL_GPUS": gpus} | more}
    answer = gateway.http.post("/api/kernels", json=body)
    assert answer.status_code != 503 or answer.headers["Retry-After"] == "10"
    return answer.status_code, dict(answer.json())


def listing(gateway: GatewayProcess) -> tuple[list[Message], list[Message]]:
    value = gateway.http.get("/api/gpus").json()
    return value["devices"], value["queue"]


def free(gateway: GatewayProcess) -> list[float]:
    return [device["free_fraction"] for device in listing(gateway)[0]]


def used(gateway: GatewayProcess, kernel: str) -> list[int]:
    samples = gateway.http.get(f"/api/kernels/{kernel}/usage").json()["samples"]
    return [gpu["memory_bytes"] for sample in samples for gpu in sample["gpus"]]


def end(gateway: GatewayProcess, *numbers: int) -> None:
    for number in numbers:
        gateway.delete(IDS[number])
    eventually(lambda: free(gateway) == [1.0, 1.0], "nothing is held")


def test_a_kernel_sees_what_it_was_given_and_others_see_none(gpus: GatewayProcess) -> None:
    code, model = ask(gpus, 0, "0.25", KERNEL_GPU_MEMORY="8GiB")
    devices, _ = listing(gpus)
    uuid = devices[0]["uuid"]
    assert (code, model["gpus"]) == (
        201,
        [{"uuid": uuid, "name": "Fake GPU 24GiB", "fraction": 0.25, "memory_bytes": 8 * GIB}],
    )
    assert told(gpus, IDS[0])[1:] == [uuid, f"{7.5 / 24:.4f}", None]
    plain = gpus.start()
    assert told(gpus, plain)[1:] == ["", None, None]
    assert gpus.model(plain)["gpus"] == []
    held = [{"kernel": IDS[0], "fraction": 0.25, "memory_bytes": 8 * GIB}]
    assert (devices[0]["held"], devices[0]["free_fraction"], devices[1]["held"]) == (held, 0.75, [])
    gpus.delete(plain)
    end(gpus, 0)


@pytest.mark.parametrize(
    ("env", "code", "words"),
    [
        ({"KERNEL_GPUS": "lots"}, 400, "ask for 0, any"),
        ({"KERNEL_GPU_MEMORY": "much"}, 400, "write it as 4GiB"),
        ({"KERNEL_GPUS": "3"}, 403, "No kernel can have 3 GPUs here: there are 2 GPUs"),
    ],
)
def test_what_cannot_be_given_is_refused(gpus: GatewayProcess, env: dict[str, str], code: int, words: str) -> None:
    answer = gpus.http.post("/api/kernels", json={"env": env})
    assert (answer.status_code, words in answer.json()["message"]) == (code, True)


def test_a_machine_without_gpus_says_so(gateway: GatewayProcess) -> None:
    if driver().devices():
        pytest.skip("this machine has a GPU")
    answer = gateway.http.post("/api/kernels", json={"env": {"KERNEL_GPUS": "any"}})
    assert (answer.status_code, "KERNEL_GPUS=0" in answer.json()["message"]) == (400, True)
    assert gateway.http.get("/api/gpus").json() == {"devices": [], "queue": []}


def test_g2_who_comes_late_waits_in_line_and_a_death_makes_room(gpus: GatewayProcess) -> None:
    assert ask(gpus, 1, "2")[0] == 201
    first = {"message": "No GPU is free: 2 of 2 in use. You are 1st in line.", "reason": "gpu_queue", "position": 1}
    assert ask(gpus, 2, "1") == (503, first)
    assert [ask(gpus, number, "any")[1]["position"] for number in (3, 2, 3)] == [2, 1, 2]
    assert [place["kernel"] for place in listing(gpus)[1]] == [IDS[2], IDS[3]]
    assert gpus.http.post("/api/kernels", json={"env": {"KERNEL_GPUS": "1"}}).json()["position"] is None
    gpus.delete(IDS[2])  # gives up its place
    assert listing(gpus)[1] == [{"kernel": IDS[3], "position": 1, "wish": "0.5 GPU"}]

    before = told(gpus, IDS[1])
    assert gpus.http.post(f"/api/kernels/{IDS[1]}/restart").status_code == 200
    after = told(gpus, IDS[1])
    assert (after[0] != before[0], after[1:]) == (True, before[1:])  # a restart keeps them

    with gpus.channel(IDS[1]) as channel:
        channel.execute("import os; os._exit(7)")
        channel.until(lambda message: message["content"].get("execution_state") == "dead")
    assert free(gpus) == [1.0, 1.0]
    assert ask(gpus, 3, "any")[0] == 201
    again = gpus.http.post(f"/api/kernels/{IDS[1]}/restart")
    assert (again.status_code, again.json()["position"]) == (503, 1)
    end(gpus, 3)
    assert gpus.http.post(f"/api/kernels/{IDS[1]}/restart").status_code == 200
    assert told(gpus, IDS[1])[1:] == before[1:]
    end(gpus, 1)


def test_a_dead_kernel_may_get_another_gpu_than_it_had(gpus: GatewayProcess) -> None:
    first, second = (device["uuid"] for device in listing(gpus)[0])
    assert ask(gpus, 4, "1")[1]["gpus"][0]["uuid"] == first
    with gpus.channel(IDS[4]) as channel:
        channel.execute("import os; os._exit(7)")
        channel.until(lambda message: message["content"].get("execution_state") == "dead")
    assert ask(gpus, 5, "0.5")[1]["gpus"][0]["uuid"] == first
    assert gpus.http.post(f"/api/kernels/{IDS[4]}/restart").json()["gpus"][0]["uuid"] == second
    assert told(gpus, IDS[4])[1] == second
    with gpus.channel(IDS[5]) as channel:
        channel.execute("import os; os._exit(7)")
        channel.until(lambda message: message["content"].get("execution_state") == "dead")
    assert ask(gpus, 3, "1")[1]["gpus"][0]["uuid"] == first
    assert gpus.http.post(f"/api/kernels/{IDS[5]}/restart").json()["position"] == 1
    end(gpus, 3, 4, 5)
    assert listing(gpus)[1] == []
    assert gpus.http.get(f"/api/kernels/{IDS[5]}").status_code == 404  # who waits for a restart is deleted all the same


def test_a_kernel_over_its_share_is_interrupted_and_then_stopped(gpus: GatewayProcess, uses: Path) -> None:
    ask(gpus, 6, "0.25")
    pid = told(gpus, IDS[6])[0]
    uses.write_text(f"0 {pid} {GIB}\n")
    eventually(lambda: GIB in used(gpus, IDS[6]), "the use of the GPU is told")
    with gpus.channel(IDS[6]) as channel:
        id = channel.execute("import time\nprint('begun', flush=True)\ntime.sleep(600)")
        channel.until(lambda message: "begun" in str(message["content"].get("text", "")))
        uses.write_text(f"0 {pid} {9 * GIB}\n")
        assert channel.reply(id)["content"]["ename"] == "KeyboardInterrupt"
        assert "uses 9.0 GiB of GPU memory, over its share of 6.0 GiB: its code was interrupted" in channel.text(id)
        dead = channel.until(lambda message: message["content"].get("execution_state") == "dead")
    uses.unlink()
    reason = "The kernel was stopped because it used 9.0 GiB of GPU memory, over its share of 6.0 GiB."
    assert reason in str(dead["content"])
    assert gpus.model(IDS[6])["reason"] == reason
    assert not is_alive(int(str(pid)))
    end(gpus, 6)


def test_what_a_kernel_holds_outlives_the_gateway(
    start_gateway: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("k")
    flags = ("--gpus", "fake:2x24GiB", "--data", str(folder / "data"))
    before = start_gateway(*flags, folder=folder)
    model = ask(before, 7, "1")[1]
    before.end(signal.SIGKILL)
    after = start_gateway(*flags, folder=folder)
    eventually(lambda: after.http.get("/api/kernels").status_code == 200, "it has found its kernels")
    assert [part["kernel"] for device in listing(after)[0] for part in device["held"]] == [IDS[7]]
    assert after.model(IDS[7])["gpus"] == model["gpus"]
    assert ask(after, 8, "2")[0] == 503
    end(after, 7)
    assert ask(after, 8, "2")[0] == 201
    after.delete(IDS[8])


CUDA = """
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
def check(code): assert code == 0, code
size, device, context = 64 << 20, ctypes.c_int(), ctypes.c_void_p()
count, memory, back = ctypes.c_int(), ctypes.c_uint64(), (ctypes.c_ubyte * size)()
check(cuda.cuInit(0))
check(cuda.cuDeviceGetCount(ctypes.byref(count)))
check(cuda.cuDeviceGet(ctypes.byref(device), 0))
check(cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device))
check(cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(size)))
check(cuda.cuMemsetD8_v2(memory, ctypes.c_ubyte(42), ctypes.c_size_t(size)))
check(cuda.cuMemcpyDtoH_v2(back, memory, ctypes.c_size_t(size)))
print(count.value, set(bytes(back)) == {42})
"""


@pytest.mark.gpu
def test_a_real_program_runs_on_a_real_gpu(start_gateway: Start) -> None:
    if not driver().devices():
        pytest.skip("this machine has no GPU")
    gateway = start_gateway("--sandbox", "auto")
    code, model = ask(gateway, 9, "0.5")
    assert code == 201
    with gateway.channel(IDS[9]) as channel:
        id = channel.execute(CUDA)
        assert (channel.reply(id)["content"]["status"], channel.text(id).strip()) == ("ok", "1 True")
    with gateway.channel(gateway.start()) as channel:
        id = channel.execute("import ctypes; print(ctypes.CDLL('libcuda.so.1').cuInit(0))")
        channel.reply(id)
        assert channel.text(id).strip() != "0"  # without a grant there is no device
    assert len(model["gpus"]) == 1
    eventually(lambda: max(used(gateway, IDS[9]), default=0) >= 64 << 20, "the use of the GPU is told")
    gateway.delete(IDS[9])
