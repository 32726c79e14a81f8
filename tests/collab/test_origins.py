"""Which host is asked for, and what may be had there; headers are compared whole, as they are on the wire."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from collab.config import Config
from collab.origins import Host, is_output_host, is_page_host, output_template, page_origin, parse_host
from collab.output_origin import is_template, keeps_origin
from tests.collab.serving import TOKEN, Served, refusal, running

LABEL = "k" * 32
ANY_DATA = Path("/nowhere")
AT_HOME = Config(ANY_DATA)
OPEN = Config(ANY_DATA, host="0.0.0.0")
PUBLIC = Config(ANY_DATA, host="0.0.0.0", public_url="https://Notebooks.Example.org:443")
NAMED = Config(ANY_DATA, host="box.lan")

PLACEMENTS = json.loads((Path(__file__).parents[1] / "vectors" / "placements.json").read_text())["rows"]

EVERY_FRAME = {
    "vary": "Accept-Encoding",
    "origin-agent-cluster": "?1",
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", Host("localhost", "")),
        ("LocalHost:8899", Host("localhost", "8899")),
        ("[::1]:80", Host("[::1]", "80")),
        ("a.localhost:1", Host("a.localhost", "1")),
        *(
            (text, None)
            for text in ("", " ", "a b", "a:b", "a:1:2", "a:123456", "a/b", "a@b", "ü", "a\n", "[x]", "::1")
        ),
    ],
)
def test_the_host_is_parsed_whole(header: str, host: Host | None) -> None:
    assert parse_host(header) == host


@pytest.mark.parametrize(
    ("header", "pages"),
    [
        ("localhost:1", [AT_HOME, OPEN, PUBLIC, NAMED]),
        ("127.0.0.1:1", [AT_HOME, OPEN, PUBLIC, NAMED]),
        ("127.9.9.9", [AT_HOME, OPEN, PUBLIC, NAMED]),
        ("[::1]:1", [AT_HOME, OPEN, PUBLIC, NAMED]),
        ("192.168.1.7:1", [OPEN, PUBLIC, NAMED]),
        ("[fe80::1]", [OPEN, PUBLIC, NAMED]),
        ("notebooks.example.org", [PUBLIC]),
        ("notebooks.example.org:8443", []),
        ("box.lan:1", [NAMED]),
        *(
            (host, [])
            for host in ("evil.test", "127.0.0.1.evil.test", "localhost.evil.test", "localhost.", "a.localhost")
        ),
        *((host, []) for host in ("127.1", "0x7f.1", "2130706433", "a.b.localhost")),
    ],
)
def test_s1_the_hosts_of_the_page(header: str, pages: list[Config]) -> None:
    host = parse_host(header)
    assert host is not None
    assert [config for config in (AT_HOME, OPEN, PUBLIC, NAMED) if is_page_host(host, config)] == pages


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (f"{LABEL}.localhost", True),
        ("a.localhost", True),
        ("a-1.localhost", True),
        *((name, False) for name in ("localhost", ".localhost", "a.b.localhost", "-a.localhost", "a-.localhost")),
        *((name, False) for name in (f"{'a' * 64}.localhost", "a.localhost.evil.test", "alocalhost")),
    ],
)
def test_s1_the_hosts_of_outputs(name: str, is_one: bool) -> None:
    assert is_output_host(Host(name, "1"), AT_HOME) is is_one


@pytest.mark.parametrize("row", PLACEMENTS, ids=lambda row: f"{row['page']} {row['template']} {row['cross_site']}")
def test_f1_a_frame_keeps_its_origin_only_on_another_site(row: dict[str, Any]) -> None:
    host = parse_host(row["page"].partition("://")[2])
    assert host is not None
    assert keeps_origin(row["template"], host.name, row["cross_site"]) is row["keeps"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "none",
            "https://out.example.org",
            "https://{label}",
            "https://x.{label}.example.org",
            "{label}.example.org",
        ),
        *("https://{label}.example.org/", "https://{label}.example.org/x", "ftp://{label}.example.org"),
        *("https://{label}.-x.org", "https://{label}{label}.org", "https://a@{label}.org", "https://{label}.a b"),
    ],
)
def test_what_is_no_template(text: str) -> None:
    assert not is_template(text)


def test_f3_origins_come_from_the_request() -> None:
    assert page_origin(Host("localhost", "9000"), AT_HOME) == "http://localhost:9000"
    assert page_origin(Host("notebooks.example.org", ""), PUBLIC) == "https://notebooks.example.org"
    assert output_template(Host("localhost", "9000"), AT_HOME) == "http://{label}.localhost:9000"
    assert output_template(Host("127.0.0.1", ""), PUBLIC) == "http://{label}.localhost"
    assert output_template(Host("192.168.1.7", "9000"), OPEN) == ""
    assert output_template(Host("notebooks.example.org", ""), PUBLIC) == ""


def test_the_operators_template_is_for_the_public_page_alone() -> None:
    template = "https://{label}.example-usercontent.org"
    config = replace(PUBLIC, output_origin=template)
    assert output_template(Host("notebooks.example.org", ""), config) == template
    assert output_template(Host("192.168.1.7", "9000"), config) == ""
    assert output_template(Host("localhost", "9000"), config) == "http://{label}.localhost:9000"
    assert output_template(Host("localhost", "9000"), replace(AT_HOME, output_origin="none")) == ""
    hosts = {
        f"{LABEL}.example-usercontent.org": True,
        f"{LABEL}.example-usercontent.org:8443": False,
        f"x.{LABEL}.example-usercontent.org": False,
        f"{LABEL}.example-usercontent.org.evil.test": False,
        f"{LABEL}-example-usercontent.org": False,
        "example-usercontent.org": False,
        "www.example-usercontent.org": False,  # no label of ours
        f"{LABEL}.localhost": True,
    }
    found = {name: (host := parse_host(name)) is not None and is_output_host(host, config) for name in hosts}
    assert found == hosts


def ask(served: Served, host: str, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    with served.anonymous(host=host) as client:
        return client.request(method, path, headers=headers)


def some(answer: httpx.Response, *more: str) -> dict[str, str]:
    """The headers that keep things in their boxes; every other one that is there would be a surprise."""
    of_files = {"date", "content-type", "content-length", "last-modified", "etag", "accept-ranges", *more}
    return {name: value for name, value in answer.headers.items() if name not in of_files}


def pages_of(served: Served) -> str:
    return " ".join(f"http://{host}:{served.port}" for host in ("localhost", "127.0.0.1", "[::1]"))


def test_the_page(served: Served) -> None:
    answer = ask(served, f"localhost:{served.port}", "/")
    nonce = answer.text.partition('nonce="')[2].partition('"')[0]
    assert len(nonce) >= 16
    assert "__" not in answer.text
    assert f'content="http://{{label}}.localhost:{served.port}"' in answer.text
    here = f"localhost:{served.port}"
    assert some(answer) == {
        "content-security-policy": (
            f"default-src 'self'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self' 'nonce-{nonce}'; "
            "img-src 'self' data: blob:; font-src 'self'; worker-src 'self'; "
            f"connect-src 'self' ws://{here}; frame-src http://*.localhost:{served.port} http://{here}/_out/; "
            "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'; trusted-types app dompurify"
        ),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "origin-agent-cluster": "?1",
        "x-content-type-options": "nosniff",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    again = ask(served, f"localhost:{served.port}", "/n/any")
    assert again.headers["content-security-policy"] != answer.headers["content-security-policy"]


def test_the_live_frame(served: Served) -> None:
    answer = ask(served, f"{LABEL}.localhost:{served.port}", "/_out/live/frame.html")
    assert answer.status_code == 200
    assert some(answer) == EVERY_FRAME | {
        "content-security-policy": (f"frame-ancestors {pages_of(served)}; base-uri 'none'; object-src 'none'"),
        "cache-control": "no-cache",
    }


def test_the_stored_frame(served: Served) -> None:
    own = f"http://{LABEL}.localhost:{served.port}"
    answer = ask(served, f"{LABEL}.localhost:{served.port}", "/_out/stored/frame.html")
    assert answer.status_code == 200
    assert some(answer) == EVERY_FRAME | {
        "content-security-policy": (
            f"default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: {own}; "
            f"style-src 'unsafe-inline' {own}; img-src data: blob:; media-src data: blob:; font-src data: {own}; "
            "worker-src blob:; form-action 'none'; "
            f"frame-ancestors {pages_of(served)}; "
            "base-uri 'none'; object-src 'none'"
        ),
        "cache-control": "no-cache",
    }


def test_a_frame_on_the_host_of_the_page_is_opaque(served: Served) -> None:
    here = f"localhost:{served.port}"
    pages = f"http://{here} https://{here}"
    base = f"http://{here}/_out/ https://{here}/_out/"
    common = (
        f"frame-ancestors {pages}; base-uri 'none'; object-src 'none'; "
        "sandbox allow-scripts allow-forms allow-pointer-lock"
    )
    own = EVERY_FRAME | {"cache-control": "no-cache", "document-isolation-policy": "isolate-and-credentialless"}
    assert some(ask(served, here, "/_out/live/frame.html")) == own | {"content-security-policy": common}
    assert some(ask(served, here, "/_out/stored/frame.html")) == own | {
        "content-security-policy": (
            f"default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: {base}; "
            f"style-src 'unsafe-inline' {base}; img-src data: blob:; media-src data: blob:; font-src data: {base}; "
            f"worker-src blob:; form-action 'none'; {common}"
        )
    }


def test_c1_remote_content_that_its_reader_asked_for(served: Served) -> None:
    host = f"{LABEL}.localhost:{served.port}"
    remote, stored, live = (ask(served, host, f"/_out/{kind}/frame.html") for kind in ("remote", "stored", "live"))
    assert remote.content == stored.content
    assert some(remote) == some(live)


def test_frames_of_a_template(tmp_path: Path) -> None:
    asyncio.run(frames_of_a_template(tmp_path))


async def frames_of_a_template(data: Path) -> None:
    public = "https://notebooks.example.org"
    for template, cross_site, sandbox in (
        ("https://{label}.example-usercontent.org", False, ""),
        ("https://{label}.out.example.org", False, "; sandbox allow-scripts allow-forms allow-pointer-lock"),
        ("https://{label}.out.example.org", True, ""),
    ):
        config = Config(data, "0.0.0.0", token=TOKEN, public_url=public, output_origin=template)
        async with running(replace(config, output_cross_site=cross_site)) as client:
            page = await client.get("/", headers={"host": "notebooks.example.org"})
            policy = page.headers["content-security-policy"]
            assert f"; frame-src {template.replace('{label}', '*')}; object-src" in policy
            assert f'name="output-origin" content="{template}"' in page.text
            assert f'name="output-cross-site" content="{"1" if cross_site else ""}"' in page.text
            own = template.replace("{label}", LABEL)
            client.headers["host"] = own.removeprefix("https://")
            live, stored = [await client.get(f"/_out/{kind}/frame.html") for kind in ("live", "stored")]
            common = f"frame-ancestors {public}; base-uri 'none'; object-src 'none'{sandbox}"
            assert some(live) == EVERY_FRAME | {"content-security-policy": common, "cache-control": "no-cache"}
            assert some(stored) == EVERY_FRAME | {
                "content-security-policy": (
                    f"default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: {own}; "
                    f"style-src 'unsafe-inline' {own}; img-src data: blob:; media-src data: blob:; "
                    f"font-src data: {own}; worker-src blob:; form-action 'none'; {common}"
                ),
                "cache-control": "no-cache",
            }
            for path in ("/", "/api/me", f"/?token={TOKEN}"):
                assert refusal(await client.get(path))[0] == 404
            refused = await client.get("/_out/live/frame.html", headers={"service-worker": "script"})
            assert refusal(refused) == (403, "Outputs cannot register service workers.")


def test_a_chunk_of_the_frame(served: Served) -> None:
    host = f"{LABEL}.localhost:{served.port}"
    chunk = ask(served, host, "/_out/live/frame.html").text.partition('src="')[2].partition('"')[0]
    answer = ask(served, host, chunk)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    packed = {"cache-control": "public, max-age=31536000, immutable", "content-encoding": "gzip"}
    assert some(answer) == EVERY_FRAME | packed


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/n/x", "/healthz", "/api/me", "/api/notebooks", "/assets/x.js", "/_out/", "/_out/frame.html"),
        *("/_out/live", "/_out/assets/..%2f..%2findex.html", "/_out/assets/../../index.html", "/_out/assets/.."),
        f"/?token={TOKEN}",
    ],
)
def test_the_output_origin_serves_the_frame_and_nothing_else(served: Served, path: str) -> None:
    answer = ask(served, f"{LABEL}.localhost:{served.port}", path, authorization=f"Bearer {TOKEN}")
    assert refusal(answer) == (404, "There is no such file for outputs.")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_the_output_origin_only_reads(served: Served, method: str) -> None:
    answer = ask(served, f"{LABEL}.localhost:{served.port}", "/_out/live/frame.html", method)
    assert refusal(answer) == (405, "There is nothing to change here.")


def test_c2_outputs_register_no_service_worker(served: Served) -> None:
    for host in (f"{LABEL}.localhost:{served.port}", f"localhost:{served.port}"):
        answer = ask(served, host, "/_out/live/frame.html", **{"service-worker": "script"})
        assert refusal(answer) == (403, "Outputs cannot register service workers.")


@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test:80", "192.168.1.7", "a.b.localhost", "a b", ""])
@pytest.mark.parametrize("path", ["/", "/healthz", "/api/me", f"/?token={TOKEN}", "/_out/live/frame.html"])
def test_s1_a_foreign_name_reaches_nothing(served: Served, host: str, path: str) -> None:
    answer = ask(served, host, path, authorization=f"Bearer {TOKEN}")
    sentence = "This server does not answer under this name; its operator sets COLLAB_PUBLIC_URL to allow one."
    assert refusal(answer) == (421, sentence)


def test_every_answer_is_kept_to_whom_it_is_for(served: Served, owner: httpx.Client) -> None:
    kept = {
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    for answer in (owner.get("/api/me"), owner.get("/api/nothing"), owner.put("/api/me"), owner.get("/healthz")):
        assert some(answer, "allow") == kept
    with served.anonymous() as nobody:
        assert some(nobody.get("/api/me")) == kept
        assert some(nobody.get(f"/?token={TOKEN}"), "location", "set-cookie") == kept


def test_behind_a_proxy_that_speaks_tls(tmp_path: Path) -> None:
    asyncio.run(behind_a_proxy(tmp_path))


async def behind_a_proxy(data: Path) -> None:
    config = Config(data, host="0.0.0.0", token=TOKEN, public_url="https://notebooks.example.org")
    async with running(config) as client:
        client.headers["host"] = "notebooks.example.org"
        page = await client.get("/")
        assert "connect-src 'self' wss://notebooks.example.org;" in page.headers["content-security-policy"]
        assert "frame-src https://notebooks.example.org/_out/;" in page.headers["content-security-policy"]
        assert 'name="output-origin" content=""' in page.text
        signed_in = await client.get("/", params={"token": TOKEN})
        session = signed_in.headers["set-cookie"].partition(";")[0]
        assert session.startswith("__Host-collab=")
        assert signed_in.headers["set-cookie"] == f"{session}; HttpOnly; Max-Age=7776000; Path=/; SameSite=lax; Secure"
        client.cookies.clear()
        own = {"cookie": session, "origin": "https://notebooks.example.org"}
        assert (await client.patch("/api/me", json={"name": "Ada"}, headers=own)).status_code == 200
        plain = own | {"origin": "http://notebooks.example.org"}
        assert (await client.patch("/api/me", json={"name": "Eve"}, headers=plain)).status_code == 403
