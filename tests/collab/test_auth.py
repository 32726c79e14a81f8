"""Who is asking: the owner by the token, guests by links, both by cookie afterwards, scripts by Bearer."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from collab.auth import color_of, cookie_name
from tests.collab.serving import TOKEN, Served, link, made, refusal, serving


def test_s4_the_token_becomes_a_cookie_and_leaves_the_address(served: Served) -> None:
    with served.anonymous() as client:
        answer = client.get("/n/some", params={"a": "1 2", "token": TOKEN, "b": "&"})
    session = answer.headers["set-cookie"].partition(";")[0]
    assert (answer.status_code, answer.headers["location"]) == (303, "/n/some?a=1+2&b=%26")
    assert answer.headers["set-cookie"] == f"{session}; HttpOnly; Max-Age=7776000; Path=/; SameSite=lax"
    assert session.startswith(f"{served.cookie}=")
    assert TOKEN not in session
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN} ", TOKEN.upper(), "\ud83d", "ü" * 5000])
def test_a_wrong_token_signs_nobody_in(served: Served, token: str) -> None:
    with served.anonymous() as client:
        answer = client.get("/", params={"token": token.encode("utf-8", "surrogatepass")})
    sentence = "This sign-in link is not valid here; use the one that the server printed."
    assert refusal(answer) == (401, sentence)
    assert "set-cookie" not in answer.headers


def test_a_person_reads_errors_as_a_page(served: Served) -> None:
    with served.anonymous(accept="text/html,*/*;q=0.8") as client:
        answer = client.get("/", params={"token": "<script>alert(1)</script>"})
        api = client.get("/api/me")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<p>This sign-in link is not valid here; use the one that the server printed.</p>" in answer.text
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; "
        r"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        answer.headers["content-security-policy"],
    )
    assert refusal(api)[0] == 401


def test_the_owner_by_cookie_and_by_bearer_is_the_same(served: Served, owner: httpx.Client) -> None:
    me = owner.get("/api/me").json()
    assert me == {"id": "owner", "name": me["name"], "color": "#1f6feb", "guest": False, "owner": True}
    with served.browser() as browser, served.anonymous(authorization=f"token {TOKEN}") as jupyter:
        assert browser.get("/api/me").json() == jupyter.get("/api/me").json() == me


def test_a_link_makes_a_guest_and_leaves_the_address(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    token = link(owner, id, "editor")
    with served.anonymous() as client:
        answer = client.get(f"/n/{id}", params={"link": token, "cell": "a"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/n/{id}?cell=a")
        assert token not in answer.headers["set-cookie"]
        me = client.get("/api/me").json()
        assert client.get(f"/api/notebooks/{id}").json()["role"] == "editor"
    assert re.fullmatch(r"guest-[0-9a-f]{16}", me["id"])
    assert re.fullmatch(r"Guest [A-Z][a-z]+", me["name"])
    assert me == {"id": me["id"], "name": me["name"], "color": color_of(me["id"]), "guest": True, "owner": False}


def test_one_person_stays_one_person_over_many_links(served: Served, owner: httpx.Client) -> None:
    first, second = made(owner), made(owner)
    with served.browser(f"/n/{first}?link={link(owner, first, 'viewer')}") as guest:
        me = guest.get("/api/me").json()
        assert guest.get(f"/n/{second}?link={link(owner, second, 'runner')}").status_code == 303
        assert guest.get(f"/n/{first}?link={link(owner, first, 'editor')}").status_code == 303
        assert guest.get("/api/me").json() == me
        listed = guest.get("/api/notebooks").json()["notebooks"]
        assert {entry["id"]: entry["role"] for entry in listed} == {first: "editor", second: "runner"}


def test_the_owner_stays_the_owner_on_a_link(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    with served.browser() as browser:
        assert browser.get(f"/n/{id}?link={link(owner, id, 'viewer')}").status_code == 303
        assert browser.get(f"/api/notebooks/{id}").json()["role"] == "owner"


def test_a_link_opens_its_own_notebook_only(served: Served, owner: httpx.Client) -> None:
    id, other = made(owner), made(owner)
    token = link(owner, id, "editor")
    with served.anonymous() as client:
        sentence = "This link no longer works: it was revoked, or it has expired."
        assert refusal(client.get(f"/n/{other}", params={"link": token})) == (404, sentence)
        assert refusal(client.get("/", params={"link": token})) == (404, sentence)
        assert refusal(client.get(f"/n/{id}", params={"link": "wrong"})) == (404, sentence)


def test_the_token_of_a_link_is_a_bearer_too(served: Served, owner: httpx.Client) -> None:
    id = made(owner, "Shared")
    made(owner, "Not shared")
    with served.script(link(owner, id, "runner")) as script:
        me = script.get("/api/me").json()
        assert (me["guest"], me["owner"]) == (True, False)
        assert script.get("/api/me").json() == me
        listed = script.get("/api/notebooks").json()["notebooks"]
        assert [(entry["id"], entry["title"], entry["role"]) for entry in listed] == [(id, "Shared", "runner")]
        assert script.get("/api/notebooks", params={"trash": "true"}).json() == {"notebooks": []}


def test_only_hashes_are_stored(served: Served, owner: httpx.Client) -> None:
    token = link(owner, made(owner), "viewer")
    with served.browser() as browser:
        session = browser.cookies[served.cookie]
    stored = b"".join(file.read_bytes() for file in served.data.glob("collab.sqlite*"))
    assert TOKEN.encode() not in stored
    assert token.encode() not in stored
    assert session.encode() not in stored


def test_the_owners_sessions_end_with_the_token(tmp_path: Path) -> None:
    """Whoever knew the old token has none of its sessions left; guests keep theirs."""
    with serving(tmp_path) as server, server.script() as owner, server.browser() as browser:
        id = made(owner)
        cookies = [browser.cookies[server.cookie]]
        with server.browser(f"/n/{id}?link={link(owner, id, 'editor')}") as guest:
            cookies.append(guest.cookies[server.cookie])
    with serving(tmp_path, COLLAB_TOKEN="another-token-for-tests") as server, server.anonymous() as client:
        answers = [client.get("/api/me", headers={"cookie": f"{server.cookie}={cookie}"}) for cookie in cookies]
        forged = client.get("/api/me", headers={"cookie": f"{server.cookie}=owner.{cookies[1]}"})
    assert [answer.status_code for answer in answers] == [401, 200]
    assert forged.status_code == 401


def test_a_session_ends_with_its_cookie(served: Served) -> None:
    with served.browser() as browser:
        hashed = hashlib.sha256(f"{browser.cookies[served.cookie]}{TOKEN}".encode()).hexdigest()
        began = (datetime.now(UTC) - timedelta(days=90)).isoformat(timespec="milliseconds")
        assert browser.get("/api/me").status_code == 200
        served.query("UPDATE sessions SET created = ? WHERE token_hash = ?", began, hashed)
        assert refusal(browser.get("/api/me"))[0] == 401


def test_s4_names_of_cookies() -> None:
    assert cookie_name("http://localhost:8899") == "collab-8899"
    assert cookie_name("http://localhost") == "collab-80"
    assert cookie_name("https://notebooks.example.org") == "__Host-collab"
    assert cookie_name("https://notebooks.example.org:8443") == "__Host-collab"


def test_f2_labels_of_outputs_cannot_be_guessed_and_differ(served: Served, owner: httpx.Client) -> None:
    id, other = made(owner), made(owner)
    with served.script(link(owner, id, "viewer")) as viewer:
        labels = [client.get(f"/api/notebooks/{at}").json()["output_label"] for client, at in
                  ((owner, id), (owner, other), (viewer, id))]  # fmt: skip
        assert viewer.get(f"/api/notebooks/{id}").json()["output_label"] == labels[2]
    every = [label[kind] for label in labels for kind in ("live", "stored")]
    assert len(set(every)) == 6
    assert all(re.fullmatch(r"[a-z2-7]{32}", label) for label in every)
