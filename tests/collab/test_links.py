"""Links that let others in, with a role and for as long as they last."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from websockets.sync.client import ClientConnection

from collab.wire import EVENT
from tests.collab.serving import Served, closing, link, made, refusal


def test_a_link_with_each_role(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    for role in ("viewer", "commenter", "runner", "editor"):
        answer = owner.post(f"/api/notebooks/{id}/links", json={"role": role})
        value = answer.json()
        assert answer.status_code == 201
        assert value == {
            "id": value["id"],
            "token": value["token"],
            "url": f"{served.url}/n/{id}?link={value['token']}",
            "role": role,
            "expires": None,
        }
        with served.script(value["token"]) as guest:
            assert guest.get(f"/api/notebooks/{id}").json()["role"] == role
    listed = owner.get(f"/api/notebooks/{id}/links").json()["links"]
    assert [entry["role"] for entry in listed] == ["viewer", "commenter", "runner", "editor"]
    assert all(entry == {"id": entry["id"], "role": entry["role"], "expires": None} for entry in listed)


@pytest.mark.parametrize("role", ["owner", "Owner"])
def test_no_link_makes_an_owner(owner: httpx.Client, role: str) -> None:
    answer = owner.post(f"/api/notebooks/{made(owner)}/links", json={"role": role})
    assert refusal(answer) == (400, "A link cannot make an owner; the highest role of a link is editor.")


@pytest.mark.parametrize("body", [{}, {"role": "god"}, {"role": None}, {"role": 4}, {"role": ["editor"]}])
def test_a_role_that_is_none(owner: httpx.Client, body: object) -> None:
    answer = owner.post(f"/api/notebooks/{made(owner)}/links", json=body)
    status, sentence = refusal(answer)
    assert (status, sentence.partition(" is not a role; ")[2]) == (
        400,
        "the roles are viewer, commenter, runner, editor, owner.",
    )


@pytest.mark.parametrize(
    ("expires", "sentence"),
    [
        *((text, "'expires' lies in the past.") for text in ("2001-01-01", "2001-01-01T00:00:00Z")),
        *(
            (value, "'expires' is a time in ISO 8601, such as 2030-01-31T12:00:00Z.")
            for value in ("soon", 1893456000, ["2030-01-31"], "2030-13-01", True)
        ),
        ("9999-12-31T23:59:59-12:00", "'expires' lies beyond the year 9999."),
    ],
)
def test_an_expiry_that_will_not_do(owner: httpx.Client, expires: object, sentence: str) -> None:
    answer = owner.post(f"/api/notebooks/{made(owner)}/links", json={"role": "viewer", "expires": expires})
    assert refusal(answer) == (400, sentence)


def test_an_expiry_in_the_zone_of_its_author(owner: httpx.Client) -> None:
    id = made(owner)
    answer = owner.post(f"/api/notebooks/{id}/links", json={"role": "viewer", "expires": "2999-01-01T01:00:00+02:00"})
    assert answer.json()["expires"] == "2998-12-31T23:00:00+00:00"
    assert owner.get(f"/api/notebooks/{id}/links").json()["links"][0]["expires"] == "2998-12-31T23:00:00+00:00"


def test_an_expired_link_is_closed(served: Served, owner: httpx.Client) -> None:
    id = made(owner, "A secret title")
    token = link(owner, id, "editor", (datetime.now(UTC) + timedelta(hours=1)).isoformat())
    with served.browser(f"/n/{id}?link={token}") as browser, served.script(token) as script:
        assert [client.get(f"/api/notebooks/{id}").status_code for client in (browser, script)] == [200, 200]
        past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        served.query("UPDATE links SET expires = ? WHERE notebook = ?", past, id)
        assert refusal(browser.get(f"/api/notebooks/{id}"))[0] == 404
        assert browser.get("/api/notebooks").json() == {"notebooks": []}
        expired = (401, "This token is not known here; it was revoked, or it has expired.")
        assert refusal(script.get(f"/api/notebooks/{id}")) == refusal(script.get("/api/notebooks")) == expired
        sentence = "This link no longer works: it was revoked, or it has expired."
        assert refusal(browser.get(f"/n/{id}?link={token}")) == (404, sentence)


def test_a_revoked_link_is_closed(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    token, other = link(owner, id, "editor"), link(owner, id, "viewer")
    first, second = owner.get(f"/api/notebooks/{id}/links").json()["links"]
    with served.browser(f"/n/{id}?link={token}") as browser, served.script(other) as script:
        assert owner.delete(f"/api/notebooks/{id}/links/{first['id']}").status_code == 204
        assert refusal(browser.get(f"/api/notebooks/{id}"))[0] == 404
        assert script.get(f"/api/notebooks/{id}").status_code == 200
        assert owner.get(f"/api/notebooks/{id}/links").json() == {"links": [second]}
        gone = (404, "There is no such link; it may have been revoked before.")
        assert refusal(owner.delete(f"/api/notebooks/{id}/links/{first['id']}")) == gone
        assert refusal(owner.delete(f"/api/notebooks/{made(owner)}/links/{second['id']}")) == gone
        assert script.get(f"/api/notebooks/{id}").status_code == 200


def test_who_is_not_the_owner_neither_shares_nor_sees_links(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    with served.script(link(owner, id, "editor")) as editor:
        answers = [
            refusal(editor.post(f"/api/notebooks/{id}/links", json={"role": "viewer"})),
            refusal(editor.get(f"/api/notebooks/{id}/links")),
        ]
    assert answers == [
        (403, "Sharing a notebook needs the role owner; yours is editor."),
        (403, "Seeing links needs the role owner; yours is editor."),
    ]


def test_v1_a_socket_ends_with_the_link_and_rises_with_a_better_one(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    token = link(owner, id, "viewer")
    where = f"/api/notebooks/{id}/socket"
    with served.browser(f"/n/{id}?link={token}") as browser:
        headers = {"origin": served.url, "cookie": f"{served.cookie}={browser.cookies[served.cookie]}"}
        with served.socket(where, headers) as socket:
            assert event(socket.recv(timeout=20))["role"] == "viewer"
            assert browser.get(f"/n/{id}?link={link(owner, id, 'editor')}").status_code == 303
            assert wait_for(socket, "role_changed")["role"] == "editor"
            for entry in reversed(owner.get(f"/api/notebooks/{id}/links").json()["links"]):
                owner.delete(f"/api/notebooks/{id}/links/{entry['id']}")
            assert wait_for(socket, "role_changed")["role"] == "viewer"
            assert closing(socket) == (4403, "Your access to this notebook has ended.")


def test_v1_a_socket_ends_in_the_moment_in_which_its_link_expires(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    token = link(owner, id, "editor", (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat())
    headers = {"authorization": f"Bearer {token}"}
    with served.socket(f"/api/notebooks/{id}/socket", headers) as socket:
        assert closing(socket) == (4403, "Your access to this notebook has ended.")


def event(frame: str | bytes) -> dict[str, object]:
    """An event frame's JSON; empty for frames of other kinds."""
    if not isinstance(frame, bytes) or frame[0] != EVENT:
        return {}
    value: dict[str, object] = json.loads(frame[frame.index(b"{") :])
    return value


def wait_for(socket: ClientConnection, kind: str) -> dict[str, object]:
    while True:
        value = event(socket.recv(timeout=20))
        if value.get("type") == kind:
            return value
