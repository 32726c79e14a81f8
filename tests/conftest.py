"""What holds for every test: how a failure is reported."""

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Without the garbage collector: pytest parses the source of what failed, and a finaliser that raises meanwhile
    makes it parse within the parsing, at which CPython 3.11 fails with "AST constructor recursion depth mismatch"
    (python/cpython#106905) and pytest with an INTERNALERROR."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
