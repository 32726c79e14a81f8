"""Tags that outputs carry, and clearing those that carry some."""

import contextlib
import uuid

from google.colab import _message


def _names(tags):
    return [tags] if isinstance(tags, str) else sorted({str(tag) for tag in tags})


def _set(add=(), remove=()):
    area = {"nodisplay": True, "add_tags": list(add), "remove_tags": list(remove)}
    _message.publish("display_data", {"data": {}, "metadata": {"outputarea": area}, "transient": {}})


@contextlib.contextmanager
def use_tags(tags, append=True):
    """What is put out inside carries these tags, with `append` beside those that hold already."""
    before = list(_current)
    wanted = _names(tags)
    add = [tag for tag in wanted if tag not in before]
    remove = [] if append else [tag for tag in before if tag not in wanted]
    _change(add, remove)
    try:
        yield
    finally:
        _change(remove, add)


@contextlib.contextmanager
def no_tags():
    """What is put out inside is never cleared by a tag."""
    held = list(_current)
    _change([], held)
    try:
        yield
    finally:
        _change(held, [])


_current = []


def _change(add, remove):
    if not add and not remove:
        return
    _current[:] = [tag for tag in (*_current, *add) if tag not in remove]
    _set(add, remove)


def clear(wait=False, output_tags=()):
    """Clears the outputs that carry all of these tags, and without tags all there are; with `wait` not before
    something else is shown."""
    _message.publish("clear_output", {"wait": bool(wait), "output_tags": _names(output_tags)})


@contextlib.contextmanager
def temporary():
    """What is put out inside is gone afterwards."""
    tag = f"temporary-{uuid.uuid4().hex}"
    try:
        with use_tags(tag):
            yield
    finally:
        clear(output_tags=tag)
