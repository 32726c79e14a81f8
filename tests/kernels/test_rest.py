"""Each row of kernels.md section 3 that this gateway has."""

import re
import uuid
from collections.abc import Callable, Iterator

import anyio
import httpx
import pytest
from kernelhost.app import on_error
from kernelhost.cors import Cors
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.kernels.client import TOKEN, GatewayProcess

MODEL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def anyone(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        yield http


WAYS = {
    "token": ({"Authorization": f"token {TOKEN}"}, ""),
    "Token": ({"Authorization": f"ToKeN {TOKEN}"}, ""),
    "bearer": ({"Authorization": f"Bearer {TOKEN}"}, ""),
    "query": ({}, f"?token={TOKEN}"),
    "query beside an empty header": ({"Authorization": "token"}, f"?token={TOKEN}"),
    "none": ({}, ""),
    "empty": ({"Authorization": "token"}, ""),
    "empty query": ({}, "?token="),
    "wrong": ({"Authorization": "token wrong"}, ""),
    "wrong query": ({}, "?token=wrong"),
    "basic": ({"Authorization": f"Basic {TOKEN}"}, ""),
}
LETS_IN = ("token", "Token", "bearer", "query", "query beside an empty header")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/status", 200),
        ("GET", "/api/me", 200),
        ("GET", "/api/kernelspecs", 200),
        ("GET", "/api/kernelspecs/python3", 200),
        ("GET", "/api/kernelspecs/Python3", 200),
        ("GET", "/kernelspecs/python3/logo-64x64.png", 200),
        ("GET", "/api/kernels", 200),
        ("GET", "/api/kernels/{kernel}", 200),
        ("POST", "/api/kernels/{kernel}/interrupt", 204),
        ("GET", f"/api/kernels/{NOBODY}", 404),
        ("DELETE", f"/api/kernels/{NOBODY}", 404),
        ("POST", f"/api/kernels/{NOBODY}/interrupt", 404),
        ("POST", f"/api/kernels/{NOBODY}/restart", 404),
        ("GET", "/api/kernelspecs/none", 404),
        ("GET", "/api/sessions", 200),
        ("POST", "/api/sessions", 400),
        ("GET", f"/api/sessions/{NOBODY}", 404),
        ("PATCH", f"/api/sessions/{NOBODY}", 404),
        ("DELETE", f"/api/sessions/{NOBODY}", 404),
        ("GET", "/kernelspecs/python3/kernel.json", 404),
    ],
)
def test_a1_a2_every_row_wants_the_token(
    anyone: httpx.Client, kernel: str, method: str, path: str, status: int, way: str
) -> None:
    headers, query = WAYS[way]
    answer = anyone.request(method, path.format(kernel=kernel) + query, headers=headers)
    assert answer.status_code == (status if way in LETS_IN else 403)
    if answer.status_code >= 400:
        assert set(answer.json()) == {"message", "reason"}
        assert answer.json()["message"]


def test_a_start_without_the_token_starts_nothing(anyone: httpx.Client, gateway: GatewayProcess) -> None:
    before = gateway.http.get("/api/status").json()["kernels"]
    assert anyone.post("/api/kernels", json={}).status_code == 403
    assert gateway.http.get("/api/status").json()["kernels"] == before


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/api", 200), ("/tree", 404), ("/login", 404), ("/hub/api", 404), ("/x/y", 404)]
)
def test_what_needs_no_token(anyone: httpx.Client, path: str, status: int) -> None:
    assert anyone.get(path).status_code == status


def test_the_contract_has_a_version_that_can_be_parsed(anyone: httpx.Client) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", anyone.get("/api").json()["version"])


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/kernels"), ("PATCH", "/api/contents")])
def test_a3_errors_are_json_whatever_was_asked(gateway: GatewayProcess, method: str, path: str) -> None:
    answer = gateway.http.request(method, path)
    assert answer.status_code in (404, 405)
    assert answer.json()["message"].endswith(".")


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ('{"kernels": ["read", "execute"], "contents": ["write"]}', {"kernels": ["read", "execute"], "contents": []}),
        ("{}", {}),
        ("[]", None),
        ('{"kernels": "read"}', None),
        ('{"kernels": [5]}', None),
        ("no json", None),
        ("[" * 10_000, None),
    ],
)
def test_who_has_the_token_may_do_all_that_there_is_to_do(
    gateway: GatewayProcess, asked: str, granted: dict[str, list[str]] | None
) -> None:
    answer = gateway.http.get("/api/me", params={"permissions": asked})
    assert answer.status_code == (400 if granted is None else 200)
    assert answer.json().get("permissions") == granted
    assert gateway.http.get("/api/me").json()["permissions"] == {}


def test_kernelspecs_have_what_pages_need(gateway: GatewayProcess) -> None:
    answer = gateway.http.get("/api/kernelspecs").json()
    entry = answer["kernelspecs"][answer["default"]]
    assert {"argv", "env", "display_name", "language", "interrupt_mode", "metadata"} <= set(entry["spec"])
    assert gateway.http.get(f"/api/kernelspecs/{answer['default']}").json() == entry
    logo = gateway.http.get(entry["resources"]["logo-64x64"])
    assert logo.headers["content-type"] == "image/png"


