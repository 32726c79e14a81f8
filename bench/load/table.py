"""What was measured as a table: medians over rounds, ratios of rounds that were paired, and the goals."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

OURS: Final = "collab"


@dataclass(frozen=True, slots=True)
class Goal:
    """`ratio`: of ours to that peer's, at most; at least where more is better. Without a peer, of the value itself;
    `*` is the best of them."""

    peer: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Line:
    what: str
    unit: str
    values: dict[str, list[float]]  # by server, one a round
    goals: tuple[Goal, ...] = ()
    more_is_better: bool = False
    places: int = 2


@dataclass(slots=True)
class Table:
    servers: tuple[str, ...]
    lines: list[Line] = field(default_factory=list)

    def text(self) -> str:
        heads = ("", *self.servers, *(f"/ {_short(peer)}" for peer in self.servers[1:]), "goal")
        return _aligned([heads, *(self._row(line) for line in self.lines)])

    def markdown(self) -> str:
        heads = ("", *self.servers, "ours to theirs", "goal")
        rows = [heads, tuple("---" for _ in heads)]
        for line in self.lines:
            cells = self._row(line)
            ratios = [
                f"{ratio} {_short(peer)}"
                for peer, ratio in zip(self.servers[1:], cells[len(self.servers) + 1 : -1], strict=True)
                if ratio
            ]
            rows.append((*cells[: len(self.servers) + 1], ", ".join(ratios), cells[-1]))
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def _row(self, line: Line) -> tuple[str, ...]:
        values = [_shown(line.values.get(name), line) for name in self.servers]
        ratios = [_ratio(line, peer) for peer in self.servers[1:]]
        told = ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        return (f"{line.what}{f', {line.unit}' if line.unit else ''}", *values, *told, _verdict(line))


def _shown(values: list[float] | None, line: Line) -> str:
    return "" if not values else f"{statistics.median(values):,.{line.places}f}"


def _ratio(line: Line, peer: str) -> float | None:
    """The median of the ratios of rounds: what a machine does meanwhile falls on both."""
    ours, theirs = line.values.get(OURS), line.values.get(peer)
    if not ours or not theirs or not all(theirs):
        return None
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=False))


def _verdict(line: Line) -> str:
    told = []
    for goal in line.goals:
        value = _value(line, goal)
        if value is None:
            continue
        reached = value >= goal.ratio if line.more_is_better else value <= goal.ratio
        sign = "≥" if line.more_is_better else "≤"
        whose = {"": "", "*": " best"}.get(goal.peer, f" {_short(goal.peer)}")
        told.append(f"{'✓' if reached else '✗'} {sign} {goal.ratio:g}{whose}")
    return ", ".join(told)


def _value(line: Line, goal: Goal) -> float | None:
    if not goal.peer:
        return statistics.median(line.values[OURS]) if line.values.get(OURS) else None
    if goal.peer == "*":
        ratios = [_ratio(line, peer) for peer in line.values if peer != OURS]
        known = [ratio for ratio in ratios if ratio is not None]
        return (min(known) if line.more_is_better else max(known)) if known else None
    return _ratio(line, goal.peer)


def _short(name: str) -> str:
    return name.replace("@y/websocket-server", "y").replace("-websocket", "").replace("-collaboration", "")


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    )
