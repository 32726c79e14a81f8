"""The way of one peer to the server: slow, cut in the middle of a frame, or dead without anybody being told."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

_SLICES = (5, 700, 65536)


class Link:
    """A port that stands for the server's. `port` tells the server's, whenever somebody connects."""

    def __init__(self, port: Callable[[], int], rng: random.Random) -> None:
        self._port = port
        self._rng = rng
        self._delay_s = rng.choice([0.0, 0.0, 0.002, 0.01])
        self._server: asyncio.Server | None = None
        self._open: set[_Line] = set()
        self._latest: _Line | None = None

    async def start(self) -> str:
        """Gives its address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """What is under way is lost, and both sides hear of it."""
        for line in tuple(self._open):
            line.cut()

    def freeze(self) -> None:
        """Nothing passes any more, and nobody hears of it: what a laptop leaves that is closed."""
        for line in self._open:
            line.frozen = True

    @property
    def is_frozen(self) -> bool:
        """Whether nothing reaches whoever connected last."""
        return self._latest is not None and self._latest.frozen

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        lines = tuple(self._open)
        self.cut()
        await asyncio.gather(*(line.over.wait() for line in lines))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = self._latest = _Line(writer)
        self._open.add(line)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port())
        except OSError:
            pass
        else:
            line.writers.append(back)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(line, reader, back))
                tasks.create_task(self._pass(line, there, writer))
        finally:
            line.cut()
            self._open.discard(line)
            line.over.set()

    async def _pass(self, line: "_Line", source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(self._rng.choice(_SLICES)):
                if self._delay_s:
                    await asyncio.sleep(self._rng.random() * self._delay_s)
                if not line.frozen:
                    target.write(data)
                    await target.drain()
        if not line.frozen:
            line.cut()


class _Line:
    """One connection, with its two ends."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writers = [writer]
        self.frozen = False
        self.over = asyncio.Event()

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
