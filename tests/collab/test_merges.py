"""Work of an earlier epoch comes back over HTTP: merged into the open notebook, or given back."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pycrdt import Doc

from collab import notebook
from collab.compaction import rebuilt
from collab.config import Config
from collab.model import CellId, NotebookId
from collab.notebook import NotebookDoc, roots
from collab.room import load_doc
from collab.store.sqlite import open_sqlite
from tests.collab.serving import TOKEN, refusal, running

pytestmark = pytest.mark.anyio
CELL = CellId("one")
GONE = "The notebook was rebuilt too long ago for these edits to be merged; keep them as recovered work."


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Rebuilt:
    """A server whose notebook is in its second epoch, and what a browser has of the first."""

    def __init__(self, client: httpx.AsyncClient, id: str, copy: NotebookDoc) -> None:
        self.client = client
        self.id = id
        self.copy = copy

    async def send(self, epoch: str = "1", work: bytes | None = None, token: str = TOKEN) -> httpx.Response:
        return await self.client.post(
            f"/api/notebooks/{self.id}/merge?epoch={epoch}",
            content=self.copy.get_update() if work is None else work,
            headers={"authorization": f"Bearer {token}"},
        )

    async def source(self) -> str:
        answer = await self.client.get(f"/api/notebooks/{self.id}/export", headers={"authorization": f"Bearer {TOKEN}"})
        return "".join(answer.json()["cells"][0]["source"])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Rebuilt]:
    config = Config(data=tmp_path, token=TOKEN)
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": CELL,
        "metadata": {},
        "source": "a\nb\nc\n",
        "outputs": [],
        "execution_count": None,
    }
    file = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    async with running(config) as client:
        answer = await client.post("/api/notebooks", json=file, headers={"authorization": f"Bearer {TOKEN}"})
        id = answer.json()["id"]
    async with open_sqlite(tmp_path / "collab.sqlite") as store:
        found = await store.load(NotebookId(id))
        doc = await load_doc(found.updates)
        assert await store.rebase(NotebookId(id), 1, found.seq, doc.get_update(), rebuilt(doc))
    copy: NotebookDoc = Doc()
    roots(copy)
    copy.apply_update(doc.get_update())
    async with running(config) as client:
        yield Rebuilt(client, id, copy)


def write(doc: NotebookDoc, text: str) -> None:
    notebook.replace_by_diff(roots(doc).cells[CELL]["source"], text)


async def test_g4_offline_work_of_the_epoch_before_arrives_once(server: Rebuilt) -> None:
    write(server.copy, "a\nb\nC, offline\n")
    for merged in (1, 0):  # the second time as after a lost answer
        answer = await server.send()
        assert (answer.status_code, answer.json()) == (200, {"merged": merged, "unmerged": []})
        assert await server.source() == "a\nb\nC, offline\n"


async def test_what_cannot_be_merged_is_given_back(server: Rebuilt) -> None:
    write(server.copy, "first\nb\nc\n")
    assert (await server.send()).json()["merged"] == 1
    write(server.copy, "second\nb\nc\n")
    lost = {"cell": CELL, "type": "code", "source": "second\nb\nc\n"}
    (unmerged,) = (await server.send()).json()["unmerged"]
    assert unmerged.pop("why").endswith("meanwhile.")
    assert unmerged == lost
    assert await server.source() == "first\nb\nc\n"


@pytest.mark.parametrize(
    ("epoch", "work", "verdict"),
    [
        ("2", None, (409, "The notebook is in this epoch still; send the edits on the socket.")),
        ("7", None, (410, GONE)),
        ("one", None, (400, "'epoch' is the number of the epoch that the edits were made in.")),
        ("1", b"no update", (422, "These edits cannot be merged: The update cannot be decoded.")),
    ],
)  # fmt: skip
async def test_what_is_no_work_of_an_earlier_epoch(
    server: Rebuilt, epoch: str, work: bytes | None, verdict: tuple[int, str]
) -> None:
    assert refusal(await server.send(epoch, work)) == verdict


async def test_outputs_cannot_be_forged_by_work_that_comes_late(server: Rebuilt) -> None:
    roots(server.copy).outputs["forged"] = "x"
    assert (await server.send()).status_code == 422


async def test_only_editors_merge(server: Rebuilt) -> None:
    write(server.copy, "changed\n")
    for role in ("viewer", "commenter", "runner"):
        answer = await server.client.post(
            f"/api/notebooks/{server.id}/links", json={"role": role}, headers={"authorization": f"Bearer {TOKEN}"}
        )
        assert (await server.send(token=answer.json()["token"])).status_code == 403
    assert (await server.send(token="wrong-token")).status_code == 401
    assert await server.source() == "a\nb\nc\n"
