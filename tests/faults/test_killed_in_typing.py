"""kill -9 of the document server while two people type: whatever was acknowledged is in the export."""

import random
import re
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.faults.server import MortalServer, mortal_server
from tests.support.watcher import Watcher

pytestmark = pytest.mark.slow

WORD = re.compile(r"\[(\w+) (\d+)\]")


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_was_acknowledged_is_in_the_export(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    with mortal_server(tmp_path) as server:
        id = server.notebook("", "")
        promised: set[tuple[str, int]] = set()
        for life in range(4):
            promised |= type_until_killed(server, id, life, rng)
            server.start()
            found = [
                (word, int(number))
                for cell in server.exported(id)
                for word, number in WORD.findall("".join(cell["source"]))
            ]
            assert promised <= set(found)
            assert len(found) == len(set(found))


def type_until_killed(server: MortalServer, id: str, life: int, rng: random.Random) -> set[tuple[str, int]]:
    """The words that were acknowledged. Nobody waits for anything while typing; the kill comes in its middle."""
    last = rng.randrange(20, 120)
    with server.watch(id) as one, server.watch(id) as other:
        tabs = {f"one{life}": one, f"other{life}": other}
        # Each word is one frame; those before typing are the answers to the server's own questions.
        began = {name: tab.sent for name, tab in tabs.items()}
        for number in range(last):
            for name, tab in tabs.items():
                tab.write(rng.choice("ab"), f"[{name} {number}]")
        acknowledged_some(one, began[f"one{life}"], rng.randrange(1, last))
        server.kill()
        promised = set()
        for name, tab in tabs.items():
            drain(tab)
            promised |= {(name, number) for number in range(tab.acknowledged - began[name])}
        return promised


def acknowledged_some(tab: Watcher, began: int, words: int) -> None:
    tab.until(lambda: tab.acknowledged >= began + words)


def drain(tab: Watcher) -> None:
    """What was on its way when the server died."""
    try:
        tab.until(lambda: False)
    except (ConnectionClosed, TimeoutError):
        pass
