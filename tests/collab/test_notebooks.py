"""One notebook: what it is, and taking it away as a file."""

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import nbformat
import pytest

from collab.config import Config
from collab.http._attachment import attachment
from tests.collab.serving import TOKEN, Served, link, made, refusal, running

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400).decode()  # over 64 KiB: a Blob
NOTEBOOK: dict[str, Any] = {
    "cells": [
        {"id": "words", "cell_type": "markdown", "metadata": {}, "source": "# A heading\n\n$x^2$"},
        {
            "id": "code",
            "cell_type": "code",
            "metadata": {},
            "execution_count": 3,
            "source": "print('printed')",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": "printed\n"},
                {"output_type": "display_data", "metadata": {}, "data": {"image/png": PNG, "text/plain": "<Figure>"}},
            ],
        },
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def test_what_it_is(served: Served, owner: httpx.Client) -> None:
    id = made(owner, "A title")
    value = owner.get(f"/api/notebooks/{id}").json()
    assert value == {
        "id": id,
        "title": "A title",
        "role": "owner",
        "epoch": 1,
        "updated": value["updated"],
        "trashed": False,
        "people": [],
        "runtime": {"status": "none", "kernel": "", "session": "", "reason": ""},
        "output_label": value["output_label"],
    }


def test_who_is_there(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    token = link(owner, id, "viewer")
    with (
        served.script(token) as guest,
        served.socket(f"/api/notebooks/{id}/socket", {"authorization": f"Bearer {token}"}) as first,
        served.socket(f"/api/notebooks/{id}/socket", {"authorization": f"Bearer {token}"}) as second,
    ):
        first.recv(timeout=20)
        second.recv(timeout=20)
        me = guest.get("/api/me").json()
        assert owner.get(f"/api/notebooks/{id}").json()["people"] == [
            {key: me[key] for key in ("id", "name", "color", "guest")}
        ]


def test_as_ipynb(owner: httpx.Client) -> None:
    id = made(owner, "A title", NOTEBOOK)
    answer = owner.get(f"/api/notebooks/{id}/export")
    assert answer.headers["content-type"] == "application/x-ipynb+json"
    nbformat.validate(nbformat.reads(answer.text, as_version=nbformat.NO_CONVERT))
    assert answer.json() == json.loads(nbformat.writes(nbformat.from_dict(NOTEBOOK)))
    assert owner.get(f"/api/notebooks/{id}/export", params={"format": "ipynb", "outputs": "true"}).text == answer.text


def test_without_outputs(owner: httpx.Client) -> None:
    id = made(owner, "A title", NOTEBOOK)
    bare = owner.get(f"/api/notebooks/{id}/export", params={"outputs": "false"}).json()
    assert (bare["cells"][1]["outputs"], bare["cells"][1]["execution_count"]) == ([], None)
    html = owner.get(f"/api/notebooks/{id}/export", params={"format": "html", "outputs": "false"}).text
    assert "A heading" in html
    assert PNG[:100] not in html


def outputs_in(client: httpx.Client, id: str) -> Any:
    return client.get(f"/api/notebooks/{id}/export").json()["cells"][1]["outputs"]


def test_a_notebook_that_omits_its_outputs(owner: httpx.Client) -> None:
    id = made(owner, "A title", NOTEBOOK)
    assert owner.patch(f"/api/notebooks/{id}", json={"omits_outputs": True}).status_code == 200
    assert outputs_in(owner, id) == []
    assert owner.get(f"/api/notebooks/{id}/export").json()["metadata"]["colab"] == {"private_outputs": True}
    assert outputs_in(owner, owner.post(f"/api/notebooks/{id}/copy").json()["id"]) == []
    assert owner.patch(f"/api/notebooks/{id}", json={"omits_outputs": False}).status_code == 200
    assert "colab" not in owner.get(f"/api/notebooks/{id}/export").json()["metadata"]
    assert refusal(owner.patch(f"/api/notebooks/{id}", json={"omits_outputs": 1})) == (
        400,
        "'omits_outputs' is true or false.",
    )


def test_whether_outputs_are_omitted_is_for_editors_to_say(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    with served.browser(f"/n/{id}?link={link(owner, id, 'runner')}") as guest:
        assert guest.patch(f"/api/notebooks/{id}", json={"omits_outputs": True}).status_code == 403


@pytest.mark.anyio
async def test_a_server_that_omits_outputs(tmp_path: Path) -> None:
    async with running(Config(tmp_path, token=TOKEN, omit_outputs=True)) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        id = (await client.post("/api/notebooks", json=NOTEBOOK)).json()["id"]
        copied = (await client.post(f"/api/notebooks/{id}/copy")).json()["id"]
        for each in (id, copied):
            assert (await client.get(f"/api/notebooks/{each}/export")).json()["cells"][1]["outputs"] == []
        html = (await client.get(f"/api/notebooks/{id}/export", params={"format": "html"})).text
        assert "A heading" in html
        assert PNG[:100] not in html


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("format", "type", "wanted"),
    [
        ("py", "text/x-python; charset=utf-8", ["# # A heading", "print('printed')"]),
        ("md", "text/markdown; charset=utf-8", ["# A heading", "print('printed')", PNG[:100]]),
        ("html", "text/html; charset=utf-8", ["<title>A title</title>", "A heading", PNG[:100], "printed"]),
    ],
)
def test_in_other_formats(owner: httpx.Client, format: str, type: str, wanted: list[str]) -> None:
    id = made(owner, "A title", NOTEBOOK)
    answer = owner.get(f"/api/notebooks/{id}/export", params={"format": format})
    assert answer.headers["content-type"] == type
    assert [text for text in wanted if text not in answer.text] == []
    assert name_of(answer.headers["content-disposition"]) == f"A title.{format}"


@pytest.mark.parametrize("format", ["ipynb", "py", "md", "html"])
def test_c6_whatever_is_in_it_leaves_as_an_attachment(owner: httpx.Client, format: str) -> None:
    id = made(owner, "<script>alert(1)</script>", NOTEBOOK)
    headers = owner.get(f"/api/notebooks/{id}/export", params={"format": format}).headers
    assert headers["content-disposition"].startswith("attachment; ")
    assert headers["content-security-policy"] == "sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"format": "pdf"}, "'pdf' is no format; there are ipynb, py, md, html."),
        ({"format": "../../x" * 9}, "'../../x../../x../../' is no format; there are ipynb, py, md, html."),
        ({"outputs": "some"}, "'outputs' is true or false."),
    ],
)
def test_what_there_is_not(owner: httpx.Client, query: dict[str, str], sentence: str) -> None:
    assert refusal(owner.get(f"/api/notebooks/{made(owner)}/export", params=query)) == (400, sentence)


