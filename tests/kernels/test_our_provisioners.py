"""Our cage and sandbox under a stock KernelManager, which finds them by the entry points of pyproject.toml."""

import asyncio
import json
import os
import tomllib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from kernelhost.cages.cgroups import PREFIX
from kernelhost.sandbox import probe

from tests.kernels.client import eventually, is_alive
from tests.kernels.test_cages import needs_v1

GROUP = "jupyter_client.kernel_provisioners"
Test = Callable[[AsyncKernelManager, AsyncKernelClient], Coroutine[Any, Any, None]]


@pytest.fixture
def managed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a test on a kernel of the provisioner with this name and config."""
    points = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    about = tmp_path / "site" / "ours-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (about / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "run"))
    KernelProvisionerFactory.clear_instance()  # it keeps what it found for another test

    def run(name: str, test: Test, **config: str) -> None:
        folder = tmp_path / "kernels" / "ours"
        folder.mkdir(parents=True)
        spec = {
            "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "ours",
            "language": "python",
            "metadata": {"kernel_provisioner": {"provisioner_name": name, "config": config}},
        }
        (folder / "kernel.json").write_text(json.dumps(spec))

        async def body() -> None:
            manager = AsyncKernelManager(kernel_name="ours")
            (tmp_path / "work").mkdir()
            await manager.start_kernel(cwd=str(tmp_path / "work"))
            client = manager.client()
            client.start_channels()
            try:
                await client.wait_for_ready(timeout=40)
                await test(manager, client)
            finally:
                client.stop_channels()
                await manager.shutdown_kernel(now=True)
                manager.context.destroy(linger=0)

        asyncio.run(body())

    return run


async def value(client: AsyncKernelClient, code: str) -> str:
    text: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            text.append(message["content"]["text"])

    await client.execute_interactive(code, timeout=30, output_hook=hear)
    return "".join(text).strip()


@pytest.mark.skipif(bool(probe("host", Path("/tmp"))), reason="needs bubblewrap")
def test_a_stock_manager_runs_interrupts_and_ends_a_sandboxed_kernel(
    managed: Callable[..., None], tmp_path: Path
) -> None:
    pids: list[int] = []

    async def test(manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
        assert await value(client, "import os; print(os.getcwd(), os.path.exists('/etc/shadow'))") == "/content False"
        await value(client, "open('made', 'w').close()")
        running = client.execute("print('begun', flush=True)\nwhile True: pass")
        while (await client.get_iopub_msg(timeout=30))["msg_type"] != "stream":
            pass
        await manager.interrupt_kernel()
        while (message := await client.get_iopub_msg(timeout=30))["msg_type"] != "error":
            pass
        assert message["content"]["ename"] == "KeyboardInterrupt"
        assert message["parent_header"]["msg_id"] == running
        assert manager.provisioner is not None
        pids.append(manager.provisioner.pid)  # type: ignore[attr-defined]

    managed("kernelhost-sandboxed", test)
    assert (tmp_path / "work" / "made").exists()
    eventually(lambda: not is_alive(pids[0]), "the sandbox ends")


@needs_v1
def test_a_stock_managers_kernel_has_limits(managed: Callable[..., None]) -> None:
    groups = Path("/sys/fs/cgroup/pids")

    def in_group(pattern: str) -> tuple[str, int]:
        (group,) = groups.glob(pattern)
        return (group / "pids.max").read_text(), len((group / "cgroup.procs").read_text().split())

    async def test(manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
        assert in_group(f"**/{PREFIX}{os.getpid()}-*-{str(manager.kernel_id)[:8]}") == ("77\n", 1)

    managed("kernelhost-local", test, processes="77")
    assert list(groups.glob(f"**/{PREFIX}{os.getpid()}-*")) == []
