import asyncio
import socket

import pytest
from kernelhost.config import BadSetting
from kernelhost.listening import listen


def test_h11_no_connection_waits_for_more_to_send() -> None:
    async def serve() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection: socket.socket = writer.get_extra_info("socket")
            accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = listen("127.0.0.1", 0)
        async with await asyncio.start_server(accept, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname()[:2])
            answer = await accepted
            writer.close()
            await writer.wait_closed()
            return answer

    # asyncio's own loop: uvloop, where there is one, does it by itself.
    assert asyncio.run(serve()) != 0


def test_a_port_that_is_taken_is_said() -> None:
    with listen("127.0.0.1", 0) as listening, pytest.raises(BadSetting, match="choose another --port"):
        listen("127.0.0.1", listening.getsockname()[1])
