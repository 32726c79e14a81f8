"""The end of a session: by its person's wish, or with its time."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from collab.auth import SESSION
from tests.collab.serving import Served, closing, link, made, refusal

ENDED = (4401, "Your session has ended; sign in again.")


def cookies(served: Served, browser: httpx.Client) -> dict[str, str]:
    return {"origin": served.url, "cookie": f"{served.cookie}={browser.cookies[served.cookie]}"}


def test_signing_out_ends_the_session_and_its_sockets_and_no_other(served: Served, owner: httpx.Client) -> None:
    where = f"/api/notebooks/{made(owner)}/socket"
    with served.browser() as leaving, served.browser() as staying:
        headers = cookies(served, leaving)
        with served.socket(where, headers) as socket, served.socket(where, cookies(served, staying)) as other:
            answer = leaving.delete("/api/me/session")
            assert answer.status_code == 204
            assert answer.headers["set-cookie"].startswith(f'{served.cookie}=""; ')
            assert "Max-Age=0" in answer.headers["set-cookie"]
            assert closing(socket) == ENDED
            assert staying.get("/api/me").status_code == 200
            other.ping().wait(20)
        assert served.knock(where, headers)[0] == 4401
        with served.anonymous(**headers) as again:
            assert refusal(again.get("/api/me"))[0] == 401


def test_who_showed_a_token_has_no_session_to_end(served: Served, owner: httpx.Client) -> None:
    where = f"/api/notebooks/{made(owner)}/socket"
    assert owner.delete("/api/me/session").status_code == 204
    assert owner.get("/api/me").status_code == 200
    assert served.knock(where, {"authorization": owner.headers["authorization"]}) == (0, "")


@pytest.mark.parametrize("guest", [False, True])
def test_a_socket_ends_in_the_moment_in_which_its_session_expires(
    served: Served, owner: httpx.Client, guest: bool
) -> None:
    id = made(owner)
    path = f"/n/{id}?link={link(owner, id, 'editor')}"
    with served.browser(path) if guest else served.browser() as browser:
        began = datetime.now(UTC) - SESSION + timedelta(seconds=1.5)
        newest = "(SELECT MAX(created) FROM sessions)"
        served.query(f"UPDATE sessions SET created = ? WHERE created = {newest}", began.isoformat())
        with served.socket(f"/api/notebooks/{id}/socket", cookies(served, browser)) as socket:
            assert closing(socket) == ENDED
