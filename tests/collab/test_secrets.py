"""Secrets of people: what is stored is sealed, bound to its owner and name, and read where it was granted."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from pycrdt import Doc

from collab import notebook
from collab.model import NotebookId, User, UserId
from collab.secrets import MAX_SECRETS, MAX_VALUE_BYTES, BadSecret, NoSuchSecret, NotGranted, Secrets
from collab.store.sqlite import SQLiteStore, open_sqlite
from collab.store.store import NotebookRow

ADA, BO = UserId("ada"), UserId("bo")
HERE, THERE = NotebookId("here"), NotebookId("there")
VALUE = "correct horse battery staple"


@asynccontextmanager
async def stored(folder: Path) -> AsyncIterator[SQLiteStore]:
    async with open_sqlite(folder / "collab.sqlite") as store:
        if await store.user(ADA) is None:
            for id in (ADA, BO):
                await store.save_user(User(id, id, "#112233", True))
            for notebook_id in (HERE, THERE):
                doc: Doc[Any] = Doc()
                notebook.create(doc)
                row = NotebookRow(notebook_id, "A title", 1, datetime.now(UTC))
                await store.create(row, doc.get_update(), "")
        yield store


def test_a_secret_is_its_owners_and_is_read_where_it_was_granted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stored(tmp_path) as store:
            secrets = Secrets(store, b"key")
            await secrets.set(ADA, "TOKEN", VALUE)
            assert await secrets.read(ADA, "TOKEN") == VALUE
            with pytest.raises(NotGranted):
                await secrets.read_in(ADA, "TOKEN", HERE)
            await secrets.grant(ADA, "TOKEN", HERE, True)
            assert await secrets.read_in(ADA, "TOKEN", HERE) == VALUE
            for user, name, where in ((ADA, "TOKEN", THERE), (BO, "TOKEN", HERE), (ADA, "token", HERE)):
                with pytest.raises((NotGranted, NoSuchSecret)):
                    await secrets.read_in(user, name, where)
            assert [(name, granted) for name, _, granted in await secrets.names(ADA, HERE)] == [("TOKEN", True)]
            assert [(name, granted) for name, _, granted in await secrets.names(ADA, THERE)] == [("TOKEN", False)]
            assert await secrets.names(BO, HERE) == []
            await secrets.grant(ADA, "TOKEN", HERE, False)
            with pytest.raises(NotGranted):
                await secrets.read_in(ADA, "TOKEN", HERE)
            await secrets.grant(ADA, "TOKEN", HERE, True)
            await secrets.set(ADA, "TOKEN", "another")  # what was granted stays so
            assert await secrets.read_in(ADA, "TOKEN", HERE) == "another"
            await secrets.delete(ADA, "TOKEN")
            await secrets.set(ADA, "TOKEN", VALUE)  # one of the same name is not the same
            with pytest.raises(NotGranted):
                await secrets.read_in(ADA, "TOKEN", HERE)
            for change in (secrets.delete(BO, "TOKEN"), secrets.grant(BO, "TOKEN", HERE, True)):
                with pytest.raises(NoSuchSecret):
                    await change

    anyio.run(scenario)


def test_grants_go_with_their_notebook(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stored(tmp_path) as store:
            secrets = Secrets(store, b"key")
            await secrets.set(ADA, "TOKEN", VALUE)
            await secrets.grant(ADA, "TOKEN", HERE, True)
            await store.delete(HERE)
            assert await store.granted_secrets(ADA, HERE) == []
            assert await secrets.read(ADA, "TOKEN") == VALUE

    anyio.run(scenario)


def test_nothing_of_a_value_is_on_the_disk_and_no_row_can_be_passed_off_as_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stored(tmp_path) as store:
            secrets = Secrets(store, b"key")
            await secrets.set(ADA, "TOKEN", VALUE)
            await secrets.set(BO, "TOKEN", "his")
            await secrets.set(ADA, "OTHER", "other")
        files = [file async for file in anyio.Path(tmp_path).iterdir()]
        assert files
        for file in files:
            assert VALUE.encode() not in await file.read_bytes()
        with sqlite3.connect(tmp_path / "collab.sqlite") as db:
            sealed = db.execute("SELECT value FROM secrets WHERE user = 'ada' AND name = 'TOKEN'").fetchone()
            db.execute("UPDATE secrets SET value = ? WHERE user = 'bo' OR name = 'OTHER'", sealed)
        db.close()
        async with stored(tmp_path) as store:
            for user, name, key in ((BO, "TOKEN", b"key"), (ADA, "OTHER", b"key"), (ADA, "TOKEN", b"another key")):
                with pytest.raises(BadSecret, match=r"enter its value again\.$"):
                    await Secrets(store, key).read(user, name)
            assert await Secrets(store, b"key").read(ADA, "TOKEN") == VALUE

    anyio.run(scenario)


@pytest.mark.parametrize("name", ["", "1A", "a b", "a/b", "ü", "x" * 101, "a\n"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    async def scenario() -> None:
        async with stored(tmp_path) as store:
            with pytest.raises(BadSecret, match=r"\.$"):
                await Secrets(store, b"key").set(ADA, name, VALUE)

    anyio.run(scenario)


def test_bounds_are_told_without_the_value(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stored(tmp_path) as store:
            secrets = Secrets(store, b"key")
            for value in ("", "s" * (MAX_VALUE_BYTES + 1)):
                with pytest.raises(BadSecret) as raised:
                    await secrets.set(ADA, "TOKEN", value)
                assert "sss" not in str(raised.value)
            for number in range(MAX_SECRETS):
                await secrets.set(ADA, f"N{number}", "1")
            with pytest.raises(BadSecret, match=f"At most {MAX_SECRETS}"):
                await secrets.set(ADA, "ONE_MORE", "1")
            await secrets.set(ADA, "N0", "2")
            await secrets.set(BO, "TOKEN", "1")

    anyio.run(scenario)