def name_of(header: str) -> str:
    """The name as a browser reads it (RFC 5987)."""
    found = re.fullmatch(r"attachment; filename=\"[A-Za-z0-9 ._()-]+\"; filename\*=UTF-8''([A-Za-z0-9._~%-]+)", header)
    assert found is not None, header
    return unquote(found[1])


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A title", "A title.ipynb"),
        ("../../.bashrc", "_.._.bashrc.ipynb"),
        (".hidden", "hidden.ipynb"),
        ("..", "untitled.ipynb"),
        ('a"; filename="b.exe', "a_; filename=_b.exe.ipynb"),
        ("a\r\nX-Header: y", "aX-Header_ y.ipynb"),
        ("invoice\u202efdp.exe", "invoicefdp.exe.ipynb"),
        ("\u2066x\u2069\u200f\ufeff", "x.ipynb"),
        ("C:\\a|b?c*d<e>f", "C__a_b_c_d_e_f.ipynb"),
        ("100% — ½ 'é' 漢字", "100% — ½ 'é' 漢字.ipynb"),
        ("👩‍👩‍👧", "👩‍👩‍👧.ipynb"),
        ("x" * 300, "x" * 180 + ".ipynb"),
        ("漢" * 200, "漢" * 60 + ".ipynb"),
        ("trailing. . ", "trailing.ipynb"),
    ],
)
def test_a9_names_that_nothing_hides_in(title: str, name: str) -> None:
    assert name_of(attachment(title, ".ipynb")["Content-Disposition"]) == name


def test_a_hostile_title_on_the_wire(owner: httpx.Client) -> None:
    id = made(owner)
    owner.patch(f"/api/notebooks/{id}", json={"title": 'a"\r\nSet-Cookie: x=y; \u202e漢'})
    answer = owner.get(f"/api/notebooks/{id}/export")
    assert "set-cookie" not in answer.headers
    assert name_of(answer.headers["content-disposition"]) == "a_ Set-Cookie_ x=y; 漢.ipynb"
