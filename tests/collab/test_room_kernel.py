"""Which kernel runs a notebook that names one."""

from pathlib import Path

import pytest

from collab import notebook
from collab.events import Notice
from collab.notebook import SERVER_ORIGIN
from collab.room_kernel import fitting_spec
from collab.runtime import KernelSpec
from tests.support.executions import Server, bench

PYTHON = KernelSpec("python3", "python", "Python 3 (ipykernel)")
OTHER_PYTHON = KernelSpec("py312", "python", "Python 3.12")
R = KernelSpec("ir", "R", "R 4.4")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("wanted", "language", "expected"),
    [
        ("python3", "python", PYTHON),
        ("py312", "python", OTHER_PYTHON),
        ("conda-base-py", "python", PYTHON),
        ("python2", "Python", PYTHON),
        ("irkernel", "R", R),
        ("julia-1.9", "julia", None),
    ],
)
async def test_the_named_one_or_one_of_its_language(wanted: str, language: str, expected: KernelSpec | None) -> None:
    assert fitting_spec(wanted, language, [PYTHON, OTHER_PYTHON, R]) == expected


def name_kernel(server: Server, name: str, language: str) -> None:
    with server.doc.transaction(origin=SERVER_ORIGIN):
        meta = notebook.roots(server.doc).meta
        meta["kernelspec"], meta["language"] = name, language


async def test_a_notebook_of_another_machine_runs_and_keeps_the_name_it_came_with(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        name_kernel(server, "conda-base-py", "python")
        server.run("a")
        await server.ended("a")
        assert (server.mark("a").state, server.text("a")) == ("finished", "a\n")
        told = [event.text for event in server.room.told if isinstance(event, Notice)]
        assert told == ["There is no kernel 'conda-base-py' here; Python 3 (ipykernel) runs this notebook."]
        assert notebook.kernelspec(server.doc) == "conda-base-py"


async def test_a_language_that_is_not_here_is_said_to_be_missing(tmp_path: Path) -> None:
    async with bench(tmp_path, "println(1)") as server:
        name_kernel(server, "julia-1.9", "julia")
        server.run("a")
        await server.ended("a")
        reason = "This notebook needs a kernel for julia ('julia-1.9'); installed here: python3."
        assert (server.mark("a").state, server.mark("a").status) == ("cancelled", reason)
        assert server.gateway.kernels == {}
