"""Which address a kernel's own processes listen on, by port.

Only those: whoever may run code reaches what that code serves, and nothing else on this machine.
"""

import os
from collections.abc import Iterable
from typing import Final

import anyio
import psutil  # type: ignore[import-untyped]

from kernelhost.link import Link

MIN_PORT: Final = 1024
MAX_PORT: Final = 65535
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class NoPort(Exception):
    """Nothing of the kernel's can be reached there; the message is one sentence."""


async def address_of(kernel: Link, port: int) -> tuple[str, int]:
    """Where to connect. Raises NoPort."""
    if not MIN_PORT <= port <= MAX_PORT:
        raise NoPort(f"Ports of a runtime are {MIN_PORT} to {MAX_PORT}.")
    report = await kernel.report()
    found = None if report is None else await anyio.to_thread.run_sync(listening, report.pids, port)
    if found is None:
        raise NoPort(f"Nothing in this runtime listens on port {port}; start the server first.")
    return found, port


def listening(pids: Iterable[int], port: int) -> str | None:
    """The address that one of these processes listens on. Raises NoPort for those in a network of their own."""
    for pid in pids:
        try:
            if os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net"):
                raise NoPort("This runtime has no network, so that its ports cannot be reached.")
            connections = psutil.Process(pid).net_connections(kind="tcp")
        except (psutil.Error, OSError):
            continue  # it has ended meanwhile, or the system does not tell
        for each in connections:
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port:
                return _ANYWHERE.get(str(each.laddr.ip), str(each.laddr.ip))
    return None
