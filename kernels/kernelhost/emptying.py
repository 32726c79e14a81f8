"""Empties a folder that hostile code may have filled: no link is followed, nothing outside of it is touched.

Every step goes by an open folder, never by a path, so that nothing can be swapped underneath. What the owner may not
enter is opened up first; what is nested deeper than a stack or the open files allow is moved up and emptied there.
"""

import os
import stat
import time
from pathlib import Path
from typing import Final

_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_DEPTH: Final = 64
_WITHIN_S: Final = 60.0


# What `google.colab.drive` keeps in a working folder: it outlives a reset, as what it stands for does.
KEPT: Final = ".drive"


class NotEmptied(Exception):
    """The message is a sentence that names the remedy."""


def empty_folder(root: Path, folder: Path, within_s: float = _WITHIN_S) -> None:
    """Removes all there is in `folder` but the folder KEPT; `folder` is below `root` and stays, and is made if it is
    gone. Raises NotEmptied."""
    try:
        names = folder.relative_to(root).parts
    except ValueError:
        names = ()
    if not names or ".." in names:
        raise NotEmptied("The gateway's own folder is not emptied; give the kernel a folder of its own with a path.")
    try:
        descriptor = _open_below(root, names)
    except OSError as error:
        raise NotEmptied(f"The folder {names[-1]} cannot be opened: {error.strerror}; remove it by hand.") from error
    deadline = time.monotonic() + within_s
    try:
        # More than once: what was moved up, and what processes that the kernel left behind still write.
        while True:
            _clear(descriptor, descriptor, 0)
            if all(_is_kept(name, descriptor) for name in os.listdir(descriptor)):
                return
            if time.monotonic() > deadline:
                raise NotEmptied(f"The folder {names[-1]} fills again while it is emptied; end what writes into it.")
    except OSError as error:
        raise NotEmptied(f"The folder {names[-1]} cannot be emptied: {error.strerror}; remove it by hand.") from error
    finally:
        os.close(descriptor)


def _open_below(root: Path, names: tuple[str, ...]) -> int:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in names:
        try:
            try:
                below = os.open(name, _OPEN, dir_fd=descriptor)
            except FileNotFoundError:
                os.mkdir(name, dir_fd=descriptor)
                below = os.open(name, _OPEN, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _clear(descriptor: int, top: int, depth: int) -> None:
    _permit(descriptor)
    for name in os.listdir(descriptor):
        if descriptor == top and _is_kept(name, top):
            continue
        try:
            if not stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=descriptor)
            elif depth >= _MAX_DEPTH:
                _permit_by_name(name, descriptor)
                os.rename(name, f".emptied-{os.urandom(8).hex()}", src_dir_fd=descriptor, dst_dir_fd=top)
            else:
                _remove(name, descriptor, top, depth)
        except (FileNotFoundError, NotADirectoryError):
            continue  # another process was quicker


def _remove(name: str, parent: int, top: int, depth: int) -> None:
    try:
        descriptor = os.open(name, _OPEN, dir_fd=parent)
    except PermissionError:
        _permit_by_name(name, parent)
        descriptor = os.open(name, _OPEN, dir_fd=parent)
    try:
        _clear(descriptor, top, depth + 1)
    finally:
        os.close(descriptor)
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError:
        if not _is_folder(name, parent):
            raise
        # Something was put into it meanwhile; the next round sees to it.


def _permit(descriptor: int) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(descriptor, mode | stat.S_IRWXU)


def _permit_by_name(name: str, parent: int) -> None:
    """Of what cannot be opened, and may have become a link since it was looked at."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            os.chmod(f"/proc/self/fd/{handle}", stat.S_IRWXU)
    finally:
        os.close(handle)


def _is_kept(name: str, top: int) -> bool:
    return name == KEPT and _is_folder(name, top)


def _is_folder(name: str, parent: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False
