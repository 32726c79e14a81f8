"""Events: a closed union whose JSON the page's parser is written against."""

import json
from typing import Any, get_args

import pytest

from collab.events import (
    EVENT_TYPES,
    Acknowledged,
    CannotSave,
    Completions,
    Event,
    Inspection,
    Joined,
    Notice,
    QueueChanged,
    Refused,
    Renamed,
    RoleChanged,
    RuntimeChanged,
    event_json,
)
from collab.model import CellId, NotebookId, Role, User, UserId

ADA = User(UserId("u"), "Ada 🙂", "#112233", True)
ADA_JSON = {"id": "u", "name": "Ada 🙂", "color": "#112233", "guest": True}

EVENTS: list[tuple[Event, dict[str, Any]]] = [
    (
        Joined(NotebookId("n"), 2, ADA, Role.RUNNER),
        {"type": "joined", "notebook": "n", "epoch": 2, "user": ADA_JSON, "role": "runner"},
    ),
    (Acknowledged(3), {"type": "acknowledged", "frames": 3}),
    (CannotSave("The disk is full."), {"type": "cannot_save", "reason": "The disk is full."}),
    (RoleChanged(Role.VIEWER), {"type": "role_changed", "role": "viewer"}),
    (Renamed(ADA), {"type": "renamed", "user": ADA_JSON}),
    (
        RuntimeChanged("busy", "Python 3", "k:1", "", "Ada"),
        {
            "type": "runtime_changed",
            "status": "busy",
            "kernel": "Python 3",
            "session": "k:1",
            "reason": "",
            "by": "Ada",
        },
    ),
    (QueueChanged((CellId("a"), CellId("b"))), {"type": "queue_changed", "cells": ["a", "b"]}),
    (Refused("No.", 4, "interrupt"), {"type": "refused", "reason": "No.", "request": 4, "command": "interrupt"}),
    (Refused("No."), {"type": "refused", "reason": "No.", "request": None, "command": ""}),
    (
        Completions(1, ("print",), 0, 2, ("function",)),
        {"type": "completions", "request": 1, "matches": ["print"], "start": 0, "end": 2, "types": ["function"]},
    ),
    (Inspection(1, "\x1b[0mtext"), {"type": "inspection", "request": 1, "text": "\x1b[0mtext"}),
    (Notice("Hello.", UserId("u")), {"type": "notice", "text": "Hello.", "user": "u"}),
]


@pytest.mark.parametrize(("event", "body"), EVENTS)
def test_the_json_of_an_event_is_its_fields_and_its_type(event: Event, body: dict[str, Any]) -> None:
    text = event_json(event)
    assert json.loads(text) == body
    assert text.isascii()


def test_the_union_is_closed_and_every_event_has_a_type_of_its_own() -> None:
    assert set(get_args(Event)) == set(EVENT_TYPES) == {type(event) for event, _ in EVENTS}
    assert len(set(EVENT_TYPES.values())) == len(EVENT_TYPES)
