"""Commands: a closed union with a parser, a role and words for each, and BadCommand for everything else."""

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab import commands, sharing
from collab.commands import (
    ROLE_FOR,
    AnswerInput,
    AttachRuntime,
    BadCommand,
    CancelRuns,
    ChooseRuntime,
    ClearOutputs,
    ColabReply,
    Command,
    Compare,
    Complete,
    DetachRuntime,
    ExtendRuntime,
    Inspect,
    Interrupt,
    Invoke,
    ResetAllRuntimes,
    ResetRuntime,
    Restart,
    RunCells,
    ShutDownRuntime,
    StartRuntime,
    parse_command,
    request_of,
)
from collab.model import MAX_CELLS, CellId, Role

GOOD: list[tuple[dict[str, Any], Command]] = [
    ({"type": "run_cells", "cells": "all"}, RunCells("all")),
    ({"type": "run_cells", "cells": ["a"], "sources": {"a": "ff"}}, RunCells((CellId("a"),), {CellId("a"): "ff"})),
    ({"type": "cancel_runs", "cells": ["b", "a"]}, CancelRuns((CellId("b"), CellId("a")))),
    ({"type": "interrupt", "unknown": 1, "request": 5}, Interrupt()),
    ({"type": "restart"}, Restart()),
    ({"type": "restart", "run_all": True, "clear_outputs": True}, Restart(True, True)),
    ({"type": "start_runtime"}, StartRuntime()),
    ({"type": "shut_down_runtime"}, ShutDownRuntime()),
    ({"type": "clear_outputs", "cells": []}, ClearOutputs(())),
    ({"type": "answer_input", "cell": "a", "value": ""}, AnswerInput(CellId("a"), "")),
    ({"type": "complete", "request": 0, "code": "x", "cursor": 1}, Complete(0, "x", 1)),
    ({"type": "inspect", "request": 1, "code": "x", "cursor": 0, "detail": 1}, Inspect(1, "x", 0, 1)),
    ({"type": "inspect", "request": 1, "code": "x", "cursor": 0, "detail": "1"}, Inspect(1, "x", 0, 0)),
    ({"type": "extend_runtime"}, ExtendRuntime()),
    ({"type": "reset_runtime"}, ResetRuntime()),
    ({"type": "reset_runtime", "folder": True}, ResetRuntime(True)),
    ({"type": "reset_all_runtimes", "folder": True}, ResetAllRuntimes(True)),
    ({"type": "choose_runtime", "kernel": "bash"}, ChooseRuntime("bash")),
    *(
        ({"type": "choose_runtime", "kernel": "ir", "gpus": gpus}, ChooseRuntime("ir", gpus))
        for gpus in ("0", "2", "0.25", ".5", "any")
    ),
    (
        {
            "type": "choose_runtime",
            "kernel": "python3",
            "gpus": "1",
            "gpu_memory": "4GiB",
            "memory": "1.5 G",
            "cpus": "0.5",
            "venv": True,
            "restart": True,
        },
        ChooseRuntime("python3", "1", "4GiB", "1.5 G", "0.5", True, True),
    ),
    ({"type": "attach_runtime", "url": " http://h:1 ", "token": "s3"}, AttachRuntime("http://h:1", "s3")),
    ({"type": "detach_runtime"}, DetachRuntime()),
    ({"type": "compare", "state": "AA==", "sources": {"a": "ff"}}, Compare(b"\0", {CellId("a"): "ff"})),
    (
        {"type": "invoke", "request": 3, "cell": "a", "name": "f'", "args": '["\\\\"]', "kwargs": "{}"},
        Invoke(3, CellId("a"), "f'", '["\\\\"]', "{}"),
    ),
    ({"type": "colab_reply", "reply": 1, "value": "null"}, ColabReply(1, "null")),
    ({"type": "colab_reply", "reply": 1, "error": "No."}, ColabReply(1, None, "No.")),
]

