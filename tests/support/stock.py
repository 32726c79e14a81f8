"""A stock Jupyter server as a process of its own, with everything it writes in a folder of the test's."""

import os
import re
import secrets
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collab.jupyter_server import Address


@contextmanager
def stock_server(folder: Path) -> Iterator[Address]:
    token = secrets.token_hex(16)
    places = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("RUNTIME", "DATA", "CONFIG")}
    root = folder / "root"
    root.mkdir(parents=True)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.port=0"),
            *(f"--ServerApp.root_dir={root}", "--ServerApp.ip=127.0.0.1", "--ServerApp.jpserver_extensions={}"),
        ],
        env=os.environ | places | {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_TOKEN": token},
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: deque[str] = deque(maxlen=100)
    assert process.stderr is not None
    found = None
    try:
        while found is None and (line := process.stderr.readline()):
            lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None, "".join(lines)
        reading = threading.Thread(target=lines.extend, args=(process.stderr,))
        reading.start()  # it would wait for a reader some day
        yield Address(found[0], token)
    finally:
        process.terminate()
        process.wait()
        if found is not None:
            reading.join()
        process.stderr.close()
