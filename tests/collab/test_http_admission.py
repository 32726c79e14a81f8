"""Who may come in: every route of the app is knocked on by everybody who has no place there."""

import re
from collections.abc import Mapping

import httpx
import pytest
from starlette.routing import Route, WebSocketRoute

from collab.app import ROUTES
from tests.collab.serving import CLOSED_BEFORE_ACCEPT, TOKEN, Served, link, made, refusal

# What everybody may have: the page's own files, which hold nothing of anybody.
PUBLIC = {("GET", path) for path in ("/", "/n/{id}", "/assets/{name}", "/healthz", "/worker.js", "/shell.json")}

# Every other way in, and the answer to a viewer of the notebook who sends nothing with it.
VIEWERS: dict[tuple[str, str], int] = {
    ("GET", "/api/me"): 200,
    ("PATCH", "/api/me"): 400,
    ("DELETE", "/api/me/session"): 204,
    ("GET", "/api/notebooks"): 200,
    ("POST", "/api/notebooks"): 403,
    ("GET", "/api/notebooks/{id}"): 200,
    ("PATCH", "/api/notebooks/{id}"): 403,
    ("DELETE", "/api/notebooks/{id}"): 403,
    ("POST", "/api/notebooks/{id}/copy"): 403,
    ("GET", "/api/notebooks/{id}/export"): 200,
    ("POST", "/api/notebooks/{id}/merge"): 403,
    ("POST", "/api/notebooks/{id}/links"): 403,
    ("GET", "/api/notebooks/{id}/links"): 403,
    ("DELETE", "/api/notebooks/{id}/links/{link}"): 403,
    ("GET", "/api/notebooks/{id}/blobs/{sha256}"): 404,
    ("POST", "/api/notebooks/{id}/commands"): 400,
    ("POST", "/api/notebooks/{id}/ports"): 403,
    ("GET", "/api/notebooks/{id}/widgets/{sha256}"): 404,
    ("GET", "/api/notebooks/{id}/widget-modules"): 404,
    ("GET", "/api/notebooks/{id}/runtime"): 403,
    ("GET", "/api/notebooks/{id}/runtime/usage"): 200,
    ("GET", "/api/notebooks/{id}/runs"): 200,
    ("GET", "/api/secrets"): 200,
    ("GET", "/api/secrets/{name}"): 404,
    ("PUT", "/api/secrets/{name}"): 400,
    ("DELETE", "/api/secrets/{name}"): 404,
    ("PUT", "/api/notebooks/{id}/secrets/{name}"): 403,
    ("DELETE", "/api/notebooks/{id}/secrets/{name}"): 403,
}
CHANGES = [way for way in VIEWERS if way[0] != "GET"]


def ways() -> set[tuple[str, str]]:
    routes = [route for route in ROUTES if isinstance(route, Route)]
    return {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}


def sockets() -> list[str]:
    return [route.path for route in ROUTES if isinstance(route, WebSocketRoute)]


def at(path: str, id: str) -> str:
    return re.sub(r"\{\w+\}", "0" * 64, path.replace("{id}", id))


def test_every_route_is_known_here() -> None:
    assert ways() == PUBLIC | set(VIEWERS)
    assert sockets() == ["/api/notebooks/{id}/socket"]
    assert all(isinstance(route, (Route, WebSocketRoute)) for route in ROUTES)


@pytest.mark.parametrize(("method", "path"), VIEWERS, ids=lambda value: value)
def test_nobody_comes_in_without_credentials(served: Served, owner: httpx.Client, method: str, path: str) -> None:
    where = at(path, made(owner))
    with served.anonymous() as nobody:
        assert refusal(nobody.request(method, where))[0] == 401
        assert refusal(nobody.request(method, where, headers={"authorization": "Bearer wrong"}))[0] == 401
        assert refusal(nobody.request(method, where, headers={"cookie": f"{served.cookie}=wrong"}))[0] in (401, 403)
        assert refusal(nobody.request(method, where, params={"token": TOKEN}))[0] == 401


@pytest.mark.parametrize(("method", "path"), VIEWERS, ids=lambda value: value)
def test_a_viewer_may_look(served: Served, owner: httpx.Client, method: str, path: str) -> None:
    id = made(owner)
    token = link(owner, id, "viewer")
    with served.script(token) as script, served.browser(f"/n/{id}?link={token}") as browser:
        for viewer in (script, browser):
            answer = viewer.request(method, at(path, id))
            assert answer.status_code == VIEWERS[method, path], answer.text


