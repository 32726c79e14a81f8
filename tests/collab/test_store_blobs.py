"""Blobs: named by what they hold, whole or not there at all."""

import hashlib
import threading
from pathlib import Path

import pytest

from collab.store.blobs import Blobs

DATA = bytes(range(256)) * 1000
NAME = hashlib.sha256(DATA).hexdigest()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_put_is_got_under_its_sha256(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    assert blobs.path(NAME) is None
    assert blobs.put(DATA) == NAME
    assert blobs.get(NAME) == DATA
    path = blobs.path(NAME)
    assert path is not None
    assert path.read_bytes() == DATA
    assert files(tmp_path) == [f"blobs/{NAME[:2]}/{NAME[2:]}"]


def test_the_same_again_is_kept_once(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    assert {blobs.put(DATA) for _ in range(3)} == {NAME}
    assert blobs.put(b"") == hashlib.sha256(b"").hexdigest()
    assert len(files(tmp_path)) == 2


def test_many_at_once_leave_one_file_and_no_rest(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    threads = [threading.Thread(target=blobs.put, args=(DATA,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files(tmp_path) == [f"{NAME[:2]}/{NAME[2:]}"]
    assert blobs.get(NAME) == DATA


def test_a_disk_that_fails_leaves_nothing_under_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = Blobs(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            blobs.put(DATA)
    assert files(tmp_path) == []
    assert blobs.path(NAME) is None
    assert blobs.put(DATA) == NAME


@pytest.mark.parametrize(
    "name", ["", "../" * 20 + "etc/passwd", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", "/" * 64, "é" * 64]
)
def test_what_is_no_sha256_names_no_file(tmp_path: Path, name: str) -> None:
    blobs = Blobs(tmp_path)
    assert blobs.path(name) is None
    with pytest.raises(FileNotFoundError):
        blobs.get(name)


def test_one_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Blobs(tmp_path).get(NAME)
