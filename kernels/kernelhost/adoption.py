"""When a kernel that was started for nobody fits a request, and the code that puts it where that wants it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kernelhost.document import Document

_SETTABLE: Final = re.compile(r"KERNEL_[A-Z0-9_]+")

_SETTLE: Final = """
import os
os.environ.update({variables!r})
folder = {folder!r}
if folder:
    os.chdir(folder)
    try:
        from IPython import get_ipython
        shell = get_ipython()
        shell.starting_dir = folder
        visited = shell.user_ns["_dh"]
        visited[:] = [type(visited[0])(folder)]
    except (ImportError, AttributeError, KeyError, IndexError):
        pass
"""


def fits(ready: Document, wanted: Document) -> bool:
    """What cannot be changed late is the same. A sandboxed kernel keeps the folder that it sees, which the caller moves
    to where it is wanted; the watch of a limit on the folder would look for it where it was."""
    if ready.spec != wanted.spec or wanted.spec.provisioner is not None:
        return False
    if ready.gpus or wanted.gpus or ready.confinement != wanted.confinement:
        return False
    if wanted.confinement.limits.disk_bytes is not None:
        return False
    before, after = _environments(ready, wanted)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if not before.keys() <= after.keys() or not all(_SETTABLE.fullmatch(name) for name in changed):
        return False
    is_there = wanted.confinement.level != "none" or ready.cwd == wanted.cwd
    return wanted.spec.language == "python" or (is_there and not changed)


def settling_code(ready: Document, wanted: Document) -> str:
    """Leaves no name behind in the user's namespace (L5). Empty for a language that we cannot write."""
    if wanted.spec.language != "python":
        return ""
    before, after = _environments(ready, wanted)
    variables = {name: value for name, value in after.items() if before.get(name) != value}
    folder = str(wanted.cwd) if wanted.confinement.level == "none" else ""
    return f"exec({_SETTLE.format(variables=variables, folder=folder)!r}, {{}})"


def make_room(ready: Path, wanted: Path) -> bool:
    """Moves a sandboxed kernel's folder, with the kernel in it, to where it is wanted: nothing may be there yet."""
    try:
        ready.rename(wanted)  # over a folder that is empty, and no other
    except OSError:
        return False
    return True


def _environments(ready: Document, wanted: Document) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return ready.spec.environment(ready.environment), wanted.spec.environment(wanted.environment)
