"""A bare pycrdt-websocket server with its SQLite store. usage: pycrdt_server.py PORT FILE"""

import asyncio
import logging
import sys

import anyio
import uvicorn
import uvloop
from anyio.abc import TaskGroup
from pycrdt import Doc
from pycrdt.store import SQLiteYStore, YDocNotFound
from pycrdt.websocket import ASGIServer, WebsocketServer, YRoom


class StoredRooms(WebsocketServer):
    """What is stored of a room is read when it is first asked for."""

    def __init__(self, file: str, tasks: TaskGroup) -> None:
        super().__init__(auto_clean_rooms=False, exception_handler=_tell)
        self._file = file
        self._tasks = tasks
        self._opening = asyncio.Lock()

    async def get_room(self, name: str) -> YRoom:
        async with self._opening:
            room = self.rooms.get(name)
            if room is None:
                store = SQLiteYStore(name)
                store.db_path = self._file
                await self._tasks.start(store.start)
                doc: Doc[object] = Doc()
                try:
                    await store.apply_updates(doc)
                except YDocNotFound:
                    pass
                room = self.rooms[name] = YRoom(ystore=store, ydoc=doc, exception_handler=_tell)
            await self.start_room(room)
            return room


def _tell(error: Exception, log: logging.Logger) -> bool:
    log.error("A room failed", exc_info=error)
    return True


async def main(port: int, file: str) -> None:
    async with anyio.create_task_group() as tasks, StoredRooms(file, tasks) as rooms:
        config = uvicorn.Config(
            ASGIServer(rooms),
            host="127.0.0.1",
            port=port,
            log_level="error",
            lifespan="off",
            loop="none",
            ws="websockets-sansio",
            ws_max_size=1 << 30,
            ws_per_message_deflate=False,
        )
        await uvicorn.Server(config).serve()
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), sys.argv[2]))
