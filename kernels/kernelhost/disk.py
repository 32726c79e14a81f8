"""How much of the disk a folder takes: a walk with a bound, as `du` would count it."""

import os
from pathlib import Path
from typing import Final

MAX_ENTRIES: Final = 100_000


def folder_bytes(folder: Path, max_entries: int = MAX_ENTRIES) -> int | None:
    """Follows no link and stays on its file system; a file with several names counts once. None when there are more
    than `max_entries`: part of a sum would be a wrong number."""
    total = entries = 0
    seen: set[int] = set()
    try:
        device = folder.stat().st_dev
    except OSError:
        return 0
    left = [os.fspath(folder)]
    while left:
        try:
            listing = os.scandir(left.pop())
        except OSError:
            continue  # it is gone, or not ours to read
        with listing:
            for entry in listing:
                entries += 1
                if entries > max_entries:
                    return None
                try:
                    about = entry.stat(follow_symlinks=False)
                    is_folder = entry.is_dir(follow_symlinks=False)
                except OSError:
                    continue
                if about.st_dev != device:
                    continue
                if is_folder:
                    left.append(entry.path)
                elif about.st_nlink > 1:
                    if about.st_ino in seen:
                        continue
                    seen.add(about.st_ino)
                total += about.st_blocks * 512
    return total
