"""Replaced outputs free their space after a day, and nothing that is named or young goes."""

import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collab.model import NotebookId
from collab.store.blobs import Blobs
from collab.store.sqlite import SQLiteStore, open_sqlite
from collab.store.store import NotebookRow
from collab.sweeping import sweep_with

pytestmark = pytest.mark.anyio
A, B = NotebookId("a"), NotebookId("b")
TWO_DAYS_AGO = time.time() - 2 * 86_400


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    async with open_sqlite(tmp_path / "collab.sqlite") as opened:
        yield opened


def age(blobs: Blobs, sha256: str) -> None:
    path = blobs.path(sha256)
    assert path is not None
    os.utime(path, (TWO_DAYS_AGO, TWO_DAYS_AGO))


async def test_what_no_notebook_has_named_for_a_day_goes(store: SQLiteStore, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    named, replaced, shared, young = (blobs.put(name.encode()) for name in ("named", "replaced", "shared", "young"))
    long_ago = datetime.fromtimestamp(TWO_DAYS_AGO, UTC)
    await store.create(NotebookRow(A, "A", 1, long_ago), b"", "", [named, replaced, shared])
    await store.create(NotebookRow(B, "B", 1, long_ago), b"", "", [shared])
    await store.add_blob(A, young)
    for sha256 in (named, replaced, shared):
        age(blobs, sha256)
    await sweep_with(store, blobs)(A, frozenset([named]))
    assert [blobs.path(sha256) is not None for sha256 in (named, replaced, shared, young)] == [True, False, True, True]
    await sweep_with(store, blobs)(B, frozenset())
    assert blobs.path(shared) is None


def test_the_same_output_again_keeps_its_file(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    sha256 = blobs.put(b"plot")
    age(blobs, sha256)
    assert blobs.put(b"plot") == sha256
    assert blobs.remove([sha256, "0" * 64], time.time() - 3_600) == 0
    age(blobs, sha256)
    assert blobs.remove([sha256], time.time() - 3_600) == 1
