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


def part(owner: httpx.Client, id: str, range: str, **more: str) -> tuple[int, bytes, str | None]:
    headers = {"range": range, **{name.replace("_", "-"): value for name, value in more.items()}}
    answer = owner.get(f"/api/notebooks/{id}/blobs/{IMAGE}", params={"type": "video/mp4"}, headers=headers)
    if answer.status_code == 206:
        assert answer.headers["content-length"] == str(len(answer.content))
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.headers["content-security-policy"] == "sandbox"
        assert answer.headers["content-disposition"].startswith("attachment;")
    return answer.status_code, answer.content, answer.headers.get("content-range")


def test_a_part_is_read(owner: httpx.Client) -> None:
    id = made(owner, notebook=blob_book())
    size = len(BYTES)
    assert owner.head(f"/api/notebooks/{id}/blobs/{IMAGE}").headers["accept-ranges"] == "bytes"
    assert part(owner, id, "bytes=0-0") == (206, BYTES[:1], f"bytes 0-0/{size}")
    assert part(owner, id, "bytes=100-199") == (206, BYTES[100:200], f"bytes 100-199/{size}")
    assert part(owner, id, f"bytes={size - 5}-") == (206, BYTES[-5:], f"bytes {size - 5}-{size - 1}/{size}")
    assert part(owner, id, "bytes=-7") == (206, BYTES[-7:], f"bytes {size - 7}-{size - 1}/{size}")
    assert part(owner, id, f"bytes=10-{size * 9}") == (206, BYTES[10:], f"bytes 10-{size - 1}/{size}")
    assert part(owner, id, "BYTES= 1-2") == (206, BYTES[1:3], f"bytes 1-2/{size}")


def test_a_part_of_what_it_was(owner: httpx.Client) -> None:
    id = made(owner, notebook=blob_book())
    whole = (200, BYTES, None)
    assert part(owner, id, "bytes=0-1", if_range=f'"{IMAGE}"')[0] == 206
    for other in (f'"{HTML}"', f'W/"{IMAGE}"', "Wed, 21 Oct 2015 07:28:00 GMT", "x"):
        assert part(owner, id, "bytes=0-1", if_range=other) == whole


@pytest.mark.parametrize(
    "range",
    [
        *("bytes=0-1,5-6", "bytes=0-1, 1-2", "bytes=" + ",".join(["0-1"] * 5000)),  # several parts
        *("bytes=", "bytes=-", "bytes=a-b", "bytes=2-1", "items=0-1", "0-1", "bytes=0-1;x", "bytes=--1", "bytes=1"),
        "bytes=" + "9" * 40 + "-",
    ],
)
def test_several_parts_or_nonsense_get_the_whole(owner: httpx.Client, range: str) -> None:
    id = made(owner, notebook=blob_book())
    assert part(owner, id, range) == (200, BYTES, None)


@pytest.mark.parametrize("range", [f"bytes={len(BYTES)}-", f"bytes={10**17}-{10**17 + 1}", "bytes=-0"])
def test_a_part_that_is_not_there(owner: httpx.Client, range: str) -> None:
    id = made(owner, notebook=blob_book())
    answer = owner.get(f"/api/notebooks/{id}/blobs/{IMAGE}", headers={"range": range})
    assert refusal(answer) == (416, f"There is no such part of it; it has {len(BYTES)} bytes.")
    assert answer.headers["content-range"] == f"bytes */{len(BYTES)}"


def test_what_a_browser_has_is_not_sent_again(served: Served, owner: httpx.Client) -> None:
    id = made(owner, notebook=blob_book())
    where = f"/api/notebooks/{id}/blobs/{IMAGE}"
    etag = owner.get(where).headers["etag"]
    for known in (etag, f'"x", {etag}', f"W/{etag}"):
        answer = owner.get(where, headers={"if-none-match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    assert owner.get(where, headers={"if-none-match": '"x"'}).status_code == 200
    with served.anonymous() as nobody:
        assert refusal(nobody.get(where, headers={"if-none-match": etag}))[0] == 401


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
