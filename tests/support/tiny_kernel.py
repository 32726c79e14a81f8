"""A kernel in a few lines, for tests that start many: `print N` as code prints N lines, `env NAME` what a
variable is."""

import hashlib
import hmac
import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import zmq

DELIMITER = b"<IDS|MSG>"


class TinyKernel:
    def __init__(self, connection: dict[str, Any]) -> None:
        self._key = connection["key"].encode()
        self._session = uuid.uuid4().hex
        self._count = 0
        context = zmq.Context()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        kinds = {"shell": zmq.ROUTER, "control": zmq.ROUTER, "stdin": zmq.ROUTER, "iopub": zmq.PUB, "hb": zmq.REP}
        for name, kind in kinds.items():
            socket = self._sockets[name] = context.socket(kind)
            socket.linger = 1000
            socket.bind(f"{connection['transport']}://{connection['ip']}-{connection[f'{name}_port']}")

    def run(self) -> None:
        poller = zmq.Poller()
        for name in ("shell", "control"):
            poller.register(self._sockets[name], zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                parts = socket.recv_multipart()
                at = parts.index(DELIMITER)
                header, content = json.loads(parts[at + 2]), json.loads(parts[at + 5])
                self._say("iopub", "status", {"execution_state": "busy"}, header)
                reply = self._answer(header, content)
                kind = header["msg_type"].replace("_request", "_reply")
                name = "control" if socket is self._sockets["control"] else "shell"
                self._say(name, kind, reply, header, parts[:at])
                self._say("iopub", "status", {"execution_state": "idle"}, header)
                if header["msg_type"] == "shutdown_request":
                    return

    def _answer(self, header: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
        match header["msg_type"]:
            case "kernel_info_request":
                info = {"name": "text", "version": "1", "mimetype": "text/plain", "file_extension": ".txt"}
                return {"status": "ok", "protocol_version": "5.4", "implementation": "tiny", "language_info": info}
            case "execute_request":
                self._count += 1
                word, _, rest = content["code"].partition(" ")
                lines = map(str, range(int(rest))) if word == "print" else [os.environ.get(rest, "")]
                for line in lines:
                    self._say("iopub", "stream", {"name": "stdout", "text": f"{line}\n"}, header)
                return {"status": "ok", "execution_count": self._count, "payload": [], "user_expressions": {}}
        return {"status": "ok"}

    def _say(
        self, channel: str, kind: str, content: dict[str, Any], parent: dict[str, Any], to: list[bytes] | None = None
    ) -> None:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": self._session}
        header |= {"date": "2026-01-01T00:00:00Z", "version": "5.4"}
        parts = [json.dumps(part).encode() for part in (header, parent, {}, content)]
        signer = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts:
            signer.update(part)
        self._sockets[channel].send_multipart([*(to or []), DELIMITER, signer.hexdigest().encode(), *parts])


if __name__ == "__main__":
    TinyKernel(json.loads(Path(sys.argv[sys.argv.index("-f") + 1]).read_text())).run()
