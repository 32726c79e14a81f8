"""Addresses of Jupyter servers as people give them, and which of them this server connects to."""

import pytest

from collab.jupyter_server import Address, BadAddress, read_address

ANY = ("any",)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8888", "http://localhost:8888"),
        ("http://localhost:8888/", "http://localhost:8888"),
        ("http://127.0.0.1:8888/lab/tree/a%20b.ipynb", "http://127.0.0.1:8888"),
        ("https://HUB.example.org/user/ada/lab", "https://hub.example.org/user/ada"),
        ("https://hub.example.org/user/ada@x/tree", "https://hub.example.org/user/ada@x"),
        ("http://[::1]:8888/tree?", "http://[::1]:8888"),
    ],
)
def test_an_address_is_taken_as_it_is_copied(url: str, expected: str) -> None:
    assert read_address(url, "secret", ANY) == Address(expected, "secret")


def test_the_token_in_the_address_is_taken_out_of_it() -> None:
    assert read_address("http://a:1/lab?token=from-it", "", ANY) == Address("http://a:1", "from-it")
    assert read_address("http://a:1/?token=from-it", "given", ANY) == Address("http://a:1", "given")
    assert read_address("http://a:1", "", ANY) == Address("http://a:1", "")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is like"),
        ("localhost:8888", "is like"),
        ("file:///etc/passwd", "is like"),
        ("http://", "is like"),
        ("http://a:port", "no address"),
        ("http://a:99999", "no address"),
        ("http://[::1", "no address"),
        ("http://a b", "is like"),
        ("http://a/../b?x", "has a path"),
        ("http://a/b c", "has a path"),
        ("http://user:secret@a", "leave them out"),
        ("http://169.254.169.254/latest", "no Jupyter server is at"),
        ("http://[fe80::1]", "no Jupyter server is at"),
        (f"http://{'a' * 1000}", "is like"),
    ],
)
def test_what_is_none_is_one_sentence_without_the_secret(url: str, words: str) -> None:
    with pytest.raises(BadAddress, match=words) as raised:
        read_address(url, "secret", ANY)
    assert str(raised.value).endswith(".")
    assert "secret" not in str(raised.value)


def test_only_what_the_operator_allows_is_connected_to() -> None:
    allowed = ("http://gpu:8888", "https://hub.example.org")
    assert read_address("http://gpu:8888/lab", "x", allowed).url == "http://gpu:8888"
    assert read_address("https://hub.example.org/user/ada", "x", allowed).url == "https://hub.example.org/user/ada"
    for url in ("http://gpu:8889", "https://gpu:8888", "http://gpu", "http://gpu.evil.test:8888", "http://localhost"):
        with pytest.raises(BadAddress, match="is not among the Jupyter servers"):
            read_address(url, "x", allowed)
    with pytest.raises(BadAddress, match="COLLAB_ATTACH"):
        read_address("http://gpu:8888", "x", ())


@pytest.mark.parametrize("token", ["a b", "a\nb", "ü"])
def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    with pytest.raises(BadAddress, match="A token has no spaces"):
        read_address("http://a", token, ANY)


def test_a_token_is_shown_to_its_server_and_in_no_log() -> None:
    assert Address("http://a", "secret").headers == {"Authorization": "token secret"}
    assert Address("http://a", "").headers == {}
    assert "secret" not in repr(Address("http://a", "secret"))
