"""jupyter_kernel_client, as its package ships it (kernels.md X4).

In the older codec, which it speaks unless told otherwise: in v1 its release 1.0.2 fails at the first message, in the
line that would log it. `JupyterKernelClient.stop(shutdown_now=False)` closes its socket before it would send on it, so
that way of stopping is its manager's.
"""

import os
import threading
import time
from typing import Any

from jupyter_kernel_client import JupyterKernelClient  # type: ignore[import-untyped]
from jupyter_kernel_client.manager import KernelHttpManager  # type: ignore[import-untyped]

# Who closes a socket waits so long for the thread that reads it, which mostly sleeps on for 10 s.
CLOSING = {"timeout": 1}
SERVER = {"server_url": os.environ["GATEWAY_URL"], "token": os.environ["GATEWAY_TOKEN"], "client_kwargs": CLOSING}
WITHIN_S = 30


def printed(answer: dict[str, Any]) -> str:
    return "".join(output.get("text", "") for output in answer["outputs"])


def manager_with_kernel() -> tuple[KernelHttpManager, Any]:
    manager = KernelHttpManager(**SERVER)
    manager.start_kernel("python3")
    client = manager.client
    client.start_channels()
    client.wait_for_ready(WITHIN_S)
    return manager, client


def test_it_runs_interrupts_and_restarts() -> None:
    client = JupyterKernelClient(**SERVER)
    client.start(name="python3")
    answer = client.execute("print('one'); 6 * 7")
    assert (answer["status"], answer["execution_count"], printed(answer)) == ("ok", 1, "one\n")
    assert answer["outputs"][-1]["data"]["text/plain"] == "42"
    assert client.execute("1/0")["outputs"][0]["ename"] == "ZeroDivisionError"
    begun = threading.Event()

    def heard(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            begun.set()

    def interrupt() -> None:
        begun.wait(WITHIN_S)
        client.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    code = "import time; print('begun', flush=True)\nwhile True: time.sleep(0.01)"
    stopped = client.execute_interactive(code, output_hook=heard, timeout=WITHIN_S)
    thread.join()
    assert stopped["content"]["ename"] == "KeyboardInterrupt"
    client.set_variable("kept", [1, 2])
    assert printed(client.execute("print(kept)")) == "[1, 2]\n"
    client.restart()
    assert client.execute("kept")["outputs"][0]["ename"] == "NameError"
    client.stop()
    assert not client.is_alive()


def test_it_comes_back_to_its_kernel() -> None:
    first = JupyterKernelClient(**SERVER)
    first.start(name="python3")
    first.execute("kept = 'here'")
    id = first.id
    first.stop(shutdown_kernel=False)
    second = JupyterKernelClient(**SERVER, kernel_id=id)
    second.start()
    assert printed(second.execute("print(kept)")) == "here\n"
    assert id in [kernel["id"] for kernel in second.list_kernels()]
    second.stop(shutdown_kernel=True)
    assert not second.is_alive()


def test_it_stops_its_kernel_at_once_by_delete() -> None:
    manager, client = manager_with_kernel()
    manager.shutdown_kernel(now=True)
    client.stop_channels()
    assert not manager.has_kernel


def test_it_stops_its_kernel_by_a_message_and_sees_it_gone() -> None:
    manager, client = manager_with_kernel()
    manager.shutdown_kernel(timeout=WITHIN_S)
    # Had it not seen it gone, it would have used DELETE, after a timeout and with its sockets left open.
    assert not manager.has_kernel
    assert client.shutting_down


def test_a_message_may_ask_for_a_restart() -> None:
    manager, client = manager_with_kernel()
    client.shutdown(restart=True)
    reply = client.get_control_msg(timeout=WITHIN_S)
    assert reply["content"] == {"status": "ok", "restart": True}
    until = time.monotonic() + WITHIN_S
    while manager.refresh_model()["generation"] == 1:
        assert time.monotonic() < until
        time.sleep(0.05)
    client.wait_for_ready(WITHIN_S)
    manager.shutdown_kernel(now=True)
    client.stop_channels()
