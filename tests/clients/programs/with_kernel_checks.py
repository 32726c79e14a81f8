"""jupyter_kernel_test, which checks kernels, through the gateway: by a client that has one WebSocket in place of five
ZMQ sockets. What a kernel passes on its own it passes here."""

import os
from typing import Any, ClassVar

from jupyter_kernel_client.manager import KernelHttpManager  # type: ignore[import-untyped]
from jupyter_kernel_test import KernelTests  # type: ignore[import-untyped]
from jupyter_kernel_test.msgspec_v5 import validate_message  # type: ignore[import-untyped]

WITHIN_S = 30


class Patient:
    """A channel that waits longer than the 0.1 s which these tests give to a message that is on its way."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        return dict(self._channel.get_msg(timeout=WITHIN_S))


class Client:
    def __init__(self, client: Any) -> None:
        self._client = client
        self.iopub_channel = Patient(client.iopub_channel)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class ThroughTheGateway(KernelTests):  # type: ignore[misc]
    @classmethod
    def setUpClass(cls) -> None:
        server = {"server_url": os.environ["GATEWAY_URL"], "token": os.environ["GATEWAY_TOKEN"]}
        cls.km = KernelHttpManager(**server, client_kwargs={"timeout": 1})
        cls.km.start_kernel(cls.kernel_name)
        cls.km.client.start_channels()
        cls.km.client.wait_for_ready(WITHIN_S)
        cls.kc = Client(cls.km.client)

    @classmethod
    def tearDownClass(cls) -> None:
        client = cls.km.client
        cls.km.shutdown_kernel(now=True)
        client.stop_channels()

    def flush_channels(self) -> None:
        """Kernels answer in order: once a question is answered, nothing of an earlier one is on its way."""
        question = self.kc.kernel_info()
        for channel in (self.kc.shell_channel, self.kc.iopub_channel):
            while True:
                message = channel.get_msg(timeout=WITHIN_S)
                validate_message(message)
                own = message["parent_header"].get("msg_id") == question
                if own and message["content"].get("execution_state") != "busy":
                    break


class IPythonTests(ThroughTheGateway):
    kernel_name = "python3"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples: ClassVar = [
        {"text": "zi", "matches": ["zip"]},
        {"text": "print('hello, world'); pri", "matches": ["print"]},
    ]
    complete_code_samples: ClassVar = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples: ClassVar = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples: ClassVar = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise"
    code_execute_result: ClassVar = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
    ]
    code_display_data: ClassVar = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))", "mime": "text/latex"},
    ]
    # Not "range": IPython calls the session that is running 0 there, and by its number elsewhere.
    supported_history_operations = ("tail", "search")
    code_history_pattern = "1?2*"
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class BashTests(ThroughTheGateway):
    """A kernel that is not IPython: it displays, asks for no page, and completes with whatever the machine has."""

    kernel_name = "bash"
    language_name = "bash"
    file_extension = ".sh"
    code_hello_world = "echo 'hello, world'"
    code_generate_error = "false"
    code_display_data: ClassVar = [{"code": "echo '<b>test</b>' | displayHTML", "mime": "text/html"}]


del KernelTests, ThroughTheGateway
