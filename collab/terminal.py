"""Text as a terminal shows it: carriage returns, backspaces, erasing and going up act, colours and links stay as escape
codes (`pen.py`).

The cursor reaches the last `_REACH` lines; what lies above them is final. So a progress bar rewrites one line, and a
million lines cost one pass. A line that is only added to keeps its codes as they came; one that is overwritten gets
those that each character needs. A character is a column, also a wide one.
"""

import re
from itertools import groupby
from typing import Final

from collab.notebook import clean
from collab.pen import CODE, change, painted, painted_by, unpainted

MAX_WHOLE_CHARS: Final = 64 << 20
CUT_NOTE: Final = "\n[The output was longer than this; the rest of it was not kept.]\n"

_REACH: Final = 64  # lines; nested progress bars use a dozen
_WRAP: Final = 8192  # a line of twice as many columns loses its first half to what is final

# Bounded, so that it does not depend on how the data was cut into pieces what counts as an escape.
_ESCAPE: Final = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,4}[@-~]"
    r"|[\]PX^_][^\x00-\x1f\x7f]{0,4096}(?:\x07|\x1b\\)"
    r"|[ -/]{1,4}[0-~]|[0-OQ-WYZ\\`-~])"
)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,4}|[\]PX^_][^\x00-\x1f\x7f]{0,4096}\x1b?|[ -/]{1,4})?\Z")
_SPECIAL: Final = re.compile(r"[\x00-\x08\r\x0e-\x1f\x7f]")
_MOVE: Final = re.compile(r"\x1b\[([0-9]*)([ABCDGK])")


class _Line:
    """The line at the cursor. While it is only added to it is `parts`; once overwritten it is `chars` and `pens`.

    `start` and `end` are the pens at its borders: the lines around it are written on that condition.
    """

    __slots__ = ("chars", "codes", "end", "parts", "pens", "start", "width")

    def __init__(self, start: str, end: str, text: str, width: int) -> None:
        self.parts = [text] if text else []
        self.width = width
        self.codes = len(text) - width
        self.start = start
        self.end = end
        self.chars: list[str] | None = None
        self.pens: list[str] = []

    def text(self) -> str:
        if self.chars is None:
            if len(self.parts) > 1:
                self.parts = ["".join(self.parts)]
            return self.parts[0] if self.parts else ""
        shown: list[str] = []
        before, at = self.start, 0
        for pen, group in groupby(self.pens):
            stop = at + sum(1 for _ in group)
            shown.append(change(before, pen))
            shown.extend(self.chars[at:stop])
            before, at = pen, stop
        shown.append(change(before, self.end))
        return "".join(shown)

    def explode(self) -> list[str]:
        if self.chars is not None:
            return self.chars
        text = self.text()
        self.chars, pen, at = [], self.start, 0
        for code in CODE.finditer(text):
            self._extend(text[at : code.start()], pen)
            pen, at = painted(pen, code[0]), code.end()
        self._extend(text[at:], pen)
        return self.chars

    def _extend(self, text: str, pen: str) -> None:
        assert self.chars is not None
        self.chars.extend(text)
        self.pens.extend([pen] * len(text))


