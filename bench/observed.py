"""The document server with a window: each line on its input is answered with one line of JSON about what is in it.

usage: python -m bench.observed [--trace] ARGUMENTS OF collab
With `--trace` the line also names where memory was allocated since the first question; that makes the server slow.
"""

import asyncio
import gc
import json
import sys
import threading
import tracemalloc

from collab.cli import main

_SHOWN = 25


def tasks() -> int:
    """Of all event loops; asyncio's own count is for the thread of a loop."""
    for _ in range(1000):
        try:
            return sum(not task.done() for task in list(asyncio.tasks._all_tasks))  # type: ignore[attr-defined]
        except RuntimeError:  # the set changed meanwhile
            continue
    raise RuntimeError("The tasks change too fast to be counted.")


def grown(before: tracemalloc.Snapshot) -> list[str]:
    found = tracemalloc.take_snapshot().compare_to(before, "traceback")
    return [
        f"{item.size_diff:+} bytes, {item.count_diff:+} of {' < '.join(map(str, reversed(item.traceback)))}"
        for item in found[:_SHOWN]
    ]


def answer(traced: bool) -> None:
    before = None
    for _ in sys.stdin:
        said: dict[str, object] = {"tasks": tasks(), "threads": threading.active_count()}
        if traced:
            gc.collect()
            said["traced"] = tracemalloc.get_traced_memory()[0]
            said["grown"] = [] if before is None else grown(before)
            before = before or tracemalloc.take_snapshot()
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    trace = sys.argv[1:2] == ["--trace"]
    if trace:
        tracemalloc.start(4)
    threading.Thread(target=answer, args=(trace,), daemon=True).start()
    main(sys.argv[1 + trace :])
