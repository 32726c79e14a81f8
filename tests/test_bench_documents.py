"""That the benchmark of documents measures ours, with little of each; the peers beside it need not be installed."""

import asyncio
from pathlib import Path

import pytest

from bench.load import content
from bench.load.cursors import cursors
from bench.load.fan_out import fan_out
from bench.load.joining import joining, storm
from bench.load.killing import lost_by_kill
from bench.load.many_rooms import many_rooms
from bench.load.saturation import holds
from bench.load.table import Goal, Line, Table
from bench.peers.document_servers import Collab

pytestmark = pytest.mark.anyio


@pytest.mark.timeout(240)
async def test_every_scenario_comes_to_an_end_with_ours_and_nothing_is_lost(tmp_path: Path) -> None:
    async with Collab(tmp_path).running() as server:
        crowd = await fan_out(server, people=3, rate=50, seconds=0.2)
        assert crowd.lost == 0
        assert 0 < crowd.p50_ms <= crowd.p99_ms
        assert crowd.rss_mb > 10
        await holds(server, people=3, rate=50, seconds=0.2)  # whether it does is for a quiet machine
        assert (await many_rooms(server, count=2, seconds=0.5)).lost == 0
        assert (await cursors(server, people=2, rate=5, seconds=0.4)).seen_percent > 0
        (room,) = await asyncio.to_thread(server.rooms, 1)
        cells = content.cells(server.schema, 60)
        await content.fill(server, room, cells)
        again = await storm(server, room, cells, people=3)
        assert min(again.resume_ms, again.fresh_ms) > 0
        opened = await joining(server, room)
        assert min(opened.cold_ms, opened.warm_ms) > 0
        assert not await lost_by_kill(server, 0)


def test_a_table_tells_ratios_of_paired_rounds_and_which_goals_are_reached() -> None:
    took = {"collab": [1.0, 2.0, 9.0], "one": [2.0, 4.0, 3.0], "other": [1.0, 1.0, 9.0]}
    lines = [Line("p50", "ms", took, (Goal("one", 0.5), Goal("*", 1.0), Goal("absent", 1.0)))]
    lines.append(Line("edits", "", {"collab": [8.0], "one": [2.0]}, (Goal("one", 4.5),), more_is_better=True, places=0))
    table = Table(("collab", "one", "other"), lines)
    assert table.markdown().splitlines() == [
        "|  | collab | one | other | ours to theirs | goal |",
        "| --- | --- | --- | --- | --- | --- |",
        "| p50, ms | 2.00 | 3.00 | 1.00 | 0.50 one, 1.00 other | ✓ ≤ 0.5 one, ✓ ≤ 1 best |",
        "| edits | 8 | 2 |  | 4.00 one | ✗ ≥ 4.5 one |",
    ]
    assert [line.split() for line in table.text().splitlines()][1][:6] == ["p50,", "ms", "2.00", "3.00", "1.00", "0.50"]