@pytest.mark.parametrize(("method", "path"), [way for way in VIEWERS if "{id}" in way[1]], ids=lambda value: value)
def test_who_has_no_role_learns_nothing(served: Served, owner: httpx.Client, method: str, path: str) -> None:
    token, other = link(owner, made(owner), "editor"), made(owner)
    with served.script(token) as guest:
        answers = {refusal(guest.request(method, at(path, id))) for id in (other, "nowhere")}
    assert answers == {(404, "There is no such notebook, or you have no access to it.")}


@pytest.mark.parametrize("foreign", ["http://evil.test", "null", "", "http://x.localhost", "http://127.0.0.1:1"])
@pytest.mark.parametrize(("method", "path"), CHANGES, ids=lambda value: value)
def test_s3_a_cookie_changes_nothing_for_a_foreign_page(
    served: Served, owner: httpx.Client, method: str, path: str, foreign: str
) -> None:
    where = at(path, made(owner))
    with served.browser() as browser:
        answer = browser.request(method, where, headers={"origin": foreign})
        sentence = "This request does not come from this server's page; behind a proxy, set COLLAB_PUBLIC_URL."
        assert refusal(answer) == (403, sentence)
        del browser.headers["origin"]
        assert refusal(browser.request(method, where))[0] == 403


def test_a_cookie_reads_wherever_the_page_comes_from(served: Served) -> None:
    with served.browser() as browser:
        answer = browser.get("/api/me", headers={"origin": "http://evil.test"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers  # a foreign page cannot see it


@pytest.mark.parametrize("path", sockets())
def test_s2_a_socket_is_refused_before_it_is_accepted(served: Served, owner: httpx.Client, path: str) -> None:
    where = at(path, made(owner))
    with served.browser() as browser:
        cookie = {"cookie": f"{served.cookie}={browser.cookies[served.cookie]}"}
    label = f"http://{'a' * 32}.localhost:{served.port}"
    foreign: list[Mapping[str, str]] = [
        {},
        cookie,
        *({"origin": origin} for origin in (label, "null", "http://evil.test", "")),
        *(cookie | {"origin": origin} for origin in (label, "null", "http://evil.test", "")),
        *(cookie | {"origin": f"http://localhost:{served.port}"} for _ in (1,)),
        {"host": f"{'a' * 32}.localhost:{served.port}", "authorization": f"Bearer {TOKEN}"},
        {"host": "evil.test", "authorization": f"Bearer {TOKEN}"},
    ]
    assert [served.knock(where, headers) for headers in foreign] == [(CLOSED_BEFORE_ACCEPT, "403")] * len(foreign)


@pytest.mark.parametrize("path", sockets())
def test_our_page_and_scripts_are_told_why(served: Served, owner: httpx.Client, path: str) -> None:
    id, other = made(owner), made(owner)
    page = {"origin": served.url}
    with served.browser() as browser:
        owners = page | {"cookie": f"{served.cookie}={browser.cookies[served.cookie]}"}
    guest = {"authorization": f"Bearer {link(owner, other, 'editor')}"}
    sign_in = "Sign in first: open the address with the token that the server printed, or a link to a notebook."
    assert served.knock(at(path, id), page) == (4401, sign_in)
    assert served.knock(at(path, id), {"authorization": "Bearer wrong"})[0] == 4401
    assert served.knock(at(path, id), guest) == (4404, "There is no such notebook, or you have no access to it.")
    assert served.knock(at(path, "nowhere"), owners)[0] == 4404
    assert served.knock(at(path, id) + "?schema=2", owners)[0] == 4409
    assert served.knock(at(path, id) + "?epoch=7", owners) == (4409, "The notebook was rebuilt; reload the page.")
    assert served.knock(at(path, other), guest) == served.knock(at(path, id), owners) == (0, "")


def test_a_socket_elsewhere_is_refused(served: Served) -> None:
    assert served.knock("/api/notebooks", {"authorization": f"Bearer {TOKEN}"})[0] == CLOSED_BEFORE_ACCEPT
