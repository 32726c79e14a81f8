"""Runtime: where a Notebook's code runs, as the document server sees it. `jupyter_runtime` is the client of real ones;
the fake of tests/support passes the same suite, `tests/contracts/test_runtime.py`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from collab.jupyter_server import Address
from collab.usage import HeldGpu, Limits


class RuntimeFailed(Exception):
    """What was asked of the kernel did not work; the message is one sentence."""


class KernelGone(RuntimeFailed):
    """The kernel is not there any more, or is dead."""


class NotNow(RuntimeFailed):
    """Refused for the moment, and nothing was changed: the same may be asked for again later."""


class NoGpu(RuntimeFailed):
    """All GPUs are held. Who asks again with the same id before long keeps their `place` in the line."""

    def __init__(self, sentence: str, place: int, again_after_s: float) -> None:
        super().__init__(sentence)
        self.place = place
        self.again_after_s = again_after_s


@dataclass(frozen=True, slots=True)
class Kernel:
    """`session` names the process: it changes with every restart. `keeps` says that what the kernel says while nobody
    listens comes later, and a request that was sent is never lost: our gateway does, other Jupyter servers do not.

    `stops_at` (ISO 8601) is set when it is about to be ended, for the reason `stops_why`."""

    id: str
    session: str
    name: str
    state: str
    reason: str = ""
    keeps: bool = True
    stops_at: str = ""
    stops_why: Literal["", "idle", "lifetime"] = ""
    limits: Limits | None = None
    gpus: tuple[HeldGpu, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A kind of kernel that can be started; `title` is what people see."""

    name: str
    language: str
    title: str


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU of the gateway's machine. `held` names kernels, with the share and the memory each was given."""

    uuid: str
    name: str
    memory_total_bytes: int | None
    free_fraction: float | None
    held: tuple[tuple[str, HeldGpu], ...]


@dataclass(frozen=True, slots=True)
class Gpus:
    """`waiting`: how many kernels stand in the line."""

    devices: tuple[Device, ...]
    waiting: int


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """A message as it came, decoded. `content` is whatever the kernel made of it."""

    channel: str
    header: Mapping[str, object]
    parent: Mapping[str, object]
    content: object
    metadata: Mapping[str, object] = field(default_factory=dict)
    buffers: tuple[bytes, ...] = ()

    @property
    def id(self) -> str:
        return str(self.header.get("msg_id", ""))

    @property
    def type(self) -> str:
        return str(self.header.get("msg_type", ""))

    @property
    def parent_id(self) -> str:
        return str(self.parent.get("msg_id", ""))


class Runtime(Protocol):
    """Every call raises RuntimeFailed when the server does not answer, or says no."""

    async def check(self, server: Address) -> None:
        """Returns when it is a Jupyter server that takes this token."""

    def use(self, server: Address | None) -> None:
        """From now on everything is about this server; None: our own gateway. What waits to be sent is forgotten."""

    async def specs(self) -> list[KernelSpec]:
        """What can be started, the default first."""

    async def gpus(self) -> Gpus | None:
        """None where nobody says."""

    async def usage(self, id: str) -> Sequence[object]:
        """Samples of the last hour as the gateway gives them, oldest first; none where there are none."""

    async def start(self, spec: str, folder: str, id: str, wishes: Mapping[str, str]) -> Kernel:
        """A new kernel that answers. `id` is a UUID and a wish: it can be found under it before this returns, where
        wishes are heard. `wishes` are KERNEL_* variables. Raises NoGpu."""

    async def find(self, id: str, known: str = "") -> Kernel:
        """`known` is the session that was last heard of, for servers that cannot tell. Raises KernelGone."""

    async def interrupt(self, id: str) -> None:
        """Raises KernelGone."""

    async def restart(self, id: str) -> Kernel:
        """A fresh process under the same id. Raises KernelGone."""

    async def reset(self, id: str, folder: bool) -> Kernel:
        """The same with the limits of a new one, and with `folder` in an empty folder. Raises KernelGone and NotNow."""

    async def reset_all(self, folder: bool) -> None:
        """Every kernel of the server. Raises NotNow."""

    async def extend(self, id: str) -> None:
        """It shall not end for being idle. Raises KernelGone."""

    async def widget_module(self, name: str) -> str | None:
        """The JavaScript of a package of widgets beside the kernels (AMD); None where there is none of that name."""

    async def shut_down(self, id: str) -> None:
        """Nothing when it is gone."""

    def send(
        self,
        channel: str,
        type: str,
        id: str,
        content: Mapping[str, object],
        subshell: str = "",
        session: str = "",
        buffers: Sequence[bytes] = (),
    ) -> None:
        """Goes out in order, at once or when the connection is back; at most once, but for input that was typed.
        `session`: whose the message is, in place of our own (outputs.md G1)."""

    def forget_unsent(self) -> None:
        """For a fresh kernel: what was meant for the last one is not for it."""

    async def listen(
        self,
        kernel: str,
        after: str,
        receive: Callable[[KernelMessage], Awaitable[None]],
        connected: Callable[[bool], None],
    ) -> None:
        """Until cancelled, or KernelGone is raised. `after` is the last iopub msg_id that has been dealt with. When
        `receive` waits, the kernel's messages wait with it."""

    async def history(self, kernel: str, run: str, until: str) -> list[KernelMessage] | None:
        """What was said about a run on iopub, up to and including the iopub message `until`; None when not all of it
        can be had any more. Raises KernelGone."""
