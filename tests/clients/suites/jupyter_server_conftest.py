"""Takes the place of the conftest.py of jupyter_server's own tests, and points them at our gateway: `jp_fetch` and
`jp_ws_fetch` ask it, and not a server in the test's process. `scripts/test_jupyter_server` runs them.

What cannot be asked from outside, or is no business of a kernel gateway, is in ABSENT with the reason; docs/contract.md
has the same list.
"""

import asyncio
import inspect
import json
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests_of_ours.client import TOKEN, GatewayProcess  # type: ignore[import-not-found]
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

CSP = "asks for the Content-Security-Policy of jupyter_server's pages"
INSIDE = "patches or reads objects in the server's process"
RESOLVE = "asks where files are, which is not in the kernel contract"
FILES = "asks for jupyter_server's own description of itself"
SETTING = "tests a setting of jupyter_server"
IDENTITY = "sets users and permissions in the server's process"
ABSENT = {
    "test_default_kernels": CSP,
    "test_main_kernel_handler": CSP,
    "test_resolve_path_kernel": RESOLVE,
    "test_resolve_path_server_traversal": RESOLVE,
    "test_resolve_path_server": RESOLVE,
    "test_resolve_path_server_expands_user": RESOLVE,
    "test_resolve_path_server_expands_user_normalizes_path": RESOLVE,
    "test_resolve_path_server_expands_user_rejects_outside_root": RESOLVE,
    "test_resolve_path_server_and_kernel": RESOLVE,
    "test_resolve_path_missing": RESOLVE,
    "test_resolve_path_missing_kernel_reports_unresolved": RESOLVE,
    "test_create_bad": INSIDE,
    "test_create_session_duplicate_kernel_id_returns_409": INSIDE,
    "test_get_spec": FILES,
    "test_identity": IDENTITY,
    "test_update_user_not_implemented_update": IDENTITY,
    "test_update_user_not_implemented_persist": IDENTITY,
    "test_update_user_success": IDENTITY,
    "test_update_user_raise": IDENTITY,
    "test_update_user_success_custom_updatable_fields": IDENTITY,
    "test_identity_permissions": IDENTITY,
    "test_password_identity_permissions": IDENTITY,
    "test_terminal_create_with_cwd": INSIDE,
    "test_culling_config": SETTING,
    "test_culling": SETTING,
    "test_shell_command_override": SETTING,
    "test_importing_shims": SETTING,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        reason = ABSENT.get(getattr(item, "originalname", item.name))
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_configure(config: pytest.Config) -> None:
    for line in ("flaky: of theirs", "timeout(s): of pytest-timeout"):
        config.addinivalue_line("markers", line)


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    loop = pyfuncitem._request.getfixturevalue("loop")
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    loop.run_until_complete(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "jupyter").mkdir()
    variables = {"JUPYTER_PATH": str(folder / "jupyter"), "SHELL": "/bin/sh"}
    process = GatewayProcess(folder, "--terminals", environment=variables)
    yield process
    assert process.end() == 0


@pytest.fixture(autouse=True)
def clean(gateway: GatewayProcess, jp_root_dir: Path, jp_data_dir: Path) -> Iterator[None]:
    """Each test finds a server as if it had just been started."""
    yield
    for kind in ("sessions", "kernels", "terminals"):
        for model in gateway.http.get(f"/api/{kind}").json():
            gateway.http.delete(f"/api/{kind}/{model.get('id', model.get('name'))}")
    for folder in (jp_root_dir, jp_data_dir):
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def jp_root_dir(gateway: GatewayProcess) -> Path:
    return Path(gateway.root)


@pytest.fixture
def jp_data_dir(gateway: GatewayProcess) -> Path:
    return Path(gateway.root).with_name("jupyter")


@pytest.fixture
def jp_base_url() -> str:
    return "/"


@pytest.fixture
def jp_auth_header() -> dict[str, str]:
    return {"Authorization": f"token {TOKEN}"}


@pytest.fixture
def jp_http_port(gateway: GatewayProcess) -> int:
    return urllib.parse.urlsplit(gateway.url).port or 0


@pytest.fixture
def jp_serverapp() -> SimpleNamespace:
    """As much of a ServerApp as there is to know from outside."""
    kernels = SimpleNamespace(default_kernel_name="python3", use_pending_kernels=False, get_kernel=lambda id: None)
    return SimpleNamespace(kernel_manager=kernels)


@pytest.fixture
def jp_kernelspecs(jp_data_dir: Path) -> None:
    for name in ("sample", "sample2", "bad"):
        folder = jp_data_dir / "kernels" / name
        folder.mkdir(parents=True)
        argv = ["non_existent_path"] if name == "bad" else ["cat", "{connection_file}"]
        (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Test kernel"}))
        (folder / "resource.txt").write_text("The very model of a modern major general")


@pytest.fixture
def jp_fetch(gateway: GatewayProcess, loop: asyncio.AbstractEventLoop, jp_auth_header: dict[str, str]) -> Any:
    async def fetch(*parts: str, headers: Any = None, params: Any = None, **options: Any) -> HTTPResponse:
        query = f"?{urllib.parse.urlencode(params)}" if params else ""
        path = urllib.parse.quote("/".join(part.strip("/") for part in parts))
        url = f"{gateway.url}/{path}{query}"
        return await AsyncHTTPClient().fetch(
            url, headers=jp_auth_header | (headers or {}), request_timeout=30, **options
        )

    return fetch


@pytest.fixture
def jp_ws_fetch(gateway: GatewayProcess, jp_auth_header: dict[str, str]) -> Callable[..., Any]:
    async def fetch(*parts: str, headers: Any = None, params: Any = None) -> WebSocketClientConnection:
        query = f"?{urllib.parse.urlencode(params)}" if params else ""
        url = f"{gateway.url.replace('http', 'ws', 1)}/{'/'.join(parts)}{query}"
        return await websocket_connect(HTTPRequest(url, headers=jp_auth_header | (headers or {})))

    return fetch
