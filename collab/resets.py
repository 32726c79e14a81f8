"""Resetting every kernel of our gateway at once: who does it is told to everyone, in every open Notebook."""

from collab.events import Notice
from collab.executions import Executions
from collab.model import User
from collab.rooms import Rooms
from collab.runtime import Runtime, RuntimeFailed


class Resets:
    def __init__(self, runtime: Runtime) -> None:
        """`rooms` is set once they are there."""
        self.rooms: Rooms | None = None
        self._runtime = runtime

    async def reset_all(self, user: User, folder: bool) -> None:
        """Kernels tell their Rooms by themselves. Raises RuntimeFailed, after which nothing was reset."""
        rooms = self.rooms.all if self.rooms is not None else []
        running = [room.runs for room in rooms if isinstance(room.runs, Executions)]
        for runs in running:
            runs.expect_reset(user.name)
        try:
            await self._runtime.reset_all(folder)
        except RuntimeFailed:
            for runs in running:
                runs.expect_reset("")
            raise
        for room in rooms:
            room.tell(
                Notice(f"{user.name} reset all runtimes{' and their working folders' if folder else ''}.", user.id)
            )
