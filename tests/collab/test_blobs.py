"""Blobs over HTTP: raster images are shown, everything else can only be saved, and only by whoever may read."""

import base64
import hashlib

import httpx
import pytest

from tests.collab.serving import Served, link, made, refusal

BYTES = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 500
PAGE = "<script>alert(document.domain)</script>" * 3000


def blob_book() -> dict[str, object]:
    data = {"image/png": base64.b64encode(BYTES).decode(), "text/html": PAGE}
    output = {"output_type": "display_data", "metadata": {}, "data": data}
    cell = {"id": "c", "cell_type": "code", "metadata": {}, "source": "", "execution_count": 1, "outputs": [output]}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


IMAGE = hashlib.sha256(BYTES).hexdigest()
HTML = hashlib.sha256(PAGE.encode()).hexdigest()
FOR_EVER = "private, max-age=31536000, immutable"


@pytest.mark.parametrize("type", ["image/png", "image/jpeg", "image/gif", "image/webp"])
def test_an_image_is_shown(owner: httpx.Client, type: str) -> None:
    id = made(owner, notebook=blob_book())
    answer = owner.get(f"/api/notebooks/{id}/blobs/{IMAGE}", params={"type": type})
    assert answer.content == BYTES
    headers = {name: answer.headers.get(name) for name in (
        "content-type", "content-disposition", "content-security-policy", "x-content-type-options", "cache-control",
        "cross-origin-resource-policy")}  # fmt: skip
    assert headers == {
        "content-type": type,
        "content-disposition": None,
        "content-security-policy": "sandbox",
        "x-content-type-options": "nosniff",
        "cache-control": FOR_EVER,
        "cross-origin-resource-policy": "same-origin",
    }


@pytest.mark.parametrize(
    ("type", "sent"),
    [
        ("text/html", "text/html; charset=utf-8"),
        ("image/svg+xml", "image/svg+xml"),
        ("application/javascript", "application/javascript"),
        ("IMAGE/SVG+XML", "image/svg+xml"),
        *(
            (odd, "application/octet-stream")
            for odd in ("", "png", "image/png;x", "a/b\r\nX: y", "text/html, image/png")
        ),
    ],
)
def test_c6_anything_else_is_saved(owner: httpx.Client, type: str, sent: str) -> None:
    id = made(owner, notebook=blob_book())
    query = {"type": type, "name": 'a"b.html'}
    answer = owner.get(f"/api/notebooks/{id}/blobs/{HTML}", params=query)
    assert answer.text == PAGE
    assert answer.headers["content-type"] == sent
    assert answer.headers["content-disposition"] == "attachment; filename=\"a_b.html\"; filename*=UTF-8''a_b.html"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_without_a_name_it_is_named_by_its_content(owner: httpx.Client) -> None:
    answer = owner.get(f"/api/notebooks/{made(owner, notebook=blob_book())}/blobs/{HTML}")
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{HTML[:12]}";')


def test_a_blob_belongs_to_its_notebook(served: Served, owner: httpx.Client) -> None:
    id, other = made(owner, notebook=blob_book()), made(owner)
    gone = (404, "There is no such output in this notebook.")
    assert refusal(owner.get(f"/api/notebooks/{other}/blobs/{IMAGE}")) == gone
    with served.script(link(owner, other, "editor")) as guest:
        assert refusal(guest.get(f"/api/notebooks/{id}/blobs/{IMAGE}"))[0] == 404
        assert refusal(guest.get(f"/api/notebooks/{other}/blobs/{IMAGE}")) == gone
    copy = owner.post(f"/api/notebooks/{id}/copy").json()["id"]
    assert owner.get(f"/api/notebooks/{copy}/blobs/{IMAGE}").content == BYTES


@pytest.mark.parametrize("name", ["x", "..%2f..%2fsecrets.json", "0" * 64, IMAGE.upper(), f"{IMAGE}.part", "%00"])
def test_a_name_that_is_no_blobs(owner: httpx.Client, name: str) -> None:
    id = made(owner, notebook=blob_book())
    assert refusal(owner.get(f"/api/notebooks/{id}/blobs/{name}"))[0] == 404
