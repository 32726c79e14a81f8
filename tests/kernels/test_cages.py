"""What holds a kernel's processes: each driver that is real here, the others on trees of files (kernels.md X19)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernelhost.cages import cgroups
from kernelhost.cages.cage import Cage, entry, holders, open_cage
from kernelhost.cages.cgroup1 import Cgroup1
from kernelhost.cages.cgroup2 import Cgroup2
from kernelhost.cages.cgroups import REAL, CannotCage, Tree, kill_group, read_pids
from kernelhost.cages.rlimits import Rlimits
from kernelhost.limits import GIB, MIB, Limits

from tests.kernels.client import eventually, is_alive
from tests.support.cgroups import v1_tree, v2_tree

LIMITS = Limits(memory_bytes=GIB, cpus=1.5, processes=64, files=256)
# A child in a session of its own, whose parent is gone: neither group nor tree leads to it.
DAEMON = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.execvp("sleep", ["sleep", "600"])
    os._exit(0)
os.wait()
sys.stdin.read()
"""


def is_v1_writable() -> bool:
    try:
        Cgroup1("probe", Limits()).close()
    except CannotCage:
        return False
    return True


needs_v1 = pytest.mark.skipif(not is_v1_writable(), reason="needs root and control groups of version 1")


@pytest.fixture
def cage() -> Iterator[Cage]:
    cage = Cgroup1("test", LIMITS)
    yield cage
    cage.close()


def run_in(cage: Cage, code: str, limits: Limits = LIMITS) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*entry(cage, limits), sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# -- version 1 --------------------------------------------------------------------------------------------------------


@needs_v1
def test_x19_v1_its_children_are_in_and_we_are_not(cage: Cage) -> None:
    with run_in(cage, "import os; os.system('sleep 0'); print(os.getpid(), flush=True); input()") as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        assert cage.pids() == [process.pid]
        assert cage.memory() > MIB
        assert cage.cpu_seconds() > 0
        process.communicate("\n")
    assert os.getpid() not in cage.pids()


@needs_v1
@pytest.mark.parametrize("group", ["own", "with the kill file"])
def test_x17_v1_daemons_are_killed_with_it(cage: Cage, group: str) -> None:
    with run_in(cage, DAEMON) as process:
        assert process.stdout is not None
        daemon = int(process.stdout.readline())
        assert daemon in cage.pids()
        cage.kill()
        process.wait()
    assert not is_alive(daemon)
    cage.close()
    assert list(Path("/sys/fs/cgroup").glob(f"*/**/{cgroups.group_name('test')}")) == []


@needs_v1
def test_m1_v1_a_memory_bomb_is_counted(cage: Cage) -> None:
    cage.apply(Limits(memory_bytes=100 * MIB))
    with run_in(cage, "kept = [bytearray(1_000_000) for _ in range(400)]") as process:
        process.communicate()
    assert (process.returncode, cage.oom_kills()) == (-9, 1)
    assert 90 * MIB < cage.peak_memory() <= 100 * MIB


@needs_v1
def test_v1_a_fork_bomb_is_refused_and_counted(cage: Cage) -> None:
    bomb = "import os\ntry:\n  while True: os.fork() or os.pause()\nexcept OSError as error: print(error)"
    with run_in(cage, bomb.replace("os.pause", "__import__('signal').pause")) as process:
        assert process.stdout is not None
        assert "temporarily unavailable" in process.stdout.readline()
        assert cage.refused_forks() >= 1
        assert len(cage.pids()) <= 64
        cage.kill()


