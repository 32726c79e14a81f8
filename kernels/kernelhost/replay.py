"""A Journal in the temp folder; see journal.py and reader.py."""

import secrets
import tempfile
from pathlib import Path

from kernelhost.journal import MAX_BYTES, Journal
from kernelhost.reader import Overtaken, Reader

__all__ = ["MAX_BYTES", "Overtaken", "Reader", "Replay"]


def Replay(max_bytes: int = MAX_BYTES) -> Journal:
    return Journal(Path(tempfile.gettempdir()) / f"journal-{secrets.token_hex(8)}", max_bytes)
