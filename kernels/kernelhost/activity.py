"""What keeps a kernel from idling: what a person does, and not what clients ask by themselves (kernels.md T1)."""

from typing import Final

ACTIVITY: Final = (
    "execute_request",
    "comm_msg",
    "comm_open",
    "comm_close",
    "complete_request",
    "inspect_request",
    "is_complete_request",
    "debug_request",
    "interrupt_request",
    "input_reply",
)
