"""The code that was executed: the Store's history of runs in SQL."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from collab.model import CellId, NotebookId
from collab.store.store import MAX_EXECUTED_RUNS, ExecutedRun

T = TypeVar("T")

_COLUMNS = "run, cell, source, shortened, kernel, user, user_id, requested, started, finished, state, status, count, id"


class Transactions(Protocol):
    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T: ...
    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T: ...


class SQLiteRuns:
    def __init__(self, database: Transactions) -> None:
        self._runs_db = database

    async def note_runs(self, id: NotebookId, runs: Sequence[ExecutedRun]) -> None:
        rows = [
            (
                *(id, run.run, run.cell, run.source, int(run.shortened), run.kernel, run.user, run.user_id),
                *(run.requested, run.started, run.finished, run.state, run.status, run.count),
            )
            for run in runs
        ]

        def change(db: sqlite3.Connection) -> None:
            if db.execute("SELECT 1 FROM notebooks WHERE id = ?", (id,)).fetchone() is None:
                return  # deleted meanwhile, and its history with it
            db.executemany(
                "INSERT INTO executed (notebook, run, cell, source, shortened, kernel, user, user_id, requested,"
                " started, finished, state, status, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (notebook, run) DO UPDATE SET finished = excluded.finished, state = excluded.state,"
                " status = excluded.status, count = excluded.count",
                rows,
            )
            db.execute(
                "DELETE FROM executed WHERE notebook = ?1 AND id <= ("
                " SELECT id FROM executed WHERE notebook = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (id, MAX_EXECUTED_RUNS),
            )

        await self._runs_db.write(change)

    async def runs(self, id: NotebookId, before: int, limit: int) -> list[ExecutedRun]:
        def query(db: sqlite3.Connection) -> list[ExecutedRun]:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM executed WHERE notebook = ? AND id < ? ORDER BY id DESC LIMIT ?",
                (id, before, limit),
            )
            return [_run(row) for row in rows]

        return await self._runs_db.read(query)

    async def unfinished_runs(self, id: NotebookId) -> list[ExecutedRun]:
        def query(db: sqlite3.Connection) -> list[ExecutedRun]:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM executed WHERE notebook = ? AND state = 'running' ORDER BY id", (id,)
            )
            return [_run(row) for row in rows]

        return await self._runs_db.read(query)


def _run(row: tuple[Any, ...]) -> ExecutedRun:
    run, cell, source, shortened, *rest = row
    return ExecutedRun(run, CellId(cell), source, bool(shortened), *rest)
