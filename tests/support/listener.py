"""Listens to a kernel for a test: what came so far, and waiting for what is to come."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from collab.runtime import KernelGone, KernelMessage, Runtime

WITHIN_S = 20.0


class Listener:
    def __init__(self) -> None:
        self.messages: list[KernelMessage] = []
        self.connections: list[bool] = []
        self.gone = anyio.Event()
        self._news = anyio.Event()

    @classmethod
    @asynccontextmanager
    async def on(cls, runtime: Runtime, kernel: str, after: str = "") -> AsyncIterator["Listener"]:
        listener = cls()

        async def listen() -> None:
            try:
                await runtime.listen(kernel, after, listener.receive, listener.connected)
            except KernelGone:
                listener.gone.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            yield listener
            tasks.cancel_scope.cancel()

    async def receive(self, message: KernelMessage) -> None:
        self.messages.append(message)
        self._wake()

    def connected(self, connected: bool) -> None:
        self.connections.append(connected)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def until(self, found: Callable[[], bool]) -> None:
        with anyio.fail_after(WITHIN_S):
            while not found():
                await self._news.wait()

    async def over(self, id: str) -> list[KernelMessage]:
        """What came of a request, once both its reply and its idle have come."""
        await self.until(lambda: {"execute_reply", "idle"} <= set(map(kind, self.of(id))))
        return self.of(id)

    def of(self, id: str) -> list[KernelMessage]:
        return [message for message in self.messages if message.parent_id == id]

    def text(self, id: str) -> str:
        streams = (message.content for message in self.of(id) if message.type == "stream")
        return "".join(str(content["text"]) for content in streams if isinstance(content, dict))

    def said(self, state: str) -> bool:
        """Whether a status without a parent came."""
        return any(message.channel == "iopub" and kind(message) == state for message in self.of(""))


def kind(message: KernelMessage) -> str:
    """The message's type, or the state that a status tells."""
    if message.type == "status" and isinstance(message.content, dict):
        return str(message.content["execution_state"])
    return message.type
