"""The words of the product as types: ids, roles, people, and the bounds everyone agrees on.

Pure values; imports nothing of ours.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, NewType

NotebookId = NewType("NotebookId", str)
CellId = NewType("CellId", str)
UserId = NewType("UserId", str)

CellType = Literal["code", "markdown", "raw"]
CELL_TYPES: Final[tuple[CellType, ...]] = ("code", "markdown", "raw")

# Execution states as stored in `runs[cell]["state"]`.
RunState = Literal["queued", "running", "finished", "failed", "cancelled"]
LIVE_RUN_STATES: Final = ("queued", "running")

RuntimeStatus = Literal["none", "starting", "idle", "busy", "restarting", "reconnecting", "dead"]


class Role(IntEnum):
    """What a User may do with a Notebook; each role includes those below it."""

    VIEWER = 1
    COMMENTER = 2
    RUNNER = 3
    EDITOR = 4
    OWNER = 5

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, word: object) -> "Role":
        """Raises ValueError, with the roles there are, for any other word."""
        if isinstance(word, str) and word.upper() in cls.__members__:
            return cls[word.upper()]
        raise ValueError(f"'{word!s:.40}' is not a role; the roles are {', '.join(role.word for role in cls)}.")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is signed in: the owner of this server, or a guest who came by a link.

    `color` is `#rrggbb`, chosen by the server.
    """

    id: UserId
    name: str
    color: str
    guest: bool


MAX_UPDATE_BYTES: Final = 1 << 20  # one UPDATE frame from an editor
MAX_DOCUMENT_BYTES: Final = 8 << 20  # inline size of a Notebook, and of a STEP2 at join
MAX_CELLS: Final = 10_000
MAX_CONNECTIONS: Final = 500  # to one Notebook
MAX_ROOMS: Final = 5_000  # open at once in one server
MAX_PRESENCE_BYTES: Final = 4096
MAX_POSITION_CHARS: Final = 64
MAX_NAME_CHARS: Final = 40
MAX_TITLE_CHARS: Final = 200
MAX_JSON_DEPTH: Final = 64

MAX_INLINE_STREAM_BYTES: Final = 256 << 10  # of one cell: the first 64 KiB and the last 192 KiB
STREAM_HEAD_BYTES: Final = 64 << 10
STREAM_TAIL_BYTES: Final = 192 << 10
MAX_INLINE_DATA_BYTES: Final = 64 << 10  # a larger output value becomes a Blob
