"""The power goes at any moment: whatever was acknowledged by then is in the database that is left.

A preloaded layer records every write and sync of a real Store. Each cut is replayed from that record: with all that
was written (a killed program), with only what was synced (a cut at its worst), and with a random part of the rest,
sectors torn, as disks write what they hold in any order.
"""

import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from collab.store import _log
from tests.faults.writing import ID, payload, snapshot

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).resolve().parents[2]
UPDATES: Final = 40
_HEAD: Final = struct.Struct("=cIQI")
_SECTOR: Final = 512


@dataclass(frozen=True)
class Step:
    kind: str
    name: str
    at: int
    data: bytes


@dataclass
class Disk:
    """One file: what is on the disk for certain, and the writes since."""

    certain: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)

    def sync(self) -> None:
        for at, data in self.pending:
            _put(self.certain, at, data)
        self.pending = []


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and Linux")
    folder = tmp_path_factory.mktemp("power")
    library, data, record = folder / "recorder.so", folder / "data", folder / "record"
    data.mkdir()
    source = Path(__file__).with_name("recorder.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    subprocess.run(
        [sys.executable, "-m", "tests.faults.writing", str(data), str(UPDATES)],
        check=True,
        cwd=ROOT,
        env=os.environ | {"LD_PRELOAD": str(library), "RECORD_FOLDER": str(data), "RECORD_FILE": str(record)},
    )
    return list(_steps(record.read_bytes()))


def _steps(record: bytes) -> Iterator[Step]:
    at = 0
    while at < len(record):
        kind, path, offset, size = _HEAD.unpack_from(record, at)
        at += _HEAD.size
        name = Path(record[at : at + path].decode()).name
        at += path
        yield Step(kind.decode(), name, offset, record[at : at + size])
        at += size


def cuts(steps: list[Step]) -> Iterator[tuple[dict[str, Disk], int]]:
    """What was on the disk at each step, and the last number that was acknowledged by then (-1 for none)."""
    disks: dict[str, Disk] = {}
    acknowledged = -1
    for step in steps:
        if step.name == "acknowledged":
            acknowledged = int(step.data)
            continue
        disk = disks.setdefault(step.name, Disk())
        match step.kind:
            case "w":
                disk.pending.append((step.at, step.data))
            case "s":
                disk.sync()
            case "t":  # a length is kept at once or not at all; both are tried by cutting before it and after
                disk.sync()
                del disk.certain[step.at :]
                disk.certain.extend(bytes(step.at - len(disk.certain)))
            case "u":
                disks.pop(step.name)
        yield disks, acknowledged


def left(disk: Disk, rng: random.Random | None, everything: bool) -> bytes:
    content = bytearray(disk.certain)
    for at, data in disk.pending:
        if everything:
            _put(content, at, data)
        elif rng is not None:
            for start in range(0, len(data), _SECTOR):
                if rng.random() < 0.5:
                    _put(content, at + start, data[start : start + _SECTOR])
    return bytes(content)


def kept(folder: Path) -> list[int]:
    """The numbers of the updates in the database, which is opened as after a crash."""
    with closing(sqlite3.connect(folder / "collab.sqlite", isolation_level=None)) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'snapshots'").fetchone() is None:
            return []
        if db.execute("SELECT 1 FROM notebooks").fetchone() is None:
            return []
        assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
        log = _log.load(db, ID)
    numbers: list[int] = []
    if log.has_snapshot:
        numbers = [int(number) for number in log.updates[0].removeprefix(b"up to ").split()]
        assert log.updates[0] == snapshot(tuple(b"%d:" % number for number in numbers))
    for update in log.tail:
        numbers.append(int(update.partition(b":")[0]))
        assert update == payload(numbers[-1])
    return numbers


@pytest.mark.parametrize("what", ["killed", "only what was synced", 1, 2])
def test_every_acknowledged_update_is_there_after_every_cut(
    recorded: list[Step], what: str | int, tmp_path: Path
) -> None:
    rng = random.Random(what) if isinstance(what, int) else None
    checked = 0
    for disks, acknowledged in cuts(recorded):
        for file in tmp_path.iterdir():
            file.unlink()
        for name, disk in disks.items():
            if not name.endswith("-shm"):  # made anew from the write-ahead log
                (tmp_path / name).write_bytes(left(disk, rng, everything=what == "killed"))
        if "collab.sqlite" not in disks:
            continue
        numbers = kept(tmp_path)
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > acknowledged, f"{acknowledged} was acknowledged, {len(numbers) - 1} is the last there is"
        checked += 1
    checkpoints = sum(step.kind == "s" and step.name == "collab.sqlite" for step in recorded)
    assert checked > 3 * UPDATES
    assert checkpoints > 3