@needs_v1
def test_v1_what_a_killed_host_left_is_cleared_by_the_next(cage: Cage) -> None:
    code = """
import os, subprocess, sys
from kernelhost.cages.cage import entry
from kernelhost.cages.cgroup1 import Cgroup1
from kernelhost.limits import Limits
cage = Cgroup1("left", Limits())
child = subprocess.Popen([*entry(cage, Limits()), "sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while child.pid not in cage.pids(): pass
print(child.pid, *(str(file.parent) for file in cage.procs), flush=True)
os.kill(os.getpid(), 9)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=python_path())
    pid, *groups = ran.stdout.split()
    assert is_alive(int(pid))
    Cgroup1("next", Limits()).close()
    eventually(lambda: not is_alive(int(pid)), "the kernel that was left is killed")
    assert [group for group in groups if Path(group).exists()] == []


def python_path() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_v1_on_files_says_its_limits_and_reads_its_counters(tmp_path: Path) -> None:
    tree = v1_tree(tmp_path)
    cage = Cgroup1("k", LIMITS, tree)
    groups = {file.parent.parent.name: file.parent for file in cage.procs}
    assert [
        (groups["memory"] / "memory.limit_in_bytes").read_text(),
        (groups["pids"] / "pids.max").read_text(),
        (groups["cpu"] / "cpu.cfs_quota_us").read_text(),
    ] == [str(GIB), "64", "150000"]
    group = groups["memory"]
    (group / "memory.usage_in_bytes").write_text("500")
    (group / "memory.stat").write_text("cache 450\ntotal_inactive_file 400\n")
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert (cage.memory(), cage.oom_kills(), cage.cpu_seconds()) == (100, 3, 0.0)
    assert holders(cage)["memory_bytes"] == "cgroup v1"
    cage.close()
    assert not list(tree.root.glob("*/kernelhost-*"))


# -- version 2 --------------------------------------------------------------------------------------------------------


def test_x19_v2_we_move_into_a_leaf_and_kernels_get_groups_beside_it(tmp_path: Path) -> None:
    tree = v2_tree(tmp_path)
    ours = tree.root / "user.slice/ours.scope"
    (ours / "cgroup.procs").write_text("4711\n")
    cage = Cgroup2("k", LIMITS, tree)
    assert (ours / "kernelhost.service" / "cgroup.procs").read_text() == "4711"
    assert (ours / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    (group,) = ours.glob("kernelhost-*-k")
    assert list(cage.procs) == [group / "cgroup.procs"]
    files = ("memory.max", "pids.max", "cpu.max", "memory.oom.group")
    assert {file: (group / file).read_text().split("\n")[0] for file in files} == {
        "memory.max": str(GIB),
        "pids.max": "64",
        "cpu.max": "150000 100000",
        "memory.oom.group": "1",
    }
    assert cage.enforced == {"memory_bytes", "processes", "cpus"}
    # A gateway that is started by one in the leaf finds the same place.
    (tmp_path / "own").write_text("0::/user.slice/ours.scope/kernelhost.service\n")
    second = Cgroup2("m", Limits(), tree)
    assert second.procs[0].parent.parent == ours


def test_x19_v2_counters_and_the_kill_at_a_stroke(tmp_path: Path) -> None:
    tree = v2_tree(tmp_path)
    cage = Cgroup2("k", LIMITS, tree)
    group = cage.procs[0].parent
    (group / "memory.current").write_text("500")
    (group / "memory.stat").write_text("anon 1\ninactive_file 400\n")
    (group / "memory.peak").write_text("600")
    (group / "memory.events").write_text("low 0\nhigh 3\nmax 2\noom 1\noom_kill 1\noom_group_kill 1\n")
    (group / "pids.events").write_text("max 7\n")
    (group / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert (cage.memory(), cage.peak_memory(), cage.oom_kills(), cage.refused_forks(), cage.cpu_seconds()) == (
        100,
        600,
        1,
        7,
        2.5,
    )
    cage.kill()
    assert (group / "cgroup.kill").read_text().strip() == "1"
    cage.close()
    assert not group.exists()


def test_x19_v2_without_delegation_says_why(tmp_path: Path) -> None:
    tree = v2_tree(tmp_path)
    (tree.root / "user.slice/ours.scope/cgroup.controllers").write_text("cpu\n")
    with pytest.raises(CannotCage, match="memory and pids are not given to"):
        Cgroup2("k", LIMITS, tree)
    with pytest.raises(CannotCage, match="no tree of version 2"):
        Cgroup2("k", LIMITS, Tree(tmp_path / "nothing", tmp_path / "own"))


def test_i7_v2_the_real_kill_file_takes_daemons_along() -> None:
    base = next((path for path in (REAL.root / "unified", REAL.root) if (path / "cgroup.controllers").exists()), None)
    group = (base or REAL.root) / cgroups.group_name("kill")
    try:
        group.mkdir()
    except OSError:
        pytest.skip("needs root and a tree of control groups of version 2")
    try:
        line = ["sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh", sys.executable, "-c", DAEMON]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            daemon = int(process.stdout.readline())
            assert {daemon, process.pid} <= set(read_pids(group))
            kill_group(group)
            assert process.wait() == -9
        assert not is_alive(daemon)
    finally:
        REAL.clear(group)
    assert not group.exists()


# -- neither ----------------------------------------------------------------------------------------------------------


def test_x19_without_control_groups_each_process_has_its_bounds(tmp_path: Path) -> None:
    cage = open_cage("k", LIMITS, tree=Tree(tmp_path, tmp_path / "own"))
    assert (cage.driver, cage.procs) == ("rlimits", ())
    code = """
