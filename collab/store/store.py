"""What the server needs of a store: the update log, the library, people. `sqlite` is one; tests/support fakes
the log.

Values here are what rows say; rules about roles live in `sharing`. Times are aware datetimes in UTC.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from collab.model import CellId, NotebookId, Role, User, UserId
from collab.sharing import Grant

MAX_EXECUTED_RUNS: Final = 1_000  # of a Notebook


class StoreError(Exception):
    """Nothing of the call took effect; the message is one sentence. Trying again later may work."""


class NoNotebook(StoreError):
    """There is no such Notebook, or it has another epoch by now; trying again is of no use."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One update and who wrote it; `user` is empty for the server."""

    user: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """A Notebook's current epoch, oldest first: `updates` begin with the snapshot when there is one, which stands for
    everything before it; `seq` is the number of the last of them. `place` is what was last appended with them."""

    epoch: int
    updates: tuple[bytes, ...]
    seq: int
    has_snapshot: bool = False
    place: str = ""

    @property
    def snapshot_bytes(self) -> int:
        return len(self.updates[0]) if self.has_snapshot else 0

    @property
    def tail(self) -> tuple[bytes, ...]:
        """What was logged after the snapshot."""
        return self.updates[self.has_snapshot :]


@dataclass(frozen=True, slots=True)
class NotebookRow:
    id: NotebookId
    title: str
    epoch: int
    updated: datetime
    trashed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A Notebook in a list; `snippet` is the place where the words were found, when there were words."""

    notebook: NotebookRow
    grants: tuple[Grant, ...] = ()
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A way in for whoever has its token, of which only the hash is stored."""

    id: str
    notebook: NotebookId
    role: Role
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExecutedRun:
    """Code that a runtime has executed. `run` is its msg_id; times are ms since 1970; `id` is a number of the store's,
    growing with time, 0 for one that it has not seen."""

    run: str
    cell: CellId
    source: str
    shortened: bool
    kernel: str
    user: str
    user_id: str
    requested: int
    started: int
    finished: int | None = None
    state: str = "running"
    status: str = ""
    count: int | None = None
    id: int = 0


class UpdateLog(Protocol):
    async def append(
        self, notebook: NotebookId, epoch: int, updates: Sequence[LogEntry], place: str | None = None
    ) -> None:
        """Returns when the updates are committed: whoever opens the log finds them, also after this program was
        killed. A power cut may take them until `sync`. Calls that wait at the same time share one transaction.

        `place` takes the place of the one before, in the same transaction as the updates; there may be none.
        Once begun it is carried out, even if the caller is cancelled. Raises StoreError.
        """

    async def sync(self, hurry: bool = True) -> None:
        """Returns when everything that was committed before the call outlives a power cut. Calls share their work;
        one that is in no hurry waits a moment for others. Raises StoreError: it may be called again."""

    async def load(self, notebook: NotebookId) -> Log:
        """Raises NoNotebook, and StoreError for a log that is damaged beyond what an older snapshot mends."""

    async def compact(self, notebook: NotebookId, epoch: int, seq: int, snapshot: bytes) -> None:
        """From now on `snapshot` stands for everything up to `seq`, which was read from this log.

        The snapshot before it and all that was logged after that one stay, for the case that this one is damaged; what
        is older goes. One that is no newer than the newest changes nothing. Raises NoNotebook and StoreError.
        """

    async def rebase(self, notebook: NotebookId, epoch: int, seq: int, end: bytes, start: bytes) -> bool:
        """Ends the epoch, whose last update is `seq` and whose whole is `end`, and begins the next with `start`.

        False when more was logged meanwhile: then nothing changed. Raises NoNotebook and StoreError.
        """

    async def epoch_end(self, notebook: NotebookId, epoch: int) -> bytes | None:
        """What an earlier epoch was at its end; None when it is too long ago. The last five are kept."""


