"""Backups hold everything and come back whole or not at all; the doctor finds what is broken, and mends no more than
is certain."""

import json
import os
import sqlite3
import stat
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from collab import imports, upkeep
from collab.backup import BadBackup, back_up, restore
from collab.data import AlreadyServed, open_data
from collab.doctor import Doctor
from collab.model import NotebookId
from collab.store.blobs import Blobs
from collab.store.sqlite import SQLiteStore, open_sqlite
from collab.store.store import LogEntry, StoreError
from tests.collab.serving import made, serving

pytestmark = pytest.mark.anyio
LARGE = "x" * 700_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Kept:
    """A data folder with one Notebook, whose one output is large enough to be a Blob."""

    def __init__(self, folder: Path, store: SQLiteStore, id: NotebookId) -> None:
        self.folder = folder
        self.store = store
        self.id = id

    @property
    def blob(self) -> Path:
        (path,) = (self.folder / "blobs").glob("??/*")
        return path

    def change(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.folder / "collab.sqlite")) as db, db:
            for statement in statements:
                db.execute(statement)

    def findings(self, repair: bool = False) -> list[tuple[str, str, bool]]:
        return [(found.where, found.text, found.repaired) for found in Doctor(self.folder, repair).examine().findings]


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    folder = tmp_path / "data"
    with open_data(folder, ""):
        async with open_sqlite(folder / "collab.sqlite") as store:
            row = await imports.import_notebook(store, Blobs(folder / "blobs"), notebook(), "Whales")
            yield Kept(folder, store, row.id)


def notebook() -> bytes:
    output = {"output_type": "stream", "name": "stdout", "text": LARGE}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "", "execution_count": 1, "outputs": [output]}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


# -- backups ----------------------------------------------------------------------------------------------------------


