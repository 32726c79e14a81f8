import os
import sys

import pytest


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends without the threads of websocket-client: who closes a socket of its from another thread than the one that
    reads it leaves that one asleep for 10 s, whatever the server does."""
    session = config.pluginmanager.get_plugin("session")
    sys.stdout.flush()
    os._exit(int(session.exitstatus) if isinstance(session, pytest.Session) else 1)
