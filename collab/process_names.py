"""Which process of a kernel is speaking, on servers that count no restarts: each names itself in its messages' headers.

Pure; who asks a kernel for its name, when none is known, is `jupyter_runtime`.
"""

from collections import OrderedDict
from typing import Final

from collab.runtime import KernelMessage

# Begins a name that we made up, as the process did not say its own in time.
MADE_UP: Final = "?"
_MAX_RETIRED: Final = 1_000


class ProcessNames:
    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._heard: dict[str, str] = {}  # what processes with made-up names call themselves
        self._retired: OrderedDict[str, None] = OrderedDict()

    def clear(self) -> None:
        self._names.clear()
        self._heard.clear()
        self._retired.clear()

    def of(self, kernel: str) -> str:
        """Empty when it is not known."""
        return self._names.get(kernel, "")

    def set(self, kernel: str, name: str) -> str:
        self._names[kernel] = name
        return name

    def retire(self, kernel: str) -> None:
        """The process is to end: what it still says is no news."""
        for names in (self._names, self._heard):
            if name := names.pop(kernel, ""):
                self._retired[name] = None
        while len(self._retired) > _MAX_RETIRED:
            self._retired.popitem(last=False)

    def is_news(self, kernel: str, message: KernelMessage) -> bool:
        """Whether it comes from a process that we did not know: somebody else restarted the kernel. Then that one is
        known from now on. Only a status with a parent is surely the kernel's own word."""
        speaker, known = str(message.header.get("session", "")), self.of(kernel)
        if not known or not speaker or message.type != "status" or not message.parent:
            return False
        if known.startswith(MADE_UP):
            known = self._heard.setdefault(kernel, speaker)
        if speaker == known or speaker in self._retired:
            return False
        self.retire(kernel)
        self.set(kernel, speaker)
        return True