class Library(Protocol):
    async def create(self, notebook: NotebookRow, update: bytes, text: str, blobs: Collection[str] = ()) -> None:
        """A Notebook with its first update (the server's); `text` is what searches look in, `blobs` what it reads."""

    async def notebook(self, id: NotebookId) -> NotebookRow | None: ...

    async def notebooks(self, user: UserId | None, words: str = "", trashed: bool = False) -> list[Found]:
        """Most recent first; of all (None), or those that a User was granted something on, at any time.

        With `words`, those whose title or text has words that begin with each of them, best first.
        """

    async def index(self, id: NotebookId, title: str, text: str) -> None:
        """What the list shows and what searches look in; does not count as a change. The same again costs little."""

    async def trash(self, id: NotebookId, at: datetime | None) -> None:
        """Into the trash, or out of it with None."""

    async def delete(self, id: NotebookId) -> None:
        """For good, with its log, grants and links; Blobs stay for other Notebooks."""

    async def set_live(self, id: NotebookId, live: bool) -> None:
        """Whether a server that starts has to open this Notebook by itself."""

    async def live_notebooks(self) -> list[NotebookId]: ...

    async def remember(self, id: NotebookId, key: str, value: str) -> None:
        """A small text kept beside a Notebook, such as its Runtime's kernel; an empty one is forgotten."""

    async def remembered(self, id: NotebookId, key: str) -> str:
        """Empty when there is none."""

    async def kernels(self) -> dict[str, NotebookId]:
        """Which Notebook remembers each kernel."""

    async def note_runs(self, id: NotebookId, runs: Sequence[ExecutedRun]) -> None:
        """New ones, and how earlier ones ended. The oldest of more than MAX_EXECUTED_RUNS are forgotten."""

    async def runs(self, id: NotebookId, before: int, limit: int) -> list[ExecutedRun]:
        """Newest first, those whose `id` is less than `before`."""

    async def unfinished_runs(self, id: NotebookId) -> list[ExecutedRun]: ...

    async def imported(self, path: str) -> tuple[NotebookId, str] | None:
        """Which Notebook a file became, and the SHA-256 of what was in it."""

    async def set_imported(self, path: str, notebook: NotebookId, sha256: str) -> None: ...

    async def add_blob(self, notebook: NotebookId, sha256: str) -> None:
        """From now on the Notebook may read this Blob."""

    async def keep_blobs(self, notebook: NotebookId, named: Collection[str], before: datetime) -> list[str]:
        """Forgets those of the Notebook's Blobs that are not among `named` and were added before that time; gives those
        that no Notebook may read any more."""

    async def has_blob(self, notebook: NotebookId, sha256: str) -> bool: ...


class People(Protocol):
    async def user(self, id: UserId) -> User | None: ...

    async def save_user(self, user: User) -> None: ...

    async def add_session(self, token_hash: str, user: UserId) -> None: ...

    async def session_user(self, token_hash: str, since: datetime) -> User | None:
        """Of a session that began after `since`."""

    async def session_began(self, token_hash: str) -> datetime | None:
        """None when it is over, or never was."""

    async def end_session(self, token_hash: str) -> None: ...

    async def forget_sessions(self, before: datetime) -> None:
        """All that began by then."""

    async def grant(self, notebook: NotebookId, user: UserId, link: Link) -> None:
        """The link's role, for as long as the link lasts."""

    async def grants(self, notebook: NotebookId, user: UserId) -> list[Grant]:
        """Those that were not revoked; they may have expired."""

    async def add_link(self, link: Link, token_hash: str) -> None: ...

    async def link(self, token_hash: str) -> Link | None:
        """None when it was revoked; it may have expired."""

    async def links(self, notebook: NotebookId) -> list[Link]: ...

    async def revoke(self, notebook: NotebookId, link: str) -> bool:
        """False when there is no such link."""


class Store(UpdateLog, Library, People, Protocol):
    pass
