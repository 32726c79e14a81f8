"""The system calls that a sandboxed kernel may not make, as a program for the kernel's filter (kernels.md B4).

A deny list: what leads to new namespaces, mounts, other processes' memory, or parts of Linux that break-outs begin in.
"""

import errno
import platform
import struct
from typing import Final

_ARCHES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Name -> number on x86_64 and on aarch64.
_DENIED: Final = {
    "ptrace": (101, 117),
    "acct": (163, 89),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "finit_module": (313, 273),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
}
# Programs do without these when they are told that there are none.
_ABSENT: Final = {"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)}
_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)  # its flags are behind a pointer, where a filter cannot look: C libraries then use clone
_NEW_NAMESPACES: Final = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_X32: Final = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FLAGS = 0, 4, 16  # offsets in `struct seccomp_data`; the lower half of the first argument
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000


def filter_program(machine: str = "") -> bytes | None:
    """For `bwrap --seccomp`; None for a machine whose numbers we do not have."""
    machine = machine or platform.machine()
    if machine not in _ARCHES:
        return None
    column = list(_ARCHES).index(machine)
    absent = [numbers[column] for numbers in _ABSENT.values()] + [_CLONE3[column]]
    denied = [numbers[column] for numbers in _DENIED.values()]
    # Where a jump leads is a name here, and how far it is becomes clear when all is in its place.
    steps: list[tuple[int, int, str, str]] = [
        (_LOAD, _ARCH, "", ""),
        (_EQUAL, _ARCHES[machine], "", "deny"),
        (_LOAD, _NUMBER, "", ""),
        (_AT_LEAST, _X32, "deny", ""),
        *((_EQUAL, number, "absent", "") for number in absent),
        *((_EQUAL, number, "deny", "") for number in denied),
        (_EQUAL, _CLONE[column], "", "allow"),
        (_LOAD, _FLAGS, "", ""),
        (_ANY_BIT, _NEW_NAMESPACES, "deny", ""),
    ]
    ends = {"allow": _ALLOW, "deny": _ERRNO | errno.EPERM, "absent": _ERRNO | errno.ENOSYS}
    places = {name: len(steps) + at for at, name in enumerate(ends)}
    code = b""
    for at, (kind, value, if_true, if_false) in enumerate(steps):
        jumps = [places[name] - at - 1 if name else 0 for name in (if_true, if_false)]
        code += struct.pack("=HBBI", kind, *jumps, value)
    return code + b"".join(struct.pack("=HBBI", _RETURN, 0, 0, value) for value in ends.values())
