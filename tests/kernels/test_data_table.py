"""DataFrames as tables, with pandas itself: pages, order, search and filters, and what outlives what."""

import gc
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

COLAB = Path(__file__).resolve().parents[2] / "kernels/colab"


@pytest.fixture(scope="module")
def shell() -> Iterator[Any]:
    sys.path.append(str(COLAB))
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()
    sys.path.remove(str(COLAB))


@pytest.fixture
def tables(shell: Any) -> Iterator[Any]:
    module = importlib.import_module("google.colab.data_table")
    module.offer_tables(shell)
    yield module
    module.disable_dataframe_formatter()
    for kept in (module._shown, module._held, module._views):
        kept.clear()


def ask(name: str, *arguments: object) -> Any:
    call = importlib.import_module("google.colab.output._js")._invoke_function
    value = call(f"collab.table.{name}", json.dumps(arguments), "{}").data
    return json.loads(json.dumps(value, allow_nan=False))


def rows(key: str, start: int = 0, count: int = 25, **spec: Any) -> Any:
    return ask("page", key, spec, start, count, 0, 100)["rows"]


def first(key: str, **spec: Any) -> list[Any]:
    return [row[0] for row in rows(key, **spec)]


FRAME = pd.DataFrame(
    {
        "n": [3.5, 1.0, None, float("inf")],
        "t": ["Ärger", "b", None, "10"],
        "d": pd.to_datetime(["2024-01-02", "2023-01-01 12:30", None, "2020-02-29"], format="ISO8601"),
        "o": [[1], {"a": 2}, ("x", "y"), b"\x00"],
        "b": [True, False, True, True],
        "i": pd.array([2**60, None, 3, 4], dtype="Int64"),
        "c": pd.Categorical(["u", "v", None, "u"]),
    }
)


def test_a_frame_is_shown_as_ever_and_can_be_asked_for(shell: Any, tables: Any) -> None:
    data, metadata = shell.display_formatter.format(FRAME)
    assert set(data) == {"text/plain", "text/html"}
    page = ask("open", metadata["collab"]["table"])
    assert (page["total"], page["found"], page["width"], page["page_rows"]) == (4, 4, 7, 25)
    kinds = ["number", "text", "date", "text", "boolean", "integer", "text"]
    assert [column["kind"] for column in page["columns"]] == kinds


def test_every_value_is_what_json_can_carry(tables: Any) -> None:
    assert rows(tables.key_of(FRAME)) == [
        [0, 3.5, "Ärger", "2024-01-02", "[1]", True, str(2**60), "u"],
        [1, 1.0, "b", "2023-01-01 12:30:00", "{'a': 2}", False, ["<NA>"], "v"],
        [2, ["NaN"], ["NaN"], ["NaT"], "('x', 'y')", True, 3, ["NaN"]],
        [3, "inf", "10", "2020-02-29", "b'\\x00'", True, 4, "u"],
    ]


@pytest.mark.parametrize(
    ("column", "text", "kept"),
    [
        (0, "1", [1]),
        (0, ">1", [0, 3]),
        (0, "1 .. 4", [0, 1]),
        (0, "!= 1", [0, 2, 3]),
        (0, "NaN", [2]),
        (0, "!nan", [0, 1, 3]),
        (0, "abc", []),
        (1, "ärg", [0]),
        (1, "=B", [1]),
        (1, ">b", [0]),
        (1, "none", [2]),
        (1, ">", [0, 1, 3]),
        (1, "(", []),
        (2, "2024", [0]),
        (2, ">=2023-01-01", [0, 1]),
        (2, "2020-01-01..2023-06-01", [1, 3]),
        (2, "> no date", []),
        (3, "x", [2, 3]),
        (4, "false", [1]),
        (5, "3..4", [2, 3]),
        (6, "U", [0, 3]),
        (-1, ">=2", [2, 3]),
        (99, "1", [0, 1, 2, 3]),
        ("0", "1", [0, 1, 2, 3]),
    ],
)
def test_filters(tables: Any, column: object, text: str, kept: list[int]) -> None:
    assert first(tables.key_of(FRAME), filters=[{"column": column, "text": text}]) == kept


def test_a_search_looks_everywhere(tables: Any) -> None:
    key = tables.key_of(FRAME)
    assert first(key, search="V") == [1]
    assert first(key, search="10") == [3]
    assert first(key, search="2023-01") == [1]
    assert first(key, search="true") == [0, 2, 3]
    assert first(key, search="10", filters=[{"column": 0, "text": "1"}]) == []


def test_order_by_several_columns_with_what_is_missing_last(tables: Any) -> None:
    key = tables.key_of(FRAME)
    assert first(key, sort=[{"column": 0, "descending": True}]) == [3, 0, 1, 2]
    assert first(key, sort=[{"column": 6, "descending": False}, {"column": 0, "descending": False}]) == [0, 3, 1, 2]
    assert first(key, sort=[{"column": -1, "descending": True}]) == [3, 2, 1, 0]
    assert first(key, sort=[{"column": 3, "descending": False}]) == [2, 0, 3, 1]


