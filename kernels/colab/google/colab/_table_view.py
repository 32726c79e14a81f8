"""A DataFrame as pages of a table: which rows, in which order, and how each value is written down.

Columns are numbered from 0; levels of the index are -1, -2 and so on. Nothing here changes the frame.
"""

import datetime
import math
import re

MAX_ROWS = 1_000  # of one page
MAX_COLUMNS = 100
MAX_TEXT = 500  # characters of one value
MAX_PAGE_CHARS = 200_000
_EXACT = 2**53
_COMPARED = re.compile(r"\s*(>=|<=|!=|>|<|=)\s*(.*?)\s*$", re.DOTALL)
_RANGE = re.compile(r"\s*(\S.*?)\s*\.\.\s*(\S.*?)\s*$", re.DOTALL)
_NUMERIC = re.compile(r"[-+.,:\d\se]+")
_TRUTHS = ("true", "false")
_MISSING = ("nan", "none", "null", "nat", "<na>")


class View:
    """The rows that a search and filters leave, sorted. `spec` is what the page asked for: anything may be in it."""

    def __init__(self, frame, spec):
        import numpy

        self.frame = frame
        self.rows = len(frame)
        chosen = None
        search = str(spec.get("search") or "").strip().casefold()
        if search:
            chosen = numpy.zeros(self.rows, dtype=bool)
            for column in all_columns(frame):
                chosen |= _contains(_values(frame, column), search)
        for entry in _list(spec.get("filters")):
            column, text = _column(frame, entry.get("column")), str(entry.get("text") or "")
            if column is None or not text.strip():
                continue
            kept = matches(_values(frame, column), text)
            chosen = kept if chosen is None else chosen & kept
        self.positions = None if chosen is None else numpy.flatnonzero(chosen)
        # The last key first: each sort keeps what the one before made of equals.
        for entry in reversed(_list(spec.get("sort"))):
            column = _column(frame, entry.get("column"))
            if column is not None:
                self._sort(column, bool(entry.get("descending")))

    def _sort(self, column, descending):
        import numpy
        import pandas

        positions = numpy.arange(self.rows) if self.positions is None else self.positions
        values = pandas.Series(_values(self.frame, column)).iloc[positions]
        values.index = pandas.RangeIndex(len(values))
        options = {"ascending": not descending, "kind": "stable", "na_position": "last"}
        try:
            ordered = values.sort_values(**options)
        except TypeError:  # numbers and texts in one column
            ordered = _strings(values).where(values.notna()).sort_values(**options)
        self.positions = positions[ordered.index.to_numpy()]

    def __len__(self):
        return self.rows if self.positions is None else len(self.positions)

    def page(self, start, count, first, columns):
        """Rows from `start`, columns from `first`, within bounds, as JSON can carry them."""
        start = max(0, min(_whole(start, 0), max(0, len(self) - 1)))
        count = max(0, min(_whole(count, 25), MAX_ROWS, len(self) - start))
        width = self.frame.shape[1]
        first = max(0, min(_whole(first, 0), max(0, width - 1)))
        last = min(width, first + max(1, min(_whole(columns, MAX_COLUMNS), MAX_COLUMNS)))
        part = self._part(start, count).iloc[:, first:last]
        levels = [part.index.get_level_values(level) for level in range(part.index.nlevels)]
        written = [[write(value) for value in values] for values in levels]
        written += [[write(value) for value in part.iloc[:, at]] for at in range(part.shape[1])]
        rows, size = [], 0
        for row in zip(*written, strict=True):
            size += sum(len(str(value)) + 3 for value in row)
            if size > MAX_PAGE_CHARS and rows:
                break
            rows.append(list(row))
        return {
            "total": self.rows,
            "found": len(self),
            "start": start,
            "width": width,
            "first": first,
            "index": [describe(name, values.dtype) for name, values in zip(part.index.names, levels, strict=True)],
            "columns": [describe(name, dtype) for name, dtype in zip(part.columns, part.dtypes, strict=True)],
            "rows": rows,
        }

    def csv(self, start, count):
        part = self._part(max(0, _whole(start, 0)), max(1, min(_whole(count, 1_000), 50_000)))
        return part.to_csv(header=start == 0, lineterminator="\n"), len(part)

    def _part(self, start, count):
        if self.positions is None:
            return self.frame.iloc[start : start + count]
        return self.frame.iloc[self.positions[start : start + count]]


def describe(name, dtype):
    names = list(name) if isinstance(name, tuple) else [name]
    return {"name": ["" if each is None else short(str(each)) for each in names], "kind": kind_of(dtype)}


def kind_of(dtype):
    from pandas.api import types

    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_integer_dtype(dtype):
        return "integer"
    if types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
        return "number"
    if types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype) or isinstance(dtype, _periods()):
        return "date"
    return "text"