BAD: list[object] = [
    *(None, 1, "run_cells", [], {}, {"type": 1}, {"type": None}, {"type": "fly"}, {"type": ["interrupt"]}),
    *({"type": "run_cells"}, {"type": "run_cells", "cells": "a"}, {"type": "run_cells", "cells": [1]}),
    {"type": "run_cells", "cells": "all", "sources": []},
    {"type": "run_cells", "cells": "all", "sources": {"a": 1}},
    {"type": "run_cells", "cells": ["a"] * (MAX_CELLS + 1)},
    {"type": "restart", "run_all": 1},
    {"type": "reset_runtime", "folder": "yes"},
    *({"type": "choose_runtime", "kernel": name} for name in (None, "", "../etc", "a b")),
    *({"type": "choose_runtime", "kernel": "p", "gpus": gpus} for gpus in (1, "-1", "many", "1.5")),
    *({"type": "choose_runtime", "kernel": "p", key: "lots"} for key in ("gpu_memory", "memory", "cpus")),
    {"type": "attach_runtime", "url": "http://h", "token": "a\r\nb"},
    {"type": "attach_runtime", "url": 3, "token": "a"},
    {"type": "attach_runtime", "url": "x" * 2001, "token": "a"},
    *({"type": "compare", "state": state, "sources": {}} for state in (None, "", "no base64", "A" * 100_000)),
    {"type": "compare", "state": "AA==", "sources": {str(number): "ff" for number in range(101)}},
    {"type": "answer_input", "cell": "a"},
    {"type": "answer_input", "cell": None, "value": "x"},
    {"type": "complete", "code": "x", "cursor": 1},
    {"type": "complete", "request": True, "code": "x", "cursor": 1},
    {"type": "complete", "request": 1, "code": "x", "cursor": -1},
    {"type": "complete", "request": 1, "code": "x", "cursor": 1.5},
    {"type": "complete", "request": 2**53, "code": "x", "cursor": 1},
    {"type": "inspect", "request": 1, "code": "x" * (commands.MAX_CODE_CHARS + 1), "cursor": 0},
    *(
        {"type": "invoke", "request": 3, "cell": "a", "name": "f", "args": args, "kwargs": kwargs}
        for args, kwargs in (
            ("[", "{}"),
            ("{}", "{}"),
            ("[]", "[]"),
            ("[NaN]", "{}"),
            ("[" * 100_000, "{}"),
            ([], "{}"),
        )
    ),
    {"type": "invoke", "request": 3, "cell": "a", "name": "f" * 1001, "args": "[]", "kwargs": "{}"},
    *({"type": "colab_reply", "reply": 1, "value": value} for value in (None, "", "[1", "NaN", "[" * 100_000, 3)),
    {"type": "colab_reply", "value": "1"},
]


@pytest.mark.parametrize(("value", "command"), GOOD)
def test_what_is_a_command(value: dict[str, Any], command: Command) -> None:
    assert parse_command(value) == command


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value)[:60])
def test_what_is_none(value: object) -> None:
    with pytest.raises(BadCommand) as raised:
        parse_command(value)
    assert str(raised.value).endswith(".")
    assert len(str(raised.value)) < 400


def test_the_union_is_closed_and_every_command_has_a_role_words_and_a_parser() -> None:
    kinds = set(get_args(Command))
    assert kinds == set(ROLE_FOR) == set(sharing._DOING) == {type(command) for _, command in GOOD}
    assert {value["type"] for value, _ in GOOD} == set(commands._PARSERS)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("value", "command"), GOOD)
def test_a_refusal_names_what_was_wanted_and_both_roles(value: dict[str, Any], command: Command, role: Role) -> None:
    if not sharing.allows(role, command):
        words = sharing.refusal(role, command)
        assert words.endswith(f"needs the role {ROLE_FOR[type(command)].word}; yours is {role.word}.")
    assert sharing.allows(role, command) == (role >= ROLE_FOR[type(command)])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
keys = ("cells", "sources", "run_all", "clear_outputs", "cell", "value", "request", "code", "cursor", "detail")


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(commands._PARSERS)) | st.text(max_size=8),
    st.dictionaries(st.sampled_from(keys) | st.text(max_size=8), anything),
)
def test_any_json_is_a_command_or_a_bad_command(kind: str, fields: dict[str, Any]) -> None:
    assert _outcome({**fields, "type": kind}).endswith(".")


def _outcome(value: object) -> str:
    try:
        command = parse_command(value)
    except BadCommand as error:
        return str(error)
    return f"The role is {ROLE_FOR[type(command)].word}."


@given(anything)
def test_any_value_is_a_command_or_a_bad_command(value: object) -> None:
    with pytest.raises(BadCommand):
        parse_command(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [({"request": 3}, 3), ({"request": True}, None), ({"request": "3"}, None), ({}, None), ([], None), (None, None)],
)
def test_the_request_a_refusal_names(value: object, number: int | None) -> None:
    assert request_of(value) == number


def test_the_token_of_an_attached_server_is_in_no_log() -> None:
    assert "s3cret" not in repr(AttachRuntime("http://h", "s3cret"))
    with pytest.raises(BadCommand) as raised:
        parse_command({"type": "attach_runtime", "url": "http://h", "token": "s3cret\n"})
    assert "s3cret" not in str(raised.value)