def test_a_backup_of_a_running_server_comes_back_whole(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "backup.zip", tmp_path / "elsewhere"
    with serving(tmp_path / "data", COLLAB_TOKEN="") as server:
        address = httpx.URL(server.address)
        with server.script(address.params["token"]) as owner:
            id = made(owner, notebook=json.loads(notebook()))
            taken = owner.get(f"/api/notebooks/{id}/export").content
            listed = owner.get("/api/notebooks").json()
            manifest = back_up(tmp_path / "data", file)
    assert (manifest.notebooks, manifest.blobs) == (len(listed["notebooks"]), 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert restore(file, elsewhere) == manifest
    with serving(elsewhere, COLLAB_TOKEN="") as server:
        assert httpx.URL(server.address).params == address.params
        with server.script(address.params["token"]) as owner:
            assert owner.get(f"/api/notebooks/{id}/export").content == taken
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.zip", "data", "elsewhere"]


async def test_what_is_there_is_put_aside_and_never_overwritten_unasked(kept: Kept, tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    back_up(kept.folder, file)
    target = tmp_path / "other"
    with open_data(target, ""):
        async with open_sqlite(target / "collab.sqlite") as store:
            await imports.create_empty(store, "Of before")
    with pytest.raises(BadBackup, match="--replace puts them aside"):
        restore(file, target)
    restore(file, target, replace=True)
    (aside,) = target.glob("before-*")
    async with open_sqlite(aside / "collab.sqlite") as store:
        assert [found.notebook.title for found in await store.notebooks(None)] == ["Of before"]
    async with open_sqlite(target / "collab.sqlite") as store:
        assert [found.notebook.title for found in await store.notebooks(None)] == ["Whales"]


def rewritten(file: Path, change: dict[str, bytes | None]) -> Path:
    """The archive with some files replaced, left out or added."""
    out = file.with_name("changed.zip")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = change.pop(name, source.read(name))
            if data is not None:
                target.writestr(name, data)
        for name, data in change.items():
            target.writestr(name, data or b"")
    return out


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("manifest.json", None, "it has no manifest"),
        ("manifest.json", b'{"format": 99}', "it has no manifest"),
        ("collab.sqlite", b"other", "its database is not what was backed up"),
        ("collab.sqlite", None, "its database is not what was backed up"),
        ("blob", b"other", "is not what was backed up"),
        ("blob", None, "1 files of outputs are missing"),
        ("../../evil", b"x", "files that no backup of collab has"),
        ("blobs/aa/../../evil", b"x", "files that no backup of collab has"),
    ],
)
async def test_a_damaged_backup_changes_nothing(
    kept: Kept, tmp_path: Path, name: str, data: bytes | None, words: str
) -> None:
    file = tmp_path / "backup.zip"
    back_up(kept.folder, file)
    if name == "blob":
        name = f"blobs/{kept.blob.parent.name}/{kept.blob.name}"
    target = tmp_path / "target"
    with pytest.raises(BadBackup, match=words):
        restore(rewritten(file, {name: data}), target)
    assert list(target.iterdir()) == []
    assert not (tmp_path / "evil").exists()


async def test_half_a_backup_and_one_of_a_newer_collab_are_refused(kept: Kept, tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    newer = json.dumps(asdict(back_up(kept.folder, file)) | {"schema": 999}).encode()
    with pytest.raises(BadBackup, match="newer collab; update collab"):
        restore(rewritten(file, {"manifest.json": newer}), tmp_path / "target")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BadBackup, match="is no whole backup"):
        restore(file, tmp_path / "target")
    with pytest.raises(BadBackup, match="nothing to back up"):
        back_up(tmp_path / "nowhere", file)
    with pytest.raises(BadBackup, match="cannot be restored"):
        restore(tmp_path / "nothing.zip", tmp_path / "target")


async def test_a_folder_that_is_served_is_neither_restored_into_nor_repaired(kept: Kept, tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    back_up(kept.folder, file)
    for command in (["restore", str(file), "--replace"], ["doctor", "--repair"]):
        with pytest.raises(AlreadyServed):
            upkeep.run([*command, "--data", str(kept.folder)], {})


# -- the doctor -------------------------------------------------------------------------------------------------------


async def test_what_is_whole_is_well(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert upkeep.run(["doctor"], {"COLLAB_DATA": str(kept.folder)}) == 0
    assert capsys.readouterr().out == "Looked at 1 notebooks and 1 large outputs. All is well.\n"


async def test_a_damaged_snapshot_is_replaced_and_nothing_is_lost(kept: Kept) -> None:
    found = await kept.store.load(kept.id)
    await kept.store.append(kept.id, 1, [LogEntry("", found.updates[0])])
    await kept.store.compact(kept.id, 1, 1, found.updates[0])
    kept.change("UPDATE snapshots SET data = x'00'")
    words = "A snapshot was damaged; what was before it and after it is whole."
    assert kept.findings() == [("Whales", words, False)]
    assert kept.findings(repair=True) == [("Whales", words, True)]
    assert kept.findings() == []
    assert (await kept.store.load(kept.id)).has_snapshot


async def test_a_log_with_a_hole_is_named_by_its_title_and_left_alone(kept: Kept) -> None:
    kept.change("UPDATE updates SET seq = 7")
    before = kept.findings()
    assert before == [
        ("Whales", "It cannot be opened. The notebook's log is damaged: updates are missing. Restore a backup.", False)
    ]
    assert kept.findings(repair=True) == before


async def test_updates_that_are_none_are_named(kept: Kept) -> None:
    kept.change("UPDATE updates SET data = x'0102030405'")
    ((where, text, repaired),) = kept.findings()
    assert (where, repaired) == ("Whales", False)
    assert text.startswith("It cannot be opened. The log cannot be replayed")


async def test_blobs_that_are_gone_damaged_unknown_or_unused(kept: Kept) -> None:
    blob = kept.blob
    kept.change("DELETE FROM blobs")
    words = "1 large output could not be read by anybody."
    assert kept.findings() == [("Whales", words, False)]
    assert kept.findings(repair=True) == [("Whales", words, True)]
    assert await kept.store.has_blob(kept.id, blob.parent.name + blob.name)
    content = blob.read_bytes()
    blob.write_bytes(b"other")
    words = "1 file of large outputs was damaged; restore a backup."
    assert kept.findings(repair=True) == [("", words, False)]
    assert kept.findings() == [
        ("Whales", "1 large output cannot be shown in full, as the files are missing.", False),
    ]
    Blobs(kept.folder / "blobs").put(content)  # the same output again
    blob.with_name(f"{blob.name}.damaged").unlink()
    assert kept.findings() == []


async def test_only_what_is_old_and_unused_goes(kept: Kept) -> None:
    blobs = Blobs(kept.folder / "blobs")
    young, old = (blobs.path(blobs.put(data)) for data in (b"young", b"old"))
    assert young is not None
    assert old is not None
    part = old.with_name(f"{old.name}.1.part")
    part.touch()
    for path in (old, part):
        os.utime(path, (time.time() - 90_000,) * 2)
    words = ["1 file of large outputs was used by nothing.", "1 file was left half written."]
    assert kept.findings() == [("", word, False) for word in words]
    assert kept.findings(repair=True) == [("", word, True) for word in words]
    assert (young.exists(), old.exists(), part.exists()) == (True, False, False)
    assert kept.findings() == []


async def test_a_notebook_that_searches_do_not_find_is_found_again(kept: Kept) -> None:
    kept.change("DELETE FROM search")
    assert kept.findings(repair=True) == [("Whales", "Searches did not find it.", True)]
    assert [found.notebook.id for found in await kept.store.notebooks(None, "whales")] == [kept.id]
    assert kept.findings() == []


async def test_no_data_and_data_of_another_schema(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There are no notebooks in"):
        Doctor(tmp_path / "nowhere").examine()
    kept.change("PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="start collab once"):
        Doctor(kept.folder).examine()
