"""A tree of control groups that is only files, for machines where there is none of that version.

What the real one does by itself is done here by hand: a new group has its files, `cgroup.kill` and the numbers of its
processes are for the test to look at and to write."""

import shutil
from pathlib import Path

from kernelhost.cages.cgroups import Tree

V2_FILES = {
    "cgroup.controllers": "cpu memory pids",
    "cgroup.subtree_control": "",
    "cgroup.procs": "",
    "cgroup.kill": "",
    "cpu.max": "max 100000",
    "cpu.stat": "usage_usec 0",
    "memory.current": "0",
    "memory.events": "oom_kill 0",
    "memory.max": "max",
    "memory.oom.group": "0",
    "memory.peak": "0",
    "memory.stat": "inactive_file 0",
    "pids.events": "max 0",
    "pids.max": "max",
}
V1_FILES = {
    "memory": {
        "memory.limit_in_bytes": "-1",
        "memory.max_usage_in_bytes": "0",
        "memory.oom_control": "oom_kill 0",
        "memory.stat": "total_inactive_file 0",
        "memory.usage_in_bytes": "0",
    },
    "pids": {"pids.max": "max", "pids.events": "max 0"},
    "cpu": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1"},
}


def v2_tree(folder: Path, own: str = "/user.slice/ours.scope") -> Tree:
    """With us in a group `own` that was delegated."""
    top = folder / "tree"

    def make(group: Path) -> None:
        group.mkdir()
        write_all(group, V2_FILES)

    for path in (top, *(top / part for part in list(Path(own.strip("/")).parents)[-2::-1]), top / own.strip("/")):
        path.mkdir(exist_ok=True)
        write_all(path, V2_FILES)
    (folder / "own").write_text(f"0::{own}\n")
    return Tree(top, folder / "own", make, shutil.rmtree)


def v1_tree(folder: Path) -> Tree:
    top = folder / "tree"

    def make(group: Path) -> None:
        group.mkdir()
        write_all(group, V1_FILES[group.relative_to(top).parts[0]] | {"cgroup.procs": ""})

    for controller in V1_FILES:
        (top / controller).mkdir(parents=True)
        (top / controller / "cgroup.procs").write_text("")
    (folder / "own").write_text("4:memory:/elsewhere\n3:pids:/\n2:cpu:/\n0::/\n")
    return Tree(top, folder / "own", make, shutil.rmtree)


def write_all(group: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (group / name).write_text(f"{content}\n")
