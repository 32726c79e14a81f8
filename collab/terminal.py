"""Text as a terminal shows it: carriage returns, backspaces and erasing act, colours stay as escape sequences.

Only lines from the cursor's highest reach on can still change; what lies above is final. So a progress bar rewrites one
line, and a million lines cost one pass.
"""

import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Final

MAX_WHOLE_CHARS: Final = 64 << 20
_LATEST_CHARS: Final = 1 << 20

# One token: a control sequence, another escape, a control character, or a run of plain text.
_TOKEN: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^\[\]]|[\r\n\b]|[^\x1b\r\n\b]+"
)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?)?\Z")
_MAX_UNFINISHED: Final = 256
_UP: Final = re.compile(r"\x1b\[(\d*)A")
_DOWN: Final = re.compile(r"\x1b\[(\d*)B")
_FORTH: Final = re.compile(r"\x1b\[(\d*)C")
_BACK: Final = re.compile(r"\x1b\[(\d*)D")
_COLUMN: Final = re.compile(r"\x1b\[(\d*)G")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_ERASE: Final = re.compile(r"\x1b\[([012]?)K")
# Lines that the cursor may still go back to; nested progress bars use a dozen.
_MAX_OPEN_LINES: Final = 200
_MAX_COLUMN: Final = 10_000


class _Line:
    """Cells of one line: each is the colour codes before a character, and the character."""

    __slots__ = ("cells", "tail")

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.tail = ""  # colour codes after the last character

    def text(self) -> str:
        return "".join(self.cells) + self.tail