def test_a11_a_model_is_exactly_what_clients_parse(gateway: GatewayProcess, kernel: str) -> None:
    model = gateway.http.get(f"/api/kernels/{kernel}").json()
    assert MODEL_TIME.fullmatch(model.pop("last_activity"))
    model.pop("usage", None)  # it has been sampled, or not yet
    assert set(model["limits"]) == {"memory_bytes", "cpus", "processes", "disk_bytes"}
    known = {"id": kernel, "name": "python3", "execution_state": "idle", "connections": 0, "generation": 1}
    assert model == known | {"limits": model["limits"], "gpus": []}
    listed = [item for item in gateway.http.get("/api/kernels").json() if item["id"] == kernel]
    assert MODEL_TIME.fullmatch(listed[0].pop("last_activity"))
    listed[0].pop("usage", None)
    assert listed == [model]
    assert MODEL_TIME.fullmatch(gateway.http.get("/api/status").json()["last_activity"])


def test_a4_a_kernel_is_started_restarted_and_ended_with_the_codes_that_pages_check(gateway: GatewayProcess) -> None:
    id = str(uuid.uuid4())
    body = {"name": "python3", "path": None, "kernel_id": id, "env": {"KERNEL_LAUNCH_TIMEOUT": "40"}, "unknown": {}}
    started = gateway.http.post("/api/kernels", json=body)
    assert (started.status_code, started.headers["location"]) == (201, f"/api/kernels/{id}")
    again = gateway.http.post("/api/kernels", json=body)
    assert (again.status_code, id in again.json()["message"]) == (409, True)
    restarted = gateway.http.post(f"/api/kernels/{id}/restart", json={})
    assert restarted.status_code == 200
    varies = {"last_activity": "", "usage": None}
    assert restarted.json() | varies == started.json() | varies | {"generation": 2}
    assert gateway.http.post(f"/api/kernels/{id}/interrupt").status_code == 204
    assert [gateway.http.delete(f"/api/kernels/{id}").status_code for _ in range(2)] == [204, 404]
    assert gateway.http.get(f"/api/kernels/{id}").json()["message"] == f"Kernel does not exist: {id}"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"name": "cobol"}', 400, "python3"),
        (b"{", 400, "JSON"),
        (b"[]", 400, "object"),
        (b"[" * 200_000, 400, "JSON"),
        (b"\xff", 400, "JSON"),
        (b'{"path": "../.."}', 400, "path"),
        (b'{"kernel_id": "../../etc"}', 400, "UUID"),
        (b'{"name": 5}', 400, "name"),
        (b'{"kernel_id": ["x"]}', 400, "kernel_id"),
        (b'{"path": {}}', 400, "path"),
        (b'{"env": "A=1"}', 400, "env"),
        (b'{"name": "' + b"x" * (1 << 20) + b'"}', 413, "1 MB"),
    ],
)
def test_a_start_that_cannot_be_says_why(gateway: GatewayProcess, body: bytes, status: int, words: str) -> None:
    answer = gateway.http.post("/api/kernels", content=body)
    assert (answer.status_code, words in answer.json()["message"]) == (status, True)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"name": null}'])
def test_a_start_without_a_name_takes_the_default(gateway: GatewayProcess, body: bytes) -> None:
    answer = gateway.http.post("/api/kernels", content=body)
    assert (answer.status_code, answer.json()["name"]) == (201, "python3")
    gateway.delete(answer.json()["id"])


LAB = "https://lab.example"


def test_a10_only_pages_of_named_origins_may_read_answers(start_gateway: Callable[..., GatewayProcess]) -> None:
    gateway = start_gateway("--allow-origin", LAB)
    for origin, allowed in ((LAB, LAB), ("https://evil.example", None), (None, None)):
        headers = {"Origin": origin} if origin is not None else {}
        asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization,x-own"}
        preflight = httpx.options(f"{gateway.url}/api/kernels/x", headers=headers | asked, trust_env=False)
        assert preflight.status_code == 204
        refused = httpx.get(f"{gateway.url}/api/kernels", headers=headers, trust_env=False)
        answers = [
            gateway.http.get(path, headers=headers) for path in ("/api", "/api/kernels", "/api/kernels/x", "/no")
        ]
        assert [answer.status_code for answer in (refused, *answers)] == [403, 200, 200, 404, 404]
        for answer in (preflight, refused, *answers):
            assert answer.headers.get("access-control-allow-origin") == allowed
            assert answer.headers.get("access-control-allow-credentials") == (allowed and "true")
            assert "Origin" in answer.headers["vary"]
        assert preflight.headers.get("access-control-allow-headers") == (allowed and "authorization,x-own")
        assert ("DELETE" in preflight.headers.get("access-control-allow-methods", "")) == (allowed is not None)
    assert gateway.end() == 0


def test_a10_a_failure_of_ours_may_be_read_too() -> None:
    def fail(request: Request) -> Response:
        raise RuntimeError("ours")

    app = Cors(Starlette(routes=[Route("/", fail)], exception_handlers={Exception: on_error}), (LAB,))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            return await http.get("/", headers={"Origin": LAB})

    answer = anyio.run(ask)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (500, LAB)
    assert set(answer.json()) == {"message", "reason"}
