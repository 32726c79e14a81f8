"""The page and its files, for everybody; what is in them is nobody's."""

import re

import httpx
import pytest

from collab.version import VERSION
from tests.collab.serving import Served, refusal


def test_health(served: Served) -> None:
    with served.anonymous() as client:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": VERSION})
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


@pytest.mark.parametrize("path", ["/", "/n/any", "/?a=1"])
def test_the_page_is_for_everybody(served: Served, path: str) -> None:
    with served.anonymous() as client:
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        files = re.findall(r'(?:src|href)="(/[^"]+)"', answer.text)
        assert len(files) >= 2
        for file in files:
            asset = client.get(file)
            assert asset.status_code == 200
            assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert asset.headers["x-content-type-options"] == "nosniff"
            assert asset.headers["cross-origin-resource-policy"] == "same-origin"
            assert asset.headers["referrer-policy"] == "no-referrer"


def test_every_script_of_the_page_has_the_nonce(served: Served) -> None:
    with served.anonymous() as client:
        pages = [client.get("/") for _ in range(2)]
    nonces = [set(re.findall(r'nonce="([^"]*)"', page.text)) for page in pages]
    assert [len(found) for found in nonces] == [1, 1]
    assert nonces[0] != nonces[1]
    for page, (nonce,) in zip(pages, nonces, strict=True):
        assert (
            f"script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self' 'nonce-{nonce}';"
            in (page.headers["content-security-policy"])
        )
        assert re.findall(r"<script(?![^>]*nonce=)[^>]*>", page.text) == []


@pytest.mark.parametrize(
    "name", ["x.js", "%2e%2e", "..%2findex.html", "..%2f..%2fcli.py", "index.html", ".stamp", "a%00b", "a/b.js"]
)
def test_files_that_are_none_of_the_page(owner: httpx.Client, name: str) -> None:
    assert refusal(owner.get(f"/assets/{name}"))[0] == 404
