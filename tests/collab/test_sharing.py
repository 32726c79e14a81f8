from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from collab.commands import (
    AnswerInput,
    AttachRuntime,
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
)
from collab.model import CellId, Role
from collab.sharing import Grant, allows, may_edit, refusal, role_of

NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)

COMMANDS: list[tuple[Command, Role]] = [
    (RunCells("all"), Role.RUNNER),
    (CancelRuns("all"), Role.RUNNER),
    (Interrupt(), Role.RUNNER),
    (Restart(), Role.RUNNER),
    (StartRuntime(), Role.RUNNER),
    (ShutDownRuntime(), Role.RUNNER),
    (ClearOutputs("all"), Role.EDITOR),
    (AnswerInput(CellId("a"), "yes"), Role.RUNNER),
    (Complete(1, "x", 1), Role.RUNNER),
    (Inspect(1, "x", 1), Role.RUNNER),
    (ExtendRuntime(), Role.RUNNER),
    (ResetRuntime(), Role.OWNER),
    (ResetAllRuntimes(), Role.OWNER),
    (ChooseRuntime("python3"), Role.EDITOR),
    (AttachRuntime("http://localhost:8888", "secret"), Role.OWNER),
    (DetachRuntime(), Role.OWNER),
    (Compare(b"\0", {}), Role.VIEWER),
    (Invoke(1, CellId("a"), "f", "[]", "{}"), Role.RUNNER),
    (ColabReply(1, "null"), Role.RUNNER),
]


def test_every_command_is_listed() -> None:
    assert {type(command) for command, _ in COMMANDS} == set(get_args(Command))


@pytest.mark.parametrize(("command", "needed"), COMMANDS, ids=lambda value: type(value).__name__)
def test_t11_every_role_against_every_command(command: Command, needed: Role) -> None:
    assert {role: allows(role, command) for role in Role} == {role: role >= needed for role in Role}


@pytest.mark.parametrize(("command", "needed"), COMMANDS, ids=lambda value: type(value).__name__)
def test_every_refusal_is_one_sentence(command: Command, needed: Role) -> None:
    sentence = refusal(Role.VIEWER, command)
    assert sentence.endswith(f" needs the role {needed.word}; yours is viewer.")
    assert sentence.count(".") == 1
    assert sentence[0].isupper()


def test_refusals() -> None:
    assert refusal(Role.VIEWER, RunCells("all")) == "Running cells needs the role runner; yours is viewer."
    assert refusal(Role.RUNNER, "Editing") == "Editing needs the role editor; yours is runner."
    assert refusal(None, "Sharing", Role.OWNER) == "Sharing needs the role owner; you have none here."


def test_editing_starts_at_editor() -> None:
    assert [role for role in Role if may_edit(role)] == [Role.EDITOR, Role.OWNER]


def test_the_best_grant_that_has_not_expired_counts() -> None:
    lapsed = Grant(Role.OWNER, NOW - timedelta(seconds=1))
    live = Grant(Role.RUNNER, NOW + timedelta(seconds=1))
    for_ever = Grant(Role.VIEWER)
    assert role_of([], NOW) is None
    assert role_of([lapsed], NOW) is None
    assert role_of([Grant(Role.OWNER, NOW)], NOW) is None
    assert role_of([for_ever, live, lapsed], NOW) is Role.RUNNER
    assert role_of([for_ever, lapsed], NOW) is Role.VIEWER
