"""The socket that the gateway listens on."""

import socket

from kernelhost.config import BadSetting

_BACKLOG = 512


def listen(host: str, port: int) -> socket.socket:
    """Raises BadSetting."""
    host = host.strip("[]")
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
    except OSError as error:
        raise BadSetting(f"Cannot listen on {host}:{port}: {error.strerror}; choose another --port.") from error
    # What it accepts inherits this. asyncio does not set it on sockets that it is given, only uvloop does; without it a
    # small cell takes 40 ms (kernels.md H11).
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
