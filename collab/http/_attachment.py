"""Headers under which bytes that users made may leave the page's host (outputs.md C6)."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

_MAX_STEM_BYTES: Final = 180  # file systems take 255 for a whole name
_FORBIDDEN: Final = re.compile(r'[/\\:*?"<>|]')  # by one file system or another
_JOINERS: Final = "\u200c\u200d"  # within words of some scripts and within emoji


def attachment(stem: str, ending: str = "") -> dict[str, str]:
    """The name is what its author chose as far as every file system and every reader's eye may have it (A9)."""
    name = (_fitting(stem) or "untitled") + ending
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", name)
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox",
    }


def _fitting(stem: str) -> str:
    """Without control characters and those that change the direction of writing."""
    visible = "".join(char for char in stem if char in _JOINERS or unicodedata.category(char)[0] != "C")
    single = " ".join(_FORBIDDEN.sub("_", visible).split())
    return single.encode()[:_MAX_STEM_BYTES].decode(errors="ignore").strip(" .")
