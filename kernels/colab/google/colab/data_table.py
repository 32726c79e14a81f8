"""DataFrames as tables that are sorted, searched and paged in the browser, page by page out of the living kernel.

By default a DataFrame is shown as ever, and its output holds a key by which the page may ask for its table. With
`enable_dataframe_formatter()`, or `%load_ext google.colab.data_table`, it is a table from the start: its first rows
are in the output and stay there when the kernel is gone.
"""

import itertools
import weakref
from collections import OrderedDict
from contextlib import contextmanager

from google.colab import _table_view

MIME = "application/vnd.collab.table+json"
_MAX_KEPT = 1_000  # frames that can still be asked for
_MAX_HELD = 20  # of them, those that nothing else holds any more
_MAX_HELD_BYTES = 64 << 20  # of one
_MAX_HELD_ALL_BYTES = 256 << 20
_CSV_CHARS = 400_000  # of one answer; a result is 1 MB at most
_TYPES = (("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame"))

_numbers = itertools.count(1)
_shown = OrderedDict()  # key -> weak reference to the frame
_held = OrderedDict()  # key -> (frame, bytes): else `display(df.head())` could never be asked for again
_views = OrderedDict()  # key -> (spec, View) of the view that was asked for last, without its frame
_MAX_VIEWS = 8  # a view of a million rows is 8 MB
_is_table = False


class DataTable:
    """A DataFrame, or a Series, that is shown as a table. The names of the arguments are Colab's."""

    max_rows = 20_000
    max_columns = 20
    num_rows_per_page = 25
    include_index = True

    def __init__(
        self, dataframe, include_index=None, num_rows_per_page=None, max_rows=None, max_columns=None, min_width=None
    ):
        self._dataframe = dataframe.to_frame() if not hasattr(dataframe, "columns") else dataframe
        self._include_index = self.include_index if include_index is None else include_index
        self._page_rows = num_rows_per_page or self.num_rows_per_page
        del max_rows, max_columns, min_width  # any number of rows and columns is shown, page by page

    def _repr_mimebundle_(self, include=None, exclude=None):
        frame = self._dataframe
        data = {"text/plain": repr(frame), MIME: table_of(frame, self._page_rows, bool(self._include_index))}
        html = getattr(frame, "_repr_html_", lambda: None)()
        return data | ({"text/html": html} if html else {})


def table_of(frame, page_rows=DataTable.num_rows_per_page, include_index=True):
    """What the output holds of a table: its first rows and columns, and the key to all others."""
    page = _table_view.View(frame, {}).page(0, _table_view.MAX_ROWS, 0, _table_view.MAX_COLUMNS)
    return page | _about(key_of(frame), page_rows, include_index)


def key_of(frame):
    """By it the page asks for pages of the frame, as long as the kernel and the frame live."""
    _answer_pages()
    key = f"table-{next(_numbers)}"
    while len(_shown) >= _MAX_KEPT:
        _forget(next(iter(_shown)))
    _shown[key] = weakref.ref(frame, lambda _: _forget(key))
    size = _size(frame)
    if size <= _MAX_HELD_BYTES:
        _held[key] = frame, size
    while len(_held) > _MAX_HELD or sum(size for _, size in _held.values()) > _MAX_HELD_ALL_BYTES:
        _held.popitem(last=False)
    return key


def _size(frame):
    return int(frame.memory_usage(index=True).sum())


def _forget(key):
    _shown.pop(key, None)
    _held.pop(key, None)
    _views.pop(key, None)


@contextmanager
def _view(key, spec):
    reference = _shown.get(key)
    frame = None if reference is None else reference()
    if frame is None:
        raise LookupError("This DataFrame is not there any more; run the cell again.")
    wanted = {name: spec.get(name) for name in ("search", "filters", "sort")} if isinstance(spec, dict) else {}
    known = _views.pop(key, None)
    # A frame that was changed since has other rows.
    if known is None or known[0] != (wanted, frame.shape):
        known = ((wanted, frame.shape), _table_view.View(frame, wanted))
    _views[key] = known
    while len(_views) > _MAX_VIEWS:
        _views.popitem(last=False)
    known[1].frame = frame
    try:
        yield known[1]
    finally:
        known[1].frame = None  # it lives as long as the notebook's own names for it


def _json(value):
    from IPython.display import JSON

    return JSON(value)


def _page(key, spec, start, count, first, columns):
    with _view(key, spec) as view:
        return _json(view.page(start, count, first, columns) | _about(key))


def _open(key):
    """The table of a frame that was shown as ever."""
    with _view(key, {}) as view:
        return _json(view.page(0, DataTable.num_rows_per_page, 0, _table_view.MAX_COLUMNS) | _about(key))


def _csv(key, spec, start):
    """Rows from `start` as CSV, as many as one answer holds; `next` is null at the end."""
    with _view(key, spec) as view:
        count = 20_000
        while True:
            text, rows = view.csv(start, count)
            if len(text) <= _CSV_CHARS or count == 1:
                break
            count = max(1, min(count // 2, count * _CSV_CHARS // len(text)))
        after = start + rows
        return _json({"text": text, "next": after if rows and after < len(view) else None, "found": len(view)})


def _about(key, page_rows=DataTable.num_rows_per_page, shows_index=True):
    return {"version": 1, "key": key, "page_rows": page_rows, "shows_index": shows_index}


def _answer_pages():
    from google.colab import output

    output.register_callback("collab.table.page", _page)
    output.register_callback("collab.table.csv", _csv)
    output.register_callback("collab.table.open", _open)


def bundle_of(frame):
    """For IPython, which the launcher of kernels tells of it: what stands in a DataFrame's output beside its text and
    its HTML. Whatever happens here, those are shown."""
    try:
        if _is_table:
            return {MIME: table_of(frame)}, {}
        return {}, {"collab": {"table": key_of(frame)}}
    except Exception:  # noqa: BLE001 - a frame of a class of its own may do anything
        return {}, {}


def offer_tables(ipython):
    """From now on every DataFrame that is shown can be asked for as a table."""
    for module, name in _TYPES:
        ipython.display_formatter.mimebundle_formatter.for_type_by_name(module, name, bundle_of)


def enable_dataframe_formatter():
    """From now on every DataFrame is shown as a table."""
    global _is_table
    from google.colab._ipython import get_ipython

    _is_table = True
    offer_tables(get_ipython())


def disable_dataframe_formatter():
    """From now on DataFrames are shown as ever."""
    global _is_table
    _is_table = False


def load_ipython_extension(ipython):
    """`%load_ext google.colab.data_table`"""
    enable_dataframe_formatter()


def unload_ipython_extension(ipython):
    disable_dataframe_formatter()
