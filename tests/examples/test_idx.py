"""The IDX reader of digits-classifier.ipynb: what it reads, packed or not, and what it refuses with which sentence."""

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.build_examples import EXAMPLES, idx_code

SAMPLE = EXAMPLES / "digits-idx"
FILES = {
    "train-images-idx3-ubyte": (1415, 8, 8),
    "train-labels-idx1-ubyte": (1415,),
    "t10k-images-idx3-ubyte": (382, 8, 8),
    "t10k-labels-idx1-ubyte": (382,),
}


@pytest.fixture(scope="module")
def idx() -> dict[str, Any]:
    return idx_code()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """The sample's files, not packed."""
    for name in FILES:
        (tmp_path / name).write_bytes(gzip.decompress((SAMPLE / f"{name}.gz").read_bytes()))
    return tmp_path


@pytest.fixture
def address(plain: Path) -> Iterator[str]:
    """A URL below which the plain files lie; answers 404 to the packed names."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(plain))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_sample_is_what_the_notebook_makes(idx: dict[str, Any], tmp_path: Path) -> None:
    idx["write_sample"](tmp_path)

    made = {path.name: gzip.decompress(path.read_bytes()) for path in tmp_path.iterdir()}
    shipped = {path.name: gzip.decompress(path.read_bytes()) for path in SAMPLE.iterdir()}
    assert made == shipped
    assert set(shipped) == {f"{name}.gz" for name in FILES}


def test_reads_packed_plain_and_by_url_alike(idx: dict[str, Any], plain: Path, address: str) -> None:
    for part in ("train", "test"):
        packed = idx["read_idx"](str(SAMPLE), part)
        for place in (str(plain), address, f"{address}/"):
            for ours, theirs in zip(packed, idx["read_idx"](place, part), strict=True):
                np.testing.assert_array_equal(ours, theirs)
        images, labels = packed
        assert [images.shape, labels.shape] == [shape for name, shape in FILES.items() if name in idx["NAMES"][part]]
        assert (images.dtype, images.max(), sorted(set(labels))) == (np.uint8, 255, list(range(10)))


def test_the_sample_shows_scikit_learns_digits(idx: dict[str, Any]) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    train, test = (idx["read_idx"](str(SAMPLE), part) for part in ("train", "test"))
    np.testing.assert_array_equal(np.round(np.concatenate([train[0], test[0]]) * (16 / 255)), digits.images)
    np.testing.assert_array_equal(np.concatenate([train[1], test[1]]), digits.target)


def test_reads_the_layout_of_fashion_mnist(idx: dict[str, Any]) -> None:
    # The first sixteen bytes of its t10k-images-idx3-ubyte, and the first eight of its labels.
    images = idx["parse_idx"](bytes.fromhex("00000803 00002710 0000001c 0000001c") + bytes(7_840_000), idx["IMAGES"])
    labels = idx["parse_idx"](gzip.compress(bytes.fromhex("00000801 00002710") + bytes(10_000)), idx["LABELS"])
    assert (images.shape, labels.shape) == ((10_000, 28, 28), (10_000,))


def image(*sizes: int, pixels: int) -> bytes:
    return b"".join(size.to_bytes(4, "big") for size in (0x803, *sizes)) + bytes(pixels)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "images starts with nothing; IDX images start with 00 00 08 03."),
        (b"<!DOCTYPE html>", "images starts with 3c 21 44 4f; IDX images start with 00 00 08 03."),
        (
            bytes.fromhex("00000801 00000001 07"),
            "images starts with 00 00 08 01; IDX images start with 00 00 08 03.",
        ),
        (
            bytes.fromhex("00000d03 00000001 00000001 00000001 00000000"),
            "images starts with 00 00 0d 03; IDX images start with 00 00 08 03.",
        ),
        (image(2, 3, 3, pixels=18)[:10], "images ends inside its header, after 10 of 16 bytes: get it again."),
        (image(2, 3, 3, pixels=17), "images promises 2 × 3 × 3 = 18 bytes of images and holds 17: get it again."),
        (image(2, 3, 3, pixels=19), "images promises 2 × 3 × 3 = 18 bytes of images and holds 19: get it again."),
        (
            image(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, pixels=1),
            "images promises 4294967295 × 4294967295 × 4294967295 = 79228162458924105385300197375 bytes of images"
            " and holds 1: get it again.",
        ),
        (image(0, 28, 28, pixels=0), "images promises 0 × 28 × 28 bytes of images, which is none."),
        (gzip.compress(image(2, 3, 3, pixels=18), mtime=0)[:-9], "images is a broken gzip file"),
        (b"\x1f\x8b\x08\x00 and then no gzip", "images is a broken gzip file"),
        (gzip.compress(b"<html>", mtime=0), "images starts with 3c 68 74 6d; IDX images start with 00 00 08 03."),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value)[:40],
)
def test_refuses_what_is_broken(idx: dict[str, Any], data: bytes, message: str) -> None:
    with pytest.raises(idx["BadIdx"]) as caught:
        idx["parse_idx"](data, idx["IMAGES"], "images")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_refuses_labels_of_other_images(idx: dict[str, Any], plain: Path) -> None:
    (plain / "train-labels-idx1-ubyte").write_bytes((plain / "t10k-labels-idx1-ubyte").read_bytes())
    with pytest.raises(idx["BadIdx"]) as caught:
        idx["read_idx"](str(plain), "train")
    assert str(caught.value) == "train-images-idx3-ubyte holds 1415 images, train-labels-idx1-ubyte 382 labels."


def test_says_which_file_is_missing(idx: dict[str, Any], plain: Path, address: str) -> None:
    (plain / "t10k-images-idx3-ubyte").unlink()
    for place in (str(plain), address):
        with pytest.raises(idx["BadIdx"]) as caught:
            idx["read_idx"](place, "test")
        assert str(caught.value) == f"{place} holds neither t10k-images-idx3-ubyte.gz nor t10k-images-idx3-ubyte."


def test_says_that_a_host_does_not_answer(idx: dict[str, Any]) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        place = f"http://127.0.0.1:{server.server_address[1]}"
    with pytest.raises(idx["BadIdx"]) as caught:
        idx["read_idx"](place, "train")
    assert str(caught.value).startswith(f"train-images-idx3-ubyte.gz cannot be loaded from {place}: ")
