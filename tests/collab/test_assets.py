"""Built files, packed for whoever takes that."""

import gzip
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collab.assets import built_file

TEXT = "let built = 1;\n" * 200


pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def client(tmp_path: Path) -> httpx.AsyncClient:
    for name in ("page.js", "bare.css"):
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "page.js.gz").write_bytes(gzip.compress(TEXT.encode(), 9, mtime=0))

    async def file(request: Request) -> Response:
        return built_file(tmp_path / request.path_params["name"], request.headers, {"Cache-Control": "no-cache"})

    app = Starlette(routes=[Route("/{name}", file)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "*", "deflate, gzip, br"])
async def test_a_browser_gets_the_packed_file_as_what_it_is(client: httpx.AsyncClient, accepted: str) -> None:
    answer = await client.get("/page.js", headers={"Accept-Encoding": accepted})
    assert answer.text == TEXT
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Accept-Encoding", "no-cache")
    assert int(answer.headers["content-length"]) < len(TEXT) / 10


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "br, gzip; q=0.0"])
async def test_whoever_does_not_take_it_gets_the_plain_one(client: httpx.AsyncClient, accepted: str) -> None:
    answer = await client.get("/page.js", headers={"Accept-Encoding": accepted})
    assert answer.text == TEXT
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_a_file_without_a_packed_copy_is_sent_plain(client: httpx.AsyncClient) -> None:
    answer = await client.get("/bare.css", headers={"Accept-Encoding": "gzip"})
    assert (answer.text, answer.headers.get("content-encoding")) == (TEXT, None)
