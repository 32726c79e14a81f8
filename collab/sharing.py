"""Who may do what: roles against Commands and actions, and the one sentence that says no.

Pure; which grants there are is stored elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from collab.commands import (
    ROLE_FOR,
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
from collab.model import Role

# What a Command is called in a refusal: "{this} needs the role ...".
_DOING: Final[dict[type[Command], str]] = {
    RunCells: "Running cells",
    CancelRuns: "Cancelling runs",
    Interrupt: "Interrupting the runtime",
    Restart: "Restarting the runtime",
    StartRuntime: "Starting the runtime",
    ShutDownRuntime: "Shutting down the runtime",
    ClearOutputs: "Clearing outputs",
    AnswerInput: "Answering a prompt",
    Complete: "Completing code",
    Inspect: "Reading documentation from the runtime",
    ExtendRuntime: "Keeping the runtime",
    ResetRuntime: "Resetting the runtime",
    ResetAllRuntimes: "Resetting all runtimes",
    ChooseRuntime: "Choosing the runtime",
    AttachRuntime: "Attaching a Jupyter server",
    DetachRuntime: "Detaching a Jupyter server",
    Compare: "Comparing the notebook",
    Invoke: "Calling a function of the runtime",
    ColabReply: "Answering the runtime",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role on a Notebook, for ever when `expires` is None. Times carry a time zone."""

    role: Role
    expires: datetime | None = None


def allows(role: Role, command: Command) -> bool:
    return role >= ROLE_FOR[type(command)]


def may_edit(role: Role) -> bool:
    return role >= Role.EDITOR


def refusal(role: Role | None, what: Command | str, needed: Role | None = None) -> str:
    """One sentence. `what` is a Command, or words such as "Renaming a notebook" together with the role they need."""
    if isinstance(what, str):
        doing, needed = what, needed or Role.EDITOR
    else:
        doing, needed = _DOING[type(what)], needed or ROLE_FOR[type(what)]
    if role is None:
        return f"{doing} needs the role {needed.word}; you have none here."
    return f"{doing} needs the role {needed.word}; yours is {role.word}."


def role_of(grants: Iterable[Grant], now: datetime) -> Role | None:
    """The best role that has not run out; None when nothing is granted. A grant ends in the moment it expires."""
    return max((grant.role for grant in grants if grant.expires is None or now < grant.expires), default=None)
