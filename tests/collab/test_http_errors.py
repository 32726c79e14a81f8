"""Whatever goes wrong, the answer is one sentence in JSON."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from collab.config import Config
from collab.store.blobs import Blobs
from collab.store.sqlite import SQLiteStore
from collab.store.store import StoreError
from tests.collab.serving import TOKEN, made, refusal, running


@pytest.mark.parametrize("path", ["/nowhere", "/api", "/api/", "/api/notebooks/", "/n/", "/n/a/b", "/assets/", "/%00"])
def test_there_is_nothing(owner: httpx.Client, path: str) -> None:
    assert refusal(owner.get(path)) == (404, "There is nothing at this address.")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("PUT", "/api/me"), ("DELETE", "/api/notebooks"), ("POST", "/healthz"), ("OPTIONS", "/api/me")],
)
def test_another_method(owner: httpx.Client, method: str, path: str) -> None:
    answer = owner.request(method, path)
    assert refusal(answer) == (405, "This address does not take that method.")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 400, "There is no command None; the commands are run_cells, "),
        (b"{", 400, "The body is not valid JSON."),
        (b"null", 400, "The body is a JSON object."),
        (b'{"type": "rm"}', 400, "There is no command 'rm'; the commands are "),
        (b'{"type": ["run_cells"]}', 400, "There is no command ['run_cells']; the commands are "),
        (b'{"type": "run_cells"}', 400, "'cells' is a list of cell ids, or \"all\"."),
        (b'{"type": "run_cells", "cells": ["none"]}', 409, "There is no code cell to run; it may have been deleted "),
        (b'{"type": "complete", "code": "x", "cursor": 1}', 400, "The answer to this command comes as an event; "),
        (b'{"type": "clear_outputs", "cells": ["\\ud800"]}', 400, "The body is not valid JSON."),
        (b'{"type": "interrupt", "x": NaN}', 400, "The body is not valid JSON."),
        (b'{"type": "interrupt", "x": ' + b"[" * 70 + b"]" * 70 + b"}", 400, "The body is not valid JSON."),
        (b" " * (4 << 20) + b"x", 413, "More than 4 MB were sent; "),
    ],
)
def test_commands_that_will_not_do(owner: httpx.Client, body: bytes, status: int, sentence: str) -> None:
    answer = refusal(owner.post(f"/api/notebooks/{made(owner)}/commands", content=body))
    assert (answer[0], answer[1][: len(sentence)]) == (status, sentence)


def test_a_command_that_will(owner: httpx.Client) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "printed"}
    cell = {"id": "c", "cell_type": "code", "metadata": {}, "source": "1", "execution_count": 1, "outputs": [output]}
    id = made(owner, notebook={"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    answer = owner.post(f"/api/notebooks/{id}/commands", json={"type": "clear_outputs", "cells": "all"})
    assert (answer.status_code, answer.json()) == (202, {})


def test_an_error_of_ours_says_nothing_of_our_insides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(blobs: Blobs, sha256: str) -> None:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(Blobs, "path", broken)
    monkeypatch.setattr(SQLiteStore, "has_blob", _true)
    answer = asyncio.run(asked(tmp_path, "/blobs/x"))
    assert refusal(answer) == (500, "Something went wrong on the server; its log says what.")


def test_a_store_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(store: SQLiteStore, notebook: str, sha256: str) -> bool:
        raise StoreError("The database says: database or disk is full.")

    monkeypatch.setattr(SQLiteStore, "has_blob", full)
    answer = asyncio.run(asked(tmp_path, "/blobs/x"))
    assert refusal(answer) == (
        503,
        "The server cannot reach its data. The database says: database or disk is full.",
    )


async def _true(store: SQLiteStore, notebook: str, sha256: str) -> bool:
    return True


async def asked(data: Path, path: str) -> httpx.Response:
    async with running(Config(data, token=TOKEN)) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        id = (await client.post("/api/notebooks")).json()["id"]
        return await client.get(f"/api/notebooks/{id}{path}")


VALUES: list[object] = [None, True, 1, 1e300, "x", "\ud800", "\0", [], {}, [[]], "x" * 100_000, {"__proto__": {"x": 1}}]
CELLS: list[object] = ["all", [], ["\ud800"], [1], {"a": "\ud800"}, ["x" * 100_000]]
ODD = [
    *(b"", b"null", b"true", b"0", b'""', b"[]", b"{}", b"[[]]", b'{"": ""}', b"\x00", b"\xff\xfe", b'"\\ud800"'),
    *(b"NaN", b'{"title": NaN}', b"[" * 2000 + b"]" * 2000, b'{"a":' * 2000, b"1" * 10_000, b"1e999"),
    *(
        json.dumps(dict.fromkeys(("title", "trashed", "name", "role", "expires", "type", "cells"), value)).encode()
        for value in VALUES
    ),
    *(json.dumps({"role": "viewer", "expires": value}).encode() for value in ("\ud800", "9" * 5000, "0001-01-01", 0)),
    *(json.dumps({"type": "run_cells", "cells": value, "sources": value}).encode() for value in CELLS),
    *(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": value, "cells": cells}).encode()
        for value, cells in (({}, None), (None, []), ({"kernelspec": 1, "language_info": []}, []), ({}, [None]))
    ),
]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("PATCH", "/{id}"), ("POST", "/{id}/links"), ("POST", "/{id}/commands")]
)
def test_no_body_makes_the_server_fail(owner: httpx.Client, method: str, path: str) -> None:
    cells: list[object] = []  # so that nothing runs
    id = made(owner, notebook={"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    for body in ODD:
        answer = owner.request(method, f"/api/notebooks{path.replace('{id}', id)}", content=body)
        assert answer.status_code < 500, (body[:80], answer.text)
        if not answer.is_success:
            refusal(answer)
        owner.patch(f"/api/notebooks/{id}", json={"trashed": False})
    assert owner.get(f"/api/notebooks/{id}").status_code == 200
