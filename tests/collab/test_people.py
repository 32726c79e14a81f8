"""Who am I, and under which name."""

import httpx
import pytest

from tests.collab.serving import Served, link, made, refusal


def test_a_guest_takes_a_name(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    token = link(owner, id, "viewer")
    with served.browser(f"/n/{id}?link={token}") as guest:
        before = guest.get("/api/me").json()
        answer = guest.patch("/api/me", json={"name": "  Ada\t Lovelace \u202f"})
        assert answer.json() == before | {"name": "Ada Lovelace"}
        assert guest.get("/api/me").json() == before | {"name": "Ada Lovelace"}
    with served.browser(f"/n/{id}?link={token}") as another:
        assert another.get("/api/me").json()["name"] != "Ada Lovelace"


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\u202eb", "a\u0000b", "a\u0007b", None, 1, ["Ada"], {}])
def test_a_name_that_will_not_do(served: Served, owner: httpx.Client, name: object) -> None:
    id = made(owner)
    with served.script(link(owner, id, "viewer")) as guest:
        before = guest.get("/api/me").json()
        assert refusal(guest.patch("/api/me", json={"name": name})) == (400, "A name is 1 to 40 characters.")
        assert guest.get("/api/me").json() == before


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "Ада", "名前", "🙂", 'O\'Brien "x"'])
def test_any_other_name_will(served: Served, owner: httpx.Client, name: str) -> None:
    with served.script(link(owner, made(owner), "viewer")) as guest:
        assert guest.patch("/api/me", json={"name": name}).json()["name"] == name