def _periods():
    import pandas

    return pandas.PeriodDtype


def write(value):
    """A number or a truth as itself where JSON holds it exactly, a missing value as a list of its name, else text."""
    import numpy
    import pandas

    if isinstance(value, (bool, numpy.bool_)):
        return bool(value)
    if isinstance(value, (int, numpy.integer)) and not isinstance(value, numpy.timedelta64):
        return int(value) if abs(int(value)) <= _EXACT else str(int(value))
    if isinstance(value, (float, numpy.floating)):
        number = float(value)
        if math.isnan(number):
            return ["NaN"]
        return number if math.isfinite(number) else ("inf" if number > 0 else "-inf")
    if isinstance(value, str):
        return short(value)
    if value is None or value is pandas.NaT or value is pandas.NA:
        return [str(value)]
    if isinstance(value, pandas.Timestamp):
        return _moment(value)
    if isinstance(value, (datetime.date, pandas.Timedelta, pandas.Period, pandas.Interval)):
        return str(value)
    try:
        return short(repr(value))
    except Exception as error:  # noqa: BLE001 - a value's own code
        return f"[{type(value).__name__}: {type(error).__name__}]"


def _moment(value):
    text = value.isoformat(sep=" ")
    return text.removesuffix(" 00:00:00") if value.tz is None else text


def short(text):
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def all_columns(frame):
    return [*range(-frame.index.nlevels, 0), *range(frame.shape[1])]


def matches(values, text):
    """Which rows a filter as people type it keeps: `abc`, `=abc`, `!=abc`, `>3`, `1..5`, `NaN`, `!NaN`."""
    import pandas

    values = pandas.Series(values)
    plain = text.strip()
    if plain.casefold() in _MISSING:
        return values.isna().to_numpy()
    if plain[:1] == "!" and plain[1:].strip().casefold() in _MISSING:
        return values.notna().to_numpy()
    ranged = _RANGE.match(text)
    if ranged is not None:
        low, high = _compare(values, ">=", ranged[1]), _compare(values, "<=", ranged[2])
        if low is not None and high is not None:
            return low & high
    compared = _COMPARED.match(text)
    if compared is not None:
        found = _compare(values, compared[1], compared[2])
        if found is not None:
            return found
    if kind_of(values.dtype) in ("integer", "number"):
        found = _compare(values, "=", plain)
        if found is not None:
            return found
    return _contains(values, plain.casefold())


def _compare(values, sign, text):
    """None where this text is nothing that such values are compared with."""
    import operator

    import pandas

    kind = kind_of(values.dtype)
    try:
        if kind in ("integer", "number"):
            other = float(text.replace("_", ""))
        elif kind == "date":
            other = pandas.Timedelta(text) if values.dtype.kind == "m" else pandas.Timestamp(text)
            if getattr(values.dtype, "tz", None) is not None and other.tz is None:
                other = other.tz_localize(values.dtype.tz)
        else:
            folded = [value.casefold() if isinstance(value, str) else "" for value in _strings(values)]
            values, other = pandas.Series(folded, dtype=object), text.casefold()
        signs = {**_ORDER, "=": operator.eq, "!=": operator.ne}
        return signs[sign](values, other).fillna(False).to_numpy(bool)
    except (TypeError, ValueError, OverflowError):
        return None


_ORDER = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def _contains(values, text):
    """Which values have the text in them, whatever its case."""
    import numpy
    import pandas

    series = pandas.Series(values)
    if kind_of(series.dtype) == "text":
        strings = _strings(series)
    elif _NUMERIC.fullmatch(text) or text in _TRUTHS:
        strings = series.astype(str)
    else:
        return numpy.zeros(len(series), dtype=bool)  # no number and no date has letters: millions are not looked at
    return strings.str.contains(text, case=False, regex=False, na=False).to_numpy(bool)


def _strings(series):
    import pandas

    if isinstance(series.dtype, pandas.StringDtype):
        return series
    # Never guessed to be Arrow's strings, which take no lone surrogates.
    written = [value if isinstance(value, str) else _plain(value) for value in series]
    return pandas.Series(written, index=series.index, dtype=object)


def _plain(value):
    written = write(value)
    return "" if isinstance(written, list) else str(written)


def _values(frame, column):
    return frame.index.get_level_values(-column - 1) if column < 0 else frame.iloc[:, column]


def _column(frame, value):
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -frame.index.nlevels <= value < frame.shape[1] else None


def _list(value):
    return [entry for entry in value if isinstance(entry, dict)][:20] if isinstance(value, list) else []


def _whole(value, default):
    return default if isinstance(value, bool) or not isinstance(value, int) else value
