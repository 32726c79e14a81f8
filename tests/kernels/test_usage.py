"""What a kernel uses: its whole tree of processes, its folder, and what of that is kept (kernels.md section 15)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kernelhost import tree
from kernelhost.disk import folder_bytes
from kernelhost.history import KEPT_S, MAX_RECENT, MAX_THINNED, History
from kernelhost.tree import Member, members
from kernelhost.usage import DISK_EVERY_S, GpuUsage, Report, Sampler, Usage, report_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MB = 1 << 20

# A parent with 40 MB, a thread of whose has a child with 60 MB, which has a child.
FAMILY = """
import subprocess, sys, threading
sleeper = "print('ready', flush=True); input()"
child = f"import subprocess, sys; full = b'1' * (60 << 20); subprocess.run([sys.executable, '-c', {sleeper!r}])"
full = b"1" * (40 << 20)
thread = threading.Thread(target=lambda: subprocess.run([sys.executable, "-c", child]))
thread.start()
thread.join()
"""


@contextmanager
def running(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """Until it has said something; it ends when its input does."""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def by_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_LISTS_CHILDREN", False)


@pytest.mark.parametrize("way", ["proc", "psutil"])
def test_the_whole_tree_of_processes_counts(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "psutil":
        by_psutil(monkeypatch)
    with running(FAMILY) as process:
        found = members([process.pid])
        assert found[0].pid == process.pid
        assert len(found) == 3
        assert 100 * MB < sum(member.memory_bytes for member in found) < 250 * MB
        assert members([process.pid, found[1].pid, found[2].pid]) == found
    assert members([process.pid]) == []


def test_a_fork_bomb_is_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_PROCESSES", 2)
    with running(FAMILY) as process:
        assert len(members([process.pid])) == 2


class Cage:
    """A cgroup that counts by itself, and holds a process that left the tree."""

    def __init__(self, pids: tuple[int, ...], memory: int, cpu_s: float) -> None:
        self.here, self.used, self.cpu_s = pids, memory, cpu_s

    def pids(self) -> tuple[int, ...]:
        return self.here

    def memory(self) -> int:
        return self.used

    def cpu_seconds(self) -> float:
        return self.cpu_s


def test_processor_time_is_a_percentage_of_one_core_since_the_sample_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = [0.0]
    monkeypatch.setattr("kernelhost.usage.members", lambda pids: [Member(1, spent[0], 5), Member(2, 1.0, 7)])
    sampler = Sampler(1, tmp_path, 100.0)
    spent[0] = 1.0
    assert sampler.sample(110.0, NOW, "r").usage == Usage(NOW, 20.0, 12, 2, None, (), "r")
    spent[0] = 4.0
    assert sampler.sample(112.0, NOW).usage == Usage(NOW, 150.0, 12, 2, None, (), None)
    spent[0] = 0.0  # a child ended that nobody waited for
    assert sampler.sample(113.0, NOW).usage.cpu_percent == 0.0
    assert sampler.sample(113.0, NOW) == Report(Usage(NOW, 0.0, 12, 2), (1, 2))
    # A cage that does not count processor time.
    assert Sampler(1, tmp_path, 0.0, Cage((1, 2), 77, 0.0)).sample(10.0, NOW).usage == Usage(NOW, 10.0, 77, 2)


def test_a_cages_numbers_go_before_the_sum_of_the_tree(tmp_path: Path) -> None:
    with running("print(1, flush=True); input()") as inside, running("print(1, flush=True); input()") as left:
        cage = Cage((inside.pid, left.pid), 77, 3.0)
        report = Sampler(inside.pid, tmp_path, 0.0, cage).sample(10.0, NOW)
        assert report == Report(Usage(NOW, 30.0, 77, 2), (inside.pid, left.pid))


@pytest.mark.parametrize(("id", "told"), [("a" * 200, True), ("a" * 201, False), ("\ud800", False), ("é", True)])
def test_a_request_is_named_unless_its_id_is_outlandish(id: str, told: bool, tmp_path: Path) -> None:
    """Clients choose ids: one that is no text would break every list that it is in, a huge one be kept 300 times."""
    usage = Sampler(os.getpid(), tmp_path, 0.0).sample(1.0, NOW, id).usage
    assert usage.request == (id if told else None)


def test_a_report_survives_the_way_from_the_host() -> None:
    report = Report(Usage(NOW, 12.5, 1, 2, 3, (GpuUsage("GPU-1", 5, None),), "id"), (1, 2), 3, 4, 5)
    assert report_of(report.json()) == report


@pytest.mark.anyio
async def test_the_disk_is_walked_now_and_then_and_seldom_where_it_takes_long(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1" * 100_000)
    sampler = Sampler(os.getpid(), tmp_path, 0.0)
    assert sampler.disk_is_due(0.0)
    times = iter([10.0, 11.0, 50.0, 60.0])
    await sampler.measure_disk(lambda: next(times))
    disk = sampler.sample(11.0, NOW).usage.disk_bytes
    assert disk is not None
    assert disk >= 100_000
    assert not sampler.disk_is_due(11.0 + DISK_EVERY_S - 1)
    assert sampler.disk_is_due(11.0 + DISK_EVERY_S)
    await sampler.measure_disk(lambda: next(times))  # which took ten seconds
    assert (sampler.disk_is_due(259.0), sampler.disk_is_due(260.0)) == (False, True)


@pytest.mark.anyio
async def test_a_process_that_moves_has_another_folder_and_no_sudden_load(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1" * 100_000)
    sampler = Sampler(os.getpid(), tmp_path, 0.0, Cage((1,), 77, 5.0))
    assert sampler.sample(100.0, NOW).usage.cpu_percent == 5.0
    await sampler.measure_disk(lambda: 100.0)
    sampler.move(tmp_path / "other")
    assert sampler.sample(101.0, NOW).usage == Usage(NOW, 0.0, 77, 1)
    assert sampler.disk_is_due(101.0)
    await sampler.measure_disk(lambda: 101.0)
    assert sampler.sample(102.0, NOW).usage.disk_bytes == 0


def test_a_folder_is_counted_as_du_does(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").write_bytes(b"1" * 1_000_000)
    os.link(folder / "below" / "file", folder / "again")
    (tmp_path / "outside").write_bytes(b"1" * 5_000_000)
    (folder / "link").symlink_to(tmp_path)
    (folder / "round").symlink_to(folder)
    with (folder / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    found = folder_bytes(folder)
    assert found is not None
    assert 1_000_000 <= found < 2_000_000
    assert folder_bytes(folder, max_entries=3) is None
    assert folder_bytes(tmp_path / "gone") == 0


def test_an_hour_is_kept_and_what_is_old_is_thinned() -> None:
    history = History()
    for second in range(2 * KEPT_S):
        history.add(Usage(NOW + timedelta(seconds=second), second % 2 * 100.0, second, 1, request=f"{second // 60}"))
    samples = history.samples()
    newest = NOW + timedelta(seconds=2 * KEPT_S - 1)
    assert samples[-1].at == newest
    assert [sample.at for sample in samples] == sorted({sample.at for sample in samples})
    assert timedelta(seconds=KEPT_S - 60) <= newest - samples[0].at <= timedelta(seconds=KEPT_S)
    assert len(samples) <= 61 + 15 + MAX_THINNED
    older = samples[10]
    # Of 15 samples: the mean of a rate, the peak of what hits a limit.
    assert 40 <= older.cpu_percent <= 60
    assert older.memory_bytes == (older.at - NOW).total_seconds()
    assert older.request == f"{older.memory_bytes // 60}"


def test_samples_that_come_faster_than_the_clock_stay_within_the_bound() -> None:
    history = History()
    for number in range(5_000):
        history.add(Usage(NOW, 1.0, number, 1))
    assert len(history) <= 2 * MAX_RECENT + 1
    assert history.last == Usage(NOW, 1.0, 4_999, 1)
    assert max(sample.memory_bytes for sample in history.samples()[:-MAX_RECENT]) == 4_999 - MAX_RECENT


def test_the_peak_of_each_gpu_is_kept() -> None:
    history = History()
    for second in range(120):
        gpus = (GpuUsage("a", 1_000 - second, 5.0), GpuUsage("b", second, None))
        history.add(Usage(NOW + timedelta(seconds=second), 0.0, 1, 1, gpus=gpus))
    assert history.samples()[0].gpus == (GpuUsage("a", 1_000, 5.0), GpuUsage("b", 14, None))


def test_the_mean_load_is_of_recent_samples_alone() -> None:
    history = History()
    for second, percent in enumerate([100.0, 100.0, 2.0, 4.0]):
        history.add(Usage(NOW + timedelta(seconds=second * 5), percent, 1, 1))
    now_s = NOW.timestamp() + 15
    assert history.cpu_percent(now_s, 5) == 3.0
    assert history.cpu_percent(now_s, 10) == pytest.approx(106 / 3)
    assert history.cpu_percent(now_s + 60, 10) == 0.0
