"""Storage that stays: a folder of the notebook's own, kept when the runtime is reset, mounted under the familiar names.

It is a folder like any other: nothing is copied, nothing times out, however many files are in it.
"""

import os

_STORE = ".drive"  # in the working folder; what resets a runtime leaves it in place
_NAME = "My Drive"

_mounted = []


def mount(mountpoint, force_remount=False, timeout_ms=120000, readonly=False):
    """From now on the storage is at `mountpoint/My Drive`, and `mountpoint/MyDrive` too."""
    store = _store()
    mountpoint = os.path.abspath(os.path.expanduser(mountpoint))
    if " " in mountpoint:
        raise ValueError("The mount point has a space in it; choose a path without one.")
    try:
        os.makedirs(store, exist_ok=True)
        os.makedirs(mountpoint, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"{mountpoint} cannot be used as a mount point here: {error.strerror}; choose one in {_home()}."
        ) from error
    links = [os.path.join(mountpoint, name) for name in (_NAME, "MyDrive")]
    others = [name for name in os.listdir(mountpoint) if os.path.join(mountpoint, name) not in links]
    if others:
        raise ValueError(f"{mountpoint} holds other files already; choose an empty folder.")
    is_there = all(os.path.islink(link) and os.path.realpath(link) == os.path.realpath(store) for link in links)
    if is_there and not force_remount:
        _note(mountpoint)
        again = f"drive.mount({mountpoint!r}, force_remount=True)"
        print(f"Drive already mounted at {mountpoint}; to mount it again, call {again}.")
        return
    for link in links:
        if os.path.lexists(link):
            _remove(link)
        os.symlink(store, link)
    _note(mountpoint)
    print(f"Mounted at {mountpoint}")


def flush_and_unmount(timeout_ms=86400000):
    """What was written is on the disk when this returns; the storage is under no name any more."""
    store = _store()
    for mountpoint in _mounted:
        for name in (_NAME, "MyDrive"):
            link = os.path.join(mountpoint, name)
            if os.path.islink(link) and os.path.realpath(link) == os.path.realpath(store):
                os.unlink(link)
    _mounted.clear()
    os.sync()


def _note(mountpoint):
    if mountpoint not in _mounted:
        _mounted.append(mountpoint)


def _home():
    """The folder that the kernel began in, wherever the notebook went since."""
    from IPython import get_ipython

    return getattr(get_ipython(), "starting_dir", None) or os.getcwd()


def _store():
    return os.path.join(_home(), _STORE)


def _remove(path):
    if os.path.islink(path):
        os.unlink(path)
        return
    try:
        os.rmdir(path)
    except OSError as error:
        raise ValueError(f"{path} is in the way and not empty; move it elsewhere first.") from error
