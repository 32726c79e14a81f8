"""Streams of bytes to a port of a kernel, through its gateway: for HTTP, and as a socket for WebSockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import anyio
import httpcore
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.protocol import State

from collab.gateway import Gateway
from collab.jupyter_server import NoServer

_OPEN_WITHIN_S: Final = 10.0
_PIECE_BYTES: Final = 1 << 16
# Of one message of the gateway, which sends pieces of a stream.
_MAX_MESSAGE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Door:
    """A port of a kernel."""

    kernel: str
    port: int


class NoTunnel(OSError):
    """The port cannot be reached; the message is one sentence."""


async def open_tunnel(gateway: Gateway, door: Door) -> ClientConnection:
    """Raises NoTunnel."""
    try:
        at = await gateway.address()
        url = f"{at.url.replace('http', 'ws', 1)}/api/kernels/{quote(door.kernel)}/ports/{door.port}"
        return await connect(
            url,
            additional_headers=at.headers,
            max_size=_MAX_MESSAGE_BYTES,
            compression=None,
            proxy=None,
            open_timeout=_OPEN_WITHIN_S,
        )
    except InvalidStatus as error:
        raise NoTunnel(_sentence(error)) from error
    except NoServer as error:
        raise NoTunnel(str(error)) from error
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise NoTunnel("The runtime cannot be reached; try again.") from error


def _sentence(error: InvalidStatus) -> str:
    """The gateway's own, if it is one of ours."""
    status = error.response.status_code
    if status == 404 and b'"message"' in (error.response.body or b""):
        return "Nothing answers on this port of the runtime; start the server in the notebook, and reload."
    return f"The runtime's server does not open its ports (it answered {status})."


class TunnelStream(httpcore.AsyncNetworkStream):
    def __init__(self, tunnel: ClientConnection) -> None:
        self._tunnel = tunnel
        self._rest = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._rest:
            try:
                with anyio.fail_after(timeout):
                    piece = await self._tunnel.recv(decode=False)
            except TimeoutError as error:
                raise httpcore.ReadTimeout(str(error)) from error
            except ConnectionClosed:
                return b""
            self._rest = piece
        taken, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        return taken

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            with anyio.fail_after(timeout):
                await self._tunnel.send(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except ConnectionClosed as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await self._tunnel.close()

    async def start_tls(self, *arguments: Any, **settings: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("Ports of a runtime speak plain HTTP.")

    def get_extra_info(self, info: str) -> Any:
        # Asked of a connection that is to be used again: one that has something to say has only its end to tell.
        return self._tunnel.state is not State.OPEN if info == "is_readable" else None


class TunnelBackend(httpcore.AsyncNetworkBackend):
    """`find` says which door a host name stands for."""

    def __init__(self, gateway: Gateway, find: Callable[[str], Door | None]) -> None:
        self._gateway = gateway
        self._find = find

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        door = self._find(host)
        if door is None:
            raise httpcore.ConnectError("This port is not open any more.")
        try:
            return TunnelStream(await open_tunnel(self._gateway, door))
        except NoTunnel as error:
            raise httpcore.ConnectError(str(error)) from error

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("There are no files behind a port.")

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


@asynccontextmanager
async def tunnel_socket(gateway: Gateway, door: Door) -> AsyncIterator[socket.socket]:
    """A connected socket whose other end is the port. Raises NoTunnel."""
    tunnel = await open_tunnel(gateway, door)
    near, far = socket.socketpair()
    near.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=far)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_pump, tunnel, writer)
            tasks.start_soon(_drain, reader, tunnel.send)
            yield near
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            writer.close()
            await tunnel.close()


async def _pump(tunnel: ClientConnection, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(await tunnel.recv(decode=False))
            await writer.drain()
    except (ConnectionClosed, OSError):
        writer.close()


async def _drain(reader: asyncio.StreamReader, send: Callable[[bytes], Awaitable[None]]) -> None:
    try:
        while piece := await reader.read(_PIECE_BYTES):
            await send(piece)
    except (ConnectionClosed, OSError):
        return