import resource as r
print([r.getrlimit(what)[0] for what in (r.RLIMIT_AS, r.RLIMIT_NOFILE, r.RLIMIT_CORE)])
print(r.getrlimit(r.RLIMIT_NPROC)[0] > 64, open("/proc/self/oom_score_adj").read().strip())
"""
    with run_in(cage, code) as process:
        told = process.communicate()[0].splitlines()
    assert told == [str([6 * GIB, 256, 0]), "True 800"]
    # A kernel with a GPU reserves far more address space than it uses (M2).
    assert not any("ulimit -v" in line for line in Rlimits(LIMITS, gpu=True).rlimits)


def test_x17_without_control_groups_whoever_adopts_orphans_finds_daemons() -> None:
    code = f"""
import subprocess, sys
from kernelhost.cages.rlimits import Rlimits, adopt_orphans
from kernelhost.limits import Limits
adopting = adopt_orphans()
cage = Rlimits(Limits(), adopting=adopting)
child = subprocess.Popen([sys.executable, "-c", {DAEMON!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
cage.start(child.pid)
daemon = int(child.stdout.readline())
assert {{daemon, child.pid}} <= set(cage.pids()), cage.pids()
assert cage.memory() > 0 and cage.cpu_seconds() >= 0
cage.kill()
child.wait()
cage.close()
assert cage.pids() == [], cage.pids()
print(adopting, daemon)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=python_path())
    assert (ran.returncode, ran.stderr) == (0, "")
    adopting, daemon = ran.stdout.split()
    assert adopting == str(sys.platform == "linux")
    assert not is_alive(int(daemon))


def test_without_control_groups_what_children_share_counts_once(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=200 * MIB)
    code = """
import os, sys
kept = bytearray(b"x") * 100_000_000
children = [os.fork() or sys.stdin.read() for _ in range(4)]
if all(children):
    print("ready", flush=True)
    sys.stdin.read()
os._exit(0)
"""
    cage = Rlimits(limits)
    with run_in(cage, code, limits) as process:
        cage.start(process.pid)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(cage.pids()) == 5
        assert 90 * MIB < cage.memory() < 200 * MIB
        cage.kill()
    cage.close()


def test_a_file_limit_over_what_may_be_is_as_much_as_may_be() -> None:
    limits = Limits(files=99_999_999)
    code = "import resource as r; print(*r.getrlimit(r.RLIMIT_NOFILE))"
    with run_in(Rlimits(limits), code, limits) as process:
        soft, hard = process.communicate()[0].split()
    assert soft == hard
