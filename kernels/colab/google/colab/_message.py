"""Questions to the page and its answers: out on iopub as `colab_request`, back on stdin as an input_reply that was
not asked for. One question at a time waits for its answer; who else has one waits for its turn.
"""

import itertools
import sys
import threading
import time

import zmq

_POLL_MS = 25
_MAX_EARLY = 1000

_numbers = itertools.count(1)
_lock = threading.RLock()
_lines = []  # what was typed to a running command while an answer was waited for


class MessageError(Exception):
    """The page, or the server, could not do what was asked; the message says why."""


def _kernel():
    from IPython import get_ipython

    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        raise MessageError("This code does not run in a notebook's kernel, so there is no page to ask.")
    return kernel


def _parent(kernel):
    get_parent = getattr(kernel, "get_parent", None)
    return get_parent("shell") if get_parent is not None else kernel._parent_header


def publish(message_type, content, metadata=None, parent=None):
    """On iopub, behind everything that was printed before."""
    kernel = _kernel()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = _parent(kernel) if parent is None else parent
    kernel.session.send(kernel.iopub_socket, message_type, content, parent=parent, metadata=metadata)


def send_request(request_type, request_body, parent=None, expect_reply=True):
    """The number that the answer will carry; None when none is wanted."""
    number = next(_numbers) if expect_reply else None
    metadata = {"colab_request_type": request_type}
    if number is not None:
        metadata["colab_msg_id"] = number
    publish("colab_request", {"request": request_body}, metadata, parent)
    return number


def _receive(timeout_ms):
    """The content of the next message on stdin, or None."""
    kernel = _kernel()
    socket = kernel.stdin_socket
    if not socket.poll(timeout_ms, zmq.POLLIN):
        return None
    try:
        _, message = kernel.session.recv(socket, zmq.NOBLOCK)
    except zmq.ZMQError as error:
        if error.errno == zmq.EAGAIN:  # another thread was quicker
            return None
        raise
    except ValueError:  # a signature that is not the kernel's
        return None
    if message is None or message["header"]["msg_type"] != "input_reply":
        return None
    return message["content"].get("value")


def read_reply_from_input(number, timeout_sec=None):
    """What the answer carries. Other answers are dropped, as nobody waits for them. Raises MessageError, and
    TimeoutError."""
    deadline = None if timeout_sec is None else time.monotonic() + timeout_sec
    while True:
        value = _receive(_POLL_MS)
        if isinstance(value, str):
            if len(_lines) < _MAX_EARLY:
                _lines.append(value)
        elif isinstance(value, dict) and value.get("type") == "colab_reply" and value.get("colab_msg_id") == number:
            if "error" in value:
                raise MessageError(value["error"])
            return value.get("data")
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(f"No answer came within {timeout_sec} seconds.")


def read_line(timeout_ms=0):
    """What was typed to a running command since, or None."""
    if _lines:
        return _lines.pop(0)
    value = _receive(timeout_ms)
    return value if isinstance(value, str) else None


def blocking_request(request_type, request="", timeout_sec=5, parent=None):
    """Asks, and returns what was answered."""
    with _lock:
        number = send_request(request_type, request, parent)
        return read_reply_from_input(number, timeout_sec)