class Terminal:
    """`text` ends in a lone "\\r" when the cursor stands at the start of a last line that has content, so that a
    terminal made of the stored text goes on where this one was. Any other place of the cursor is not stored."""

    def __init__(self, text: str = "", limit: int = MAX_WHOLE_CHARS) -> None:
        self._final: list[str] = []  # what cannot change any more, up to `limit`
        self._limit = limit
        self._kept = 0
        self._final_chars = 0
        self._fresh: list[str] = []  # what became final since the last `take`
        self._base = ""  # the pen before the first of `_rows`
        self._rows = [""]
        self._row = 0
        self._column = 0
        self._pen = ""
        self._line: _Line | None = _Line("", "", "", 0)  # what `_rows[_row]` is by now
        self._rest = ""
        self._taken = ""  # all that was not final when last taken
        self.write(text)
        self.take()

    @property
    def text(self) -> str:
        """All of it; beyond the limit its beginning, with a line that says so."""
        if self.is_cut:
            return "".join(self._final) + CUT_NOTE
        return "".join(self._final) + self._open()

    @property
    def kept(self) -> int:
        """How many characters are held in memory."""
        return self._kept

    @property
    def is_cut(self) -> bool:
        """More became final than `limit` lets us hold."""
        return self._kept < self._final_chars

    @property
    def reach(self) -> tuple[int, str]:
        """How many characters are final, and the text after them."""
        return self._final_chars, self._open()

    def write(self, data: str) -> None:
        data = self._rest + clean(data) if self._rest else clean(data)
        self._rest = ""
        at = 0
        while found := _SPECIAL.search(data, at):
            if found.start() > at:
                self._print(data[at : found.start()])
            at = found.end()
            match found[0]:
                case "\r":
                    self._column = 0
                case "\b":
                    self._column = max(0, self._column - 1)
                case "\x1b":
                    escape = _ESCAPE.match(data, found.start())
                    if escape is not None:
                        self._escape(escape[0])
                        at = escape.end()
                    elif _UNFINISHED.match(data, found.start()):
                        self._rest = data[found.start() :]
                        return
        if at < len(data):
            self._print(data[at:] if at else data)

    def take(self) -> tuple[int, str]:
        """How many leading characters of the text last taken still stand, and what follows them now."""
        open = self._open()
        fresh = "".join(self._fresh)
        now = fresh + open
        same = _common(self._taken, now)
        keep = self._final_chars - len(fresh) + same
        self._taken = open
        self._fresh.clear()
        return keep, now[same:]

    def _open(self) -> str:
        if self._line is not None:
            self._rows[self._row] = self._line.text()
        text = "\n".join(self._rows)
        at_start = self._column == 0 and self._row == len(self._rows) - 1 and unpainted(self._rows[-1]) != ""
        return text + "\r" if at_start else text

    # -- printing --------------------------------------------------------------------------------------------------

    def _print(self, text: str) -> None:
        first, *others = text.split("\n")
        self._put(first)
        if not others:
            return
        *whole, last = others
        if whole and self._is_last() and max(map(len, whole)) < 2 * _WRAP:
            self._print_lines(whole)
        else:
            for line in whole:
                self._new_line()
                self._put(line)
        self._new_line()
        self._put(last)

    def _print_lines(self, lines: list[str]) -> None:
        """Whole lines below the last one, as a flood prints them: none is looked at by character."""
        end = self._current().end
        if end != self._pen:
            at = next((at for at, line in enumerate(lines) if line), None)
            if at is not None:
                lines[at] = change(end, self._pen) + lines[at]
                end = self._pen
        self._leave()
        self._rows.extend(lines)
        self._row = len(self._rows) - 1
        self._column = len(unpainted(self._rows[-1]))
        self._line = _Line(self._pen, end, self._rows[-1], self._column)
        self._trim()

    def _put(self, text: str) -> None:
        while text:
            room = 2 * _WRAP - self._column
            self._put_within(text[:room])
            text = text[room:]
            if self._column >= 2 * _WRAP:
                self._wrap()

    def _put_within(self, text: str) -> None:
        line = self._current()
        if line.chars is None and self._column == line.width and self._is_last():
            if line.end != self._pen:
                line.parts.append(change(line.end, self._pen))
                line.end = self._pen
            line.parts.append(text)
            line.width += len(text)
        else:
            chars = line.explode()
            missing = self._column - len(chars)
            if missing > 0:
                chars.extend(" " * missing)
                line.pens.extend([""] * missing)
            stop = self._column + len(text)
            chars[self._column : stop] = text
            line.pens[self._column : stop] = [self._pen] * len(text)
            if self._is_last() and stop >= len(chars):
                line.end = self._pen
        self._column += len(text)

    def _wrap(self) -> None:
        """The first half of an endless line becomes final, and all above it; a terminal wraps lines as well."""
        if not self._is_last():
            self._new_line()
            return
        line = self._current()
        chars = line.explode()
        halves = [_Line(line.start, line.pens[_WRAP - 1], "", 0), _Line(line.pens[_WRAP - 1], line.end, "", 0)]
        for half, part in zip(halves, (slice(None, _WRAP), slice(_WRAP, None)), strict=True):
            half.chars, half.pens = chars[part], line.pens[part]
        self._rows[-1] = halves[0].text()
        self._finish("\n".join(self._rows))
        text = halves[1].text()
        self._rows = [text]
        self._row, self._column = 0, self._column - _WRAP
        self._line = _Line(halves[1].start, halves[1].end, text, len(halves[1].pens))

    def _new_line(self) -> None:
        end = self._line.end if self._line is not None else ""
        was_last = self._is_last()
        if was_last:
            end = self._current().end
        self._leave()
        self._row += 1
        self._column = 0
        if was_last:
            self._rows.append("")
            self._line = _Line(end, end, "", 0)
            self._trim()

    # -- lines -----------------------------------------------------------------------------------------------------

    def _is_last(self) -> bool:
        return self._row == len(self._rows) - 1

    def _current(self) -> _Line:
        if self._line is None:
            start = self._base
            for row in self._rows[: self._row]:
                start = painted_by(start, row)
            text = self._rows[self._row]
            self._line = _Line(start, painted_by(start, text), text, len(unpainted(text)))
        return self._line

    def _leave(self) -> None:
        if self._line is not None:
            self._rows[self._row] = self._line.text()
            self._line = None

    def _trim(self) -> None:
        """In bulk, so that it costs little for each line."""
        if len(self._rows) > 4 * _REACH:
            closing = len(self._rows) - _REACH
            self._finish("\n".join(self._rows[:closing]) + "\n")
            del self._rows[:closing]
            self._row -= closing

    def _finish(self, text: str) -> None:
        if self._kept == self._final_chars:
            room = text[: self._limit - self._kept]
            self._final.append(room)
            self._kept += len(room)
        self._final_chars += len(text)
        self._fresh.append(text)
        self._base = painted_by(self._base, text)

    # -- escapes ---------------------------------------------------------------------------------------------------

    def _escape(self, token: str) -> None:
        if CODE.fullmatch(token):
            self._paint(token)
        elif found := _MOVE.fullmatch(token):
            self._move(found[2], found[1])
        # Everything else, such as titles and bracketed paste, shows nothing.

    def _paint(self, token: str) -> None:
        self._pen, before = painted(self._pen, token), self._pen
        line = self._line
        if (
            line is None
            or not self._is_last()
            or self._column != (line.width if line.chars is None else len(line.pens))
        ):
            return
        if line.chars is not None:
            line.end = self._pen
        elif line.end == before and line.codes < _WRAP:
            # Colours as they came; a link as it is kept, if it is.
            code = token if token.startswith("\x1b[") else change(before, self._pen)
            line.parts.append(code)
            line.codes += len(code)
            line.end = self._pen

    def _move(self, kind: str, number: str) -> None:
        steps = min(int(number[:6] or "1") or 1, _WRAP)
        match kind:
            case "A":
                self._go_to(max(self._row - steps, len(self._rows) - _REACH, 0))
            case "B":
                self._go_to(min(self._row + steps, len(self._rows) - 1))
            case "C":
                self._column = max(self._column, min(self._column + steps, _WRAP))
            case "D":
                self._column = max(0, self._column - steps)
            case "G":
                self._column = steps - 1
            case _:
                self._erase(number)

    def _go_to(self, row: int) -> None:
        if row != self._row:
            self._leave()
            self._row = row

    def _erase(self, how: str) -> None:
        line = self._current()
        chars = line.explode()
        if how in ("", "0"):
            del chars[self._column :], line.pens[self._column :]
        elif how == "1":
            stop = min(self._column + 1, len(chars))
            chars[:stop], line.pens[:stop] = " " * stop, [""] * stop
        elif how == "2":
            chars.clear()
            line.pens.clear()
        if self._is_last() and self._column >= len(chars):
            line.end = self._pen


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while low < high:  # by halving, since slices compare at memory speed
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
