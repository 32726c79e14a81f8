"""Events: a closed union whose JSON the page's parser is written against."""

import json
from typing import Any, get_args

import pytest

from collab.events import (
    EVENT_TYPES,
    Acknowledged,
    CannotSave,
    ColabAsked,
    Completions,
    Differs,
    Event,
    Inspection,
    Invoked,
    Joined,
    Notice,
    QueueChanged,
    Refused,
    Renamed,
    RoleChanged,
    RuntimeChanged,
    RuntimeNotice,
    RuntimeUsage,
    event_json,
)
from collab.model import CellId, NotebookId, Role, User, UserId
from collab.usage import GpuUsage, HeldGpu, KernelUsage, Limits, MachineGpu, MachineUsage

ADA = User(UserId("u"), "Ada 🙂", "#112233", True)
ADA_JSON = {"id": "u", "name": "Ada 🙂", "color": "#112233", "guest": True}

EVENTS: list[tuple[Event, dict[str, Any]]] = [
    (
        Joined(NotebookId("n"), 2, ADA, Role.RUNNER),
        {"type": "joined", "notebook": "n", "epoch": 2, "user": ADA_JSON, "role": "runner"},
    ),
    (Acknowledged(3), {"type": "acknowledged", "frames": 3}),
    (
        ColabAsked(4, CellId("a"), "eval", "1 + 1", "12345", 7),
        {
            "type": "colab_asked",
            "number": 4,
            "cell": "a",
            "kind": "eval",
            "text": "1 + 1",
            "client": "12345",
            "clock": 7,
        },
    ),
    (
        Invoked(3, "ok", '{"text/plain": "1"}', "{}", ""),
        {
            "type": "invoked",
            "request": 3,
            "status": "ok",
            "data": '{"text/plain": "1"}',
            "metadata": "{}",
            "error": "",
        },
    ),
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
            "stops_at": "",
            "stops_why": "",
            "attached": "",
            "place": 0,
        },
    ),
    (QueueChanged((CellId("a"), CellId("b"))), {"type": "queue_changed", "cells": ["a", "b"], "more": 0}),
    (Refused("No.", 4, "interrupt"), {"type": "refused", "reason": "No.", "request": 4, "command": "interrupt"}),
    (Refused("No."), {"type": "refused", "reason": "No.", "request": None, "command": ""}),
    (
        Completions(1, ("print",), 0, 2, ("function",)),
        {"type": "completions", "request": 1, "matches": ["print"], "start": 0, "end": 2, "types": ["function"]},
    ),
    (Inspection(1, "\x1b[0mtext"), {"type": "inspection", "request": 1, "text": "\x1b[0mtext"}),
    (Notice("Hello.", UserId("u")), {"type": "notice", "text": "Hello.", "user": "u"}),
    (
        RuntimeUsage(
            KernelUsage("2026-01-01T00:00:00Z", 12.5, 1 << 30, 3, None, (GpuUsage("GPU-1", 5, 40),), CellId("a")),
            Limits(2 << 30, 1.5, 100, None),
            (HeldGpu("GPU-1", "H100", 0.5, 40 << 30),),
            MachineUsage(50, 8, 1, 2, 3, 4, (MachineGpu("GPU-1", "H100", 1, 2, 99),)),
        ),
        {
            "type": "runtime_usage",
            "kernel": {
                "at": "2026-01-01T00:00:00Z",
                "cpu_percent": 12.5,
                "memory_bytes": 1 << 30,
                "processes": 3,
                "disk_bytes": None,
                "gpus": [{"uuid": "GPU-1", "memory_bytes": 5, "utilisation": 40}],
                "cell": "a",
            },
            "limits": {"memory_bytes": 2 << 30, "cpus": 1.5, "processes": 100, "disk_bytes": None},
            "gpus": [{"uuid": "GPU-1", "name": "H100", "fraction": 0.5, "memory_bytes": 40 << 30}],
            "machine": {
                "cpu_percent": 50,
                "cpu_count": 8,
                "memory_bytes": 1,
                "memory_total_bytes": 2,
                "disk_bytes": 3,
                "disk_total_bytes": 4,
                "gpus": [
                    {"uuid": "GPU-1", "name": "H100", "memory_bytes": 1, "memory_total_bytes": 2, "utilisation": 99}
                ],
            },
        },
    ),
    (Differs((CellId("a"),)), {"type": "differs", "cells": ["a"]}),
    (
        RuntimeNotice("memory", "It used too much.", "2026-01-01T00:00:00Z"),
        {
            "type": "runtime_notice",
            "kind": "memory",
            "text": "It used too much.",
            "stops_at": "2026-01-01T00:00:00Z",
        },
    ),
]


@pytest.mark.parametrize(("event", "body"), EVENTS)
def test_the_json_of_an_event_is_its_fields_and_its_type(event: Event, body: dict[str, Any]) -> None:
    text = event_json(event)
    assert json.loads(text) == body
    assert text.isascii()


def test_the_union_is_closed_and_every_event_has_a_type_of_its_own() -> None:
    assert set(get_args(Event)) == set(EVENT_TYPES) == {type(event) for event, _ in EVENTS}
    assert len(set(EVENT_TYPES.values())) == len(EVENT_TYPES)
