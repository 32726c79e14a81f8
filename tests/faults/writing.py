"""A program for `test_power_loss`: appends to a log and packs it, and says of each step when it was acknowledged."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from collab.model import NotebookId
from collab.store.sqlite import open_sqlite
from collab.store.store import LogEntry, NotebookRow

ID = NotebookId("n")


def payload(number: int) -> bytes:
    """Most are small, as typing is; some take several pages."""
    return b"%d:" % number + bytes([number % 251]) * (15_000 if number % 4 == 0 else 40)


def snapshot(updates: tuple[bytes, ...]) -> bytes:
    """Stands for them in this test: their numbers."""
    return b"up to " + b" ".join(update.partition(b":")[0] for update in updates)


async def main(folder: Path, acknowledged: int, updates: int) -> None:
    async with open_sqlite(folder / "collab.sqlite") as store:
        # Checkpoints come much later otherwise; each is then cut, too.
        store.checkpoint_bytes = 80 << 10
        await store._database._writer.execute("PRAGMA wal_autocheckpoint = 20")
        await store.create(NotebookRow(ID, "Notes", 1, datetime.now(UTC)), payload(0), "")
        os.pwrite(acknowledged, b"0", 0)
        for number in range(1, updates):
            await store.append(ID, 1, [LogEntry("ada", payload(number))])
            if number % 3 == 1:
                continue  # the next one's sync is good for both
            await store.sync()
            os.pwrite(acknowledged, b"%d" % number, 0)
            if number % 15 == 0:
                found = await store.load(ID)
                numbers = tuple(b"%d:" % at for at in range(number + 1))
                await store.compact(ID, found.epoch, found.seq, snapshot(numbers))


if __name__ == "__main__":
    data = Path(sys.argv[1])
    asyncio.run(main(data, os.open(data / "acknowledged", os.O_CREAT | os.O_WRONLY, 0o600), int(sys.argv[2])))
