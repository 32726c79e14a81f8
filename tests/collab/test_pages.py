"""The page and its files, for everybody; what is in them is nobody's."""

import re
from pathlib import Path

import httpx
import pytest

from collab.config import Config
from collab.version import VERSION
from tests.collab.serving import Served, refusal, running


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


def test_what_a_browser_keeps_to_open_the_page_without_us(served: Served) -> None:
    with served.anonymous() as client:
        shell = client.get("/shell.json").json()
        page = client.get("/n/any")
        worker = client.get("/worker.js")
        assert {client.get(path).status_code for path in shell["assets"]} == {200}
    nonces = re.findall(r'nonce="([^"]*)"', page.text)
    assert shell["html"].replace("__NONCE__", nonces[0]) == page.text
    kept = {name.lower(): value.replace("__NONCE__", nonces[0]) for name, value in shell["headers"].items()}
    assert {name: page.headers[name] for name in kept} == kept
    assert {re.search(r"\.\w+$", path)[0] for path in shell["assets"]} == {".js", ".css", ".svg", ".woff2"}  # type: ignore[index]
    assert worker.headers["content-type"] == "text/javascript; charset=utf-8"
    assert worker.headers["cache-control"] == "no-cache"
    assert worker.text.startswith(f'self.BUILD="{shell["build"]}";\n')
    assert not re.search(r"\b(import|export)\b", worker.text)  # Firefox runs no modules there
    assert '<meta name="worker" content="/worker.js" />' in page.text


@pytest.mark.anyio
async def test_another_build_is_another_worker(tmp_path: Path) -> None:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "worker.js").write_text("1")
    (static / "assets/a.js").write_text("1")
    workers = []
    async with running(Config(data=tmp_path / "data", static=static)) as client:
        for change in ("index.html", "assets/b.js", "worker.js"):
            (static / change).write_text(change)
            workers += [(await client.get("/worker.js")).text for _ in range(2)]
    assert len(set(workers)) == 3
    assert workers[0] == workers[1]


@pytest.mark.anyio
async def test_an_operator_can_withdraw_the_worker(tmp_path: Path) -> None:
    config = Config(data=tmp_path, offline=False)
    async with running(config) as client:
        assert (await client.get("/worker.js")).text.startswith('self.BUILD="";\n')
        assert '<meta name="worker" content="" />' in (await client.get("/")).text
