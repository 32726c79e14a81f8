"""Messages that the gateway makes itself, in a kernel's name. Headers are complete, as pages throw on less (H8)."""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from kernelhost.requests import Request
from kernelhost.wire import Message, message


def make(
    channel: str,
    kind: str,
    content: Mapping[str, object] | bytes,
    parent: bytes = b"{}",
    id: str = "",
    session: str = "kernelhost",
) -> Message:
    header = {
        "msg_id": id or secrets.token_hex(16),
        "msg_type": kind,
        "username": "kernelhost",
        "session": session,
        "date": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "version": "5.4",
    }
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return message(channel, json.dumps(header).encode(), parent, b"{}", data)


def status(state: str, parent: bytes = b"{}", **more: object) -> Message:
    return make("iopub", "status", {"execution_state": state, **more}, parent)


def aborted(request: Request, why: str) -> Message:
    """The reply to a request that no kernel will answer."""
    content = {"status": "aborted", "ename": "KernelGone", "evalue": why, "traceback": []}
    return make(request.channel, request.type.removesuffix("_request") + "_reply", content, request.header)


def skipped(request: Request) -> Message:
    """The reply to an execute request that waited behind one that failed, as a kernel gives it (Q3)."""
    return make(request.channel, "execute_reply", {"status": "aborted"}, request.header)


def failed(item: Message, name: str, why: str) -> Message:
    """The reply to a request that does not reach the kernel."""
    content = {"status": "error", "ename": name, "evalue": why, "traceback": []}
    return make(item.channel, item.type.removesuffix("_request") + "_reply", content, item.header)


def unanswered(request: Request) -> Message:
    """The reply to an execute request that ended without one."""
    why = "The kernel ended this without a reply; its log may say why."
    content = {"status": "error", "ename": "NoReply", "evalue": why, "traceback": []}
    return make(request.channel, "execute_reply", content, request.header)


def interrupted(request: Request) -> Message:
    """The reply to an execute request that was interrupted before its code ran."""
    content = {"status": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
    return make(request.channel, "execute_reply", content, request.header)


def notice(text: str, parent: bytes) -> Message:
    return make("iopub", "stream", {"name": "stderr", "text": f"\n[{text}]\n"}, parent)


def lost_notice(parent: bytes) -> Message:
    text = "\n[Output was lost here: more came than is kept for clients that are away or slow.]\n"
    return make("iopub", "stream", {"name": "stderr", "text": text}, parent)


def incomplete_notice(parent: bytes) -> Message:
    text = "\n[The kernel did not say that this has ended: output may be incomplete.]\n"
    return make("iopub", "stream", {"name": "stderr", "text": text}, parent)


def binary_notice(parent: bytes) -> Message:
    text = "[Binary data was left out: widgets that send it need a client that connects to the gateway directly.]\n"
    return make("iopub", "stream", {"name": "stderr", "text": text}, parent)


def is_idle(item: Message) -> bool:
    return item.type == "status" and item.part("content").get("execution_state") == "idle"
