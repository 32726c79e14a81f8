"""Ends a server without notice, in the moment in which an edit of one person has reached another: is it still there?"""

import asyncio
import os
import random
import signal

from bench.load.author import Author
from bench.load.client import join, leave, mark
from bench.peers.document_servers import Server
from collab.wire import sync_update

_WITHIN_S = 20.0
_LATE_S = 1.0  # some servers send a notebook after they said that there is none


async def lost_by_kill(server: Server, number: int) -> bool:
    """Whether an edit that was delivered is lost; the server runs again when this returns."""
    (room,) = await asyncio.to_thread(server.rooms, 1)
    address = await asyncio.to_thread(server.address, room)
    writer, reader = await join(address), await join(address)
    author = Author(server.schema, random.Random(number))
    writer.send(sync_update(author.start))
    await writer.caught_up()
    await asyncio.sleep(server.settle_s)  # the cell itself is old
    delivered = asyncio.Event()

    def take(_now: float, marks: list[bytes]) -> None:
        if not delivered.is_set() and mark(number)[1:-1].encode() in marks:
            os.kill(server.pid, signal.SIGKILL)
            delivered.set()

    reader.take = take
    writer.send(author.edit(number))
    async with asyncio.timeout(_WITHIN_S):
        await delivered.wait()
    await leave([writer, reader])
    await server.kill()
    await server.start()
    back = await join(await asyncio.to_thread(server.address, room), mark(number).encode())
    if not back.there.done():
        await asyncio.sleep(_LATE_S)
    await leave([back])
    return not back.there.done()