class Terminal:
    """`text` is what is shown; it ends in a lone "\\r" when the cursor stands at the start of a last line that has
    content, so that a terminal made of the stored text goes on where this one was."""

    def __init__(self, text: str = "", limit: int = MAX_WHOLE_CHARS) -> None:
        self._final: list[str] = []  # lines that cannot change any more, each with its "\n"
        self._limit = limit
        self._latest: deque[str] = deque()  # what comes after `limit`; only its end is kept
        self._latest_chars = 0
        self._lines: list[_Line] = [_Line()]
        self._row = 0
        self._column = 0
        self._colour = ""
        self._rest = ""
        # What `take` gave out, above the lines that may still change, and those lines as they were then.
        self._taken_final = 0
        self._taken_open = ""
        self._final_chars = 0
        self.write(text)
        self.take()

    @property
    def text(self) -> str:
        """All of it; beyond the limit its beginning, with a line that says so."""
        if self._latest:
            return "".join(self._final) + "[The output was longer than this.]\n"
        return "".join(self._final) + self._open()

    @property
    def chars(self) -> int:
        """How many have been printed so far."""
        return self._final_chars + sum(len(line.cells) + 1 for line in self._lines) - 1

    def head(self, chars: int) -> str:
        return _gathered(iter((*self._final[: chars + 1], self._open())), chars)[:chars]

    def tail(self, chars: int) -> str:
        parts: list[str] = []
        size = 0
        for part in chain((self._open(),), reversed(self._latest), reversed(self._final)):
            parts.append(part)
            size += len(part)
            if size >= chars:
                break
        return "".join(reversed(parts))[-chars:]

    def write(self, data: str) -> None:
        data, self._rest = self._rest + data, ""
        unfinished = _UNFINISHED.search(data)
        if unfinished is not None and len(data) - unfinished.start() <= _MAX_UNFINISHED:
            data, self._rest = data[: unfinished.start()], data[unfinished.start() :]
        for match in _TOKEN.finditer(data):
            token = match[0]
            first = token[0]
            if first == "\n":
                self._new_line()
            elif first == "\r":
                self._column = 0
            elif first == "\b":
                self._column = max(0, self._column - 1)
            elif first == "\x1b":
                self._escape(token)
            else:
                self._put(token)

    def take(self) -> tuple[int, str]:
        """How many leading characters of the text last taken still stand, and what follows them now."""
        fresh = "".join(self._final[self._taken_final :])
        now = self._open()
        start = self._final_chars - len(fresh)
        tail = fresh + now
        same = _common(self._taken_open, tail)
        self._taken_final = len(self._final)
        self._taken_open = now
        return start + same, tail[same:]

    def _open(self) -> str:
        text = "\n".join(line.text() for line in self._lines)
        at_start = self._row == len(self._lines) - 1 and self._column == 0 and self._lines[-1].text() != ""
        return text + ("\r" if at_start else "")

    def _new_line(self) -> None:
        self._row += 1
        self._column = 0
        if self._row == len(self._lines):
            self._lines.append(_Line())
        if len(self._lines) > _MAX_OPEN_LINES:
            self._close_lines()

    def _close_lines(self) -> None:
        """All but the latest become final. They go in bulk, so that this costs little for each line."""
        closing = len(self._lines) - _MAX_OPEN_LINES // 2
        closing = min(closing, self._row)
        done = "".join(line.text() + "\n" for line in self._lines[:closing])
        self._keep(done)
        del self._lines[:closing]
        self._row -= closing

    def _keep(self, done: str) -> None:
        if self._final_chars <= self._limit:
            self._final.append(done)
        else:
            self._latest.append(done)
            self._latest_chars += len(done)
            while self._latest_chars - len(self._latest[0]) > _LATEST_CHARS:
                self._latest_chars -= len(self._latest.popleft())
        self._final_chars += len(done)

    def _put(self, text: str) -> None:
        cells = self._lines[self._row].cells
        if self._column > len(cells):
            cells.extend(" " * (self._column - len(cells)))
        if self._colour or self._column < len(cells):
            self._overwrite(cells, text)
        else:
            line = self._lines[self._row]
            if line.tail:
                text_cells = [line.tail + text[0], *text[1:]]
                line.tail = ""
                cells.extend(text_cells)
            else:
                cells.extend(text)
        self._column += len(text)

    def _overwrite(self, cells: list[str], text: str) -> None:
        line = self._lines[self._row]
        prefix = line.tail + self._colour if self._column >= len(cells) else self._colour
        if self._column >= len(cells):
            line.tail = ""
        self._colour = ""
        fresh = [prefix + text[0], *text[1:]]
        cells[self._column : self._column + len(fresh)] = fresh

    def _escape(self, token: str) -> None:
        if _COLOUR.fullmatch(token):
            line = self._lines[self._row]
            if self._column >= len(line.cells):
                line.tail += token
            else:
                self._colour += token
        elif found := _ERASE.fullmatch(token):
            self._erase(found[1] or "0")
        elif found := _UP.fullmatch(token):
            self._row = max(0, self._row - _number(found[1]))
        elif found := _DOWN.fullmatch(token):
            self._row = min(len(self._lines) - 1, self._row + _number(found[1]))
        elif found := _FORTH.fullmatch(token):
            self._column = min(_MAX_COLUMN, self._column + _number(found[1]))
        elif found := _BACK.fullmatch(token):
            self._column = max(0, self._column - _number(found[1]))
        elif found := _COLUMN.fullmatch(token):
            self._column = min(_MAX_COLUMN, _number(found[1]) - 1)
        # Everything else, such as titles and bracketed paste, shows nothing.

    def _erase(self, how: str) -> None:
        line = self._lines[self._row]
        if how == "0":
            del line.cells[self._column :]
            line.tail = ""
        elif how == "1":
            for at in range(min(self._column + 1, len(line.cells))):
                line.cells[at] = " "
        else:
            line.cells.clear()
            line.tail = ""


def _gathered(parts: Iterator[str], chars: int) -> str:
    gathered = ""
    for part in parts:
        gathered += part
        if len(gathered) >= chars:
            break
    return gathered


def _number(text: str) -> int:
    return max(1, min(int(text or "1"), _MAX_COLUMN)) if len(text) < 6 else _MAX_COLUMN


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
