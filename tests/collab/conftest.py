from collections.abc import Iterator

import httpx
import pytest

from tests.collab.serving import Served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that only ask; each makes notebooks of its own."""
    with serving(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def owner(served: Served) -> Iterator[httpx.Client]:
    with served.script() as client:
        yield client