def test_levels_of_both_axes(tables: Any) -> None:
    frame = pd.DataFrame(
        {("a", "x"): [1, 2], ("a", "y"): [3, 4]},
        index=pd.MultiIndex.from_tuples([("i", 1), ("j", 2)], names=["k", None]),
    )
    page = ask("open", tables.key_of(frame))
    assert page["index"] == [{"name": ["k"], "kind": "text"}, {"name": [""], "kind": "integer"}]
    assert [column["name"] for column in page["columns"]] == [["a", "x"], ["a", "y"]]
    assert page["rows"] == [["i", 1, 1, 3], ["j", 2, 2, 4]]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": []}),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]),
        pd.DataFrame({0: ["x" * 100_000] * 50, "s": pd.Series(["\ud800"] * 50, dtype=object)}),
        pd.DataFrame({"td": pd.to_timedelta([1, None], unit="h"), "z": pd.to_datetime([0, None], utc=True)}),
        pd.DataFrame({"p": pd.period_range("2024", periods=2, freq="M"), "i": pd.interval_range(0, 2)}),
        pd.DataFrame({"x": [1 + 2j, None]}),
        pd.DataFrame(np.zeros((3, 500))),
    ],
    ids=lambda frame: str(frame.shape),
)
def test_odd_frames_have_a_table(tables: Any, frame: pd.DataFrame) -> None:
    value = json.loads(json.dumps(tables.table_of(frame), allow_nan=False))
    assert (value["total"], value["width"]) == frame.shape
    assert len(json.dumps(value)) < 400_000
    for column in range(-frame.index.nlevels, min(2, frame.shape[1])):
        for text in ("1", ">1", "a..b", "nan"):
            spec: dict[str, Any] = {
                "filters": [{"column": column, "text": text}],
                "search": text,
                "sort": [{"column": column}],
            }
            assert len(rows(value["key"], **spec)) <= len(frame)


def test_millions_of_rows_are_read_page_by_page(tables: Any) -> None:
    count = 2_000_000
    frame = pd.DataFrame({"n": np.arange(count), "odd": np.arange(count) % 2})
    key = tables.key_of(frame)
    assert rows(key, 1_999_998, sort=[{"column": 0, "descending": True}]) == [[1, 1, 1], [0, 0, 0]]
    page = ask("page", key, {"filters": [{"column": 1, "text": "1"}]}, 10, 2, 0, 1)
    assert (page["found"], page["rows"]) == (count // 2, [[21, 21], [23, 23]])
    assert len(rows(key, 0, 10**9)) <= 1_000


def test_as_csv_in_pieces_of_what_was_asked_for(tables: Any) -> None:
    frame = pd.DataFrame({"a": range(20_000), "b": ["x" * 40] * 20_000})
    key, pieces, start = tables.key_of(frame), [], 0
    spec = {"sort": [{"column": 0, "descending": True}]}
    while start is not None:
        piece = ask("csv", key, spec, start)
        assert len(piece["text"]) < 500_000
        pieces.append(piece["text"])
        start = piece["next"]
    assert len(pieces) > 1
    assert "".join(pieces) == frame.iloc[::-1].to_csv()


def test_as_tables_from_the_start(shell: Any, tables: Any) -> None:
    shell.run_line_magic("load_ext", "google.colab.data_table")
    data, metadata = shell.display_formatter.format(FRAME)
    assert (set(data), metadata) == ({"text/plain", "text/html", tables.MIME}, {})
    assert len(data[tables.MIME]["rows"]) == 4
    shell.run_line_magic("unload_ext", "google.colab.data_table")
    assert tables.MIME not in shell.display_formatter.format(FRAME)[0]
    shown = tables.DataTable(FRAME["n"], include_index=False, num_rows_per_page=5)
    data, _ = shell.display_formatter.format(shown)
    about = data[tables.MIME]
    assert (about["page_rows"], about["shows_index"], about["width"]) == (5, False, 1)


def test_a_table_keeps_no_large_frame_alive(tables: Any) -> None:
    small, large = pd.DataFrame({"a": [1]}), pd.DataFrame({"a": np.zeros(9_000_000)})
    keys = tables.key_of(small), tables.key_of(large)
    rows(keys[1], sort=[{"column": 0}])
    del small, large
    gc.collect()
    assert rows(keys[0]) == [[0, 1]]
    with pytest.raises(LookupError, match="run the cell again"):
        rows(keys[1])
    for _ in range(30):
        tables.key_of(pd.DataFrame({"a": [1]}))
    gc.collect()
    assert (len(tables._shown), len(tables._held)) == (20, 20)


def test_a_frame_that_fails_is_shown_all_the_same(shell: Any, tables: Any) -> None:
    class Odd(pd.DataFrame):
        def memory_usage(self, *_: object, **__: object) -> Any:
            raise RuntimeError("odd")

    data, metadata = shell.display_formatter.format(Odd({"a": [1]}))
    assert (set(data), metadata) == ({"text/plain", "text/html"}, {})
