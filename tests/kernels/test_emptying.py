"""A folder that hostile code filled is emptied, and nothing outside of it is touched."""

import os
import stat
from pathlib import Path

import pytest
from kernelhost.emptying import NotEmptied, empty_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "work").mkdir(parents=True)
    (root / "neighbour").mkdir()
    (root / "neighbour" / "kept").write_text("kept")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "kept").write_text("kept")
    return root


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def kept(root: Path) -> bool:
    assert everything(root.parent / "secret") == {"kept"}
    return everything(root) - {"work"} == {"neighbour", "neighbour/kept"}


def test_what_people_leave_is_gone_and_the_folder_is_there(root: Path) -> None:
    work = root / "work"
    (work / "data" / "deep").mkdir(parents=True)
    (work / "data" / "deep" / "table.csv").write_text("1")
    (work / ".hidden").write_text("1")
    (work / "line\nbreak").write_text("1")
    os.mkfifo(work / "pipe")
    os.link(root / "neighbour" / "kept", work / "hard")
    inode = work.stat().st_ino
    empty_folder(root, work)
    assert (everything(work), work.stat().st_ino) == (set(), inode)
    assert kept(root)


def test_what_drive_keeps_stays_and_nothing_that_only_has_its_name(root: Path) -> None:
    work = root / "work"
    (work / ".drive" / "deep").mkdir(parents=True)
    (work / ".drive" / "deep" / "model.bin").write_text("1")
    (work / "data" / ".drive").mkdir(parents=True)
    (work / "drive").mkdir()
    (work / "drive" / "My Drive").symlink_to(work / ".drive")
    empty_folder(root, work)
    assert everything(work) == {".drive", ".drive/deep", ".drive/deep/model.bin"}
    for entry in ("file", "link"):
        other = root / entry
        other.mkdir()
        (other / ".drive").write_text("1") if entry == "file" else (other / ".drive").symlink_to(root / "neighbour")
        empty_folder(root, other)
        assert everything(other) == set()
        other.rmdir()
    assert (root / "neighbour" / "kept").read_text() == "kept"


def test_links_are_removed_and_not_followed(root: Path) -> None:
    work, secret = root / "work", root.parent / "secret"
    (work / "folder").symlink_to(secret)
    (work / "file").symlink_to(secret / "kept")
    (work / "nowhere").symlink_to("/no/such/thing")
    (work / "loop").symlink_to(work)
    (work / "up").symlink_to("..")
    empty_folder(root, work)
    assert everything(work) == set()
    assert kept(root)


@pytest.mark.parametrize("part", ["work", "above"])
def test_a_folder_that_became_a_link_is_left_alone(root: Path, part: str) -> None:
    """A kernel may own the folder that another one's is in."""
    if part == "work":
        (root / "work").rmdir()
        (root / "work").symlink_to(root.parent / "secret")
        folder = root / "work"
    else:
        (root / "above").symlink_to(root.parent)
        folder = root / "above" / "secret"
    with pytest.raises(NotEmptied, match=r"cannot be opened: .*; remove it by hand\.$"):
        empty_folder(root, folder)
    assert everything(root.parent / "secret") == {"kept"}


@pytest.mark.parametrize("folder", ["", ".", "..", "../secret", "work/../../secret", "/etc"])
def test_the_root_and_what_is_not_below_it_are_never_emptied(root: Path, folder: str) -> None:
    with pytest.raises(NotEmptied, match="The gateway's own folder is not emptied"):
        empty_folder(root, root / folder)
    assert kept(root)


def test_a_folder_that_is_gone_is_made_again(root: Path) -> None:
    empty_folder(root, root / "work" / "a" / "b")
    assert everything(root / "work") == {"a", "a/b"}


def test_what_its_owner_may_not_enter_or_write_is_emptied_too(root: Path) -> None:
    """Caches of packages are read-only; as root this cannot fail."""
    work = root / "work"
    (work / "cache" / "module").mkdir(parents=True)
    (work / "cache" / "module" / "file").write_text("1")
    (work / "shut" / "in").mkdir(parents=True)
    os.chmod(work / "cache" / "module", 0o555)
    os.chmod(work / "cache", 0o555)
    os.chmod(work / "shut", 0)
    os.chmod(work, 0o500)
    empty_folder(root, work)
    assert everything(work) == set()
    assert stat.S_IMODE(work.stat().st_mode) & stat.S_IRWXU == stat.S_IRWXU


def test_a_tree_deeper_than_any_stack_is_emptied(root: Path) -> None:
    work = root / "work"
    descriptor = os.open(work, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    empty_folder(root, work)
    assert os.listdir(work) == []


def test_who_goes_on_writing_is_named_after_a_while(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = root / "work"
    (work / "first").write_text("1")
    unlink = os.unlink

    def unlink_and_write(name: str, dir_fd: int) -> None:
        unlink(name, dir_fd=dir_fd)
        (work / f"{len(name)}").write_text("1")

    monkeypatch.setattr(os, "unlink", unlink_and_write)
    with pytest.raises(NotEmptied, match="The folder work fills again while it is emptied"):
        empty_folder(root, work, within_s=0.05)
