"""The terminal: what it shows, that cutting the data into pieces changes nothing, and that floods cost one pass."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab.terminal import CUT_NOTE, Terminal

RED, GREEN, RESET = "\x1b[31m", "\x1b[32m", "\x1b[0m"

PIECES = st.sampled_from(
    [
        *("\r", "\b", "\n", "\r\n", "\t", "\0", "\x07", "\x1b", "\x1b[", "\x1b[3", "\x1b]0;title\x07", "\x1b(B"),
        *("\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[A", "\x1b[2A", "\x1b[B", "\x1b[3C", "\x1b[2D", "\x1b[5G", "\x1b[2J"),
        *(RED, GREEN, RESET, "\x1b[m", "\x1b[1m", "\x1b[38;5;200m", "\x1b[48:2::1:2:3m", "\x1b[39;49m"),
        *("a", "bc", "日本", "😀", "é", "e\u0301", "50%|█████     |", "long " * 10, "\x1b]8;;http://x\x1b\\"),
    ]
)
DATA = st.lists(PIECES, max_size=30).map("".join)


def shown(*data: str) -> str:
    terminal = Terminal()
    for part in data:
        terminal.write(part)
    return terminal.text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("hello\nthere", "hello\nthere"),
        ("one\r", "one\r"),
        ("one\rtwo", "two"),
        ("three\rtwo", "twoee"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("abc\b\bX", "aXc"),
        ("a\n\bb", "a\nb"),
        ("\r", ""),
        ("abcdef\rxy\x1b[K", "xy"),
        ("abcdef\r\x1b[K", ""),
        ("abcdef\x1b[2Kx", "      x"),
        ("abcd\x1b[2D\x1b[1Ke", "  ed"),
        ("ab\x1b[3Cc", "ab   c"),
        ("one\ntwo\n\x1b[2AONE\n", "ONE\ntwo\n"),
        ("one\x1b[5Atwo", "onetwo"),
        ("one\ntwo\x1b[A\x1b[5B\rT", "one\nTwo"),
        ("\x1b[?25lx\x1b[?25h\x1b]0;title\x07y\x1b(Bz\x1b[2J", "xyz"),
        ("a\0b\x07c", "abc"),
        ("日本語\r中", "中本語"),
        ("😀😀\b🎉", "😀🎉"),
        ("\ud83d", "\ufffd"),
        ("\x1b[31\nx", "[31\nx"),
    ],
)
def test_shows(data: str, text: str) -> None:
    assert shown(data) == text


def test_colours_stay_as_they_came() -> None:
    data = f"{RED}red{RESET} plain \x1b[1;32mbold{RESET}\nnext {RED}open\nstill red{RESET}\n"
    assert shown(data) == data


def test_what_is_left_of_an_overwritten_line_keeps_its_colour() -> None:
    assert shown(f"{RED}abcd{RESET}\rXY") == f"XY{RED}cd{RESET}"
    assert shown(f"abcd\r{RED}XY{RESET}") == f"{RED}XY{RESET}cd"
    assert shown(f"{RED}ab{RESET}\n\r\x1b[AX\n") == f"X{RED}b{RESET}\n"


SAFE, END = "\x1b]8;;https://example.org/a?b=1;c\x1b\\", "\x1b]8;;\x1b\\"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (f"{SAFE}link{END} after", f"{SAFE}link{END} after"),
        ("\x1b]8;id=1;https://example.org/a?b=1;c\x07link\x1b]8;;\x07", f"{SAFE}link{END}"),
        (f"{SAFE}{RED}red{RESET}{END}", f"{SAFE}{RED}red{RESET}{END}"),  # a reset of colours ends no link
        (f"{SAFE}abcd{END}\rXY", f"XY{SAFE}cd{END}"),
        (f"{SAFE}one\ntwo{END}", f"{SAFE}one\ntwo{END}"),
        ("\x1b]8;;MAILTO:a@b.c\x07m\x1b]8;;\x07", f"\x1b]8;;MAILTO:a@b.c\x1b\\m{END}"),
        (f"{SAFE}a\x1b]8;;javascript:alert(1)\x07b", f"{SAFE}a{END}b"),  # what is refused ends what was open
    ],
)
def test_links_stay(data: str, text: str) -> None:
    assert shown(data) == text
    for at in range(1, len(data)):
        assert shown(data[:at], data[at:]) == text


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "//evil.test", "/a", "x"),
        *('https://a"onmouseover="x', "https://a'b", "https://a<b>", "https://a b", "https://ü", "https://a\\b"),
        *("java\tscript:alert(1)", " javascript:alert(1)", "https://" + "a" * 2001, "blob:https://a/b"),
    ],
)
def test_a11_a_link_that_no_page_may_open_is_its_text(url: str) -> None:
    found = shown(f"\x1b]8;;{url}\x07click\x1b]8;;\x07 on")
    assert "\x1b" not in found
    assert found.endswith("click on")


def test_a_colour_set_at_the_start_of_a_line_holds_for_the_next() -> None:
    assert shown(f"abc\r{RED}\nx") == f"abc\n{RED}x"


def test_a_colour_of_many_parameters() -> None:
    assert shown("ab\r\x1b[38;2;1;2;3mX\x1b[39m") == "\x1b[38;2;1;2;3mX\x1b[0mb"
    assert shown("ab\r\x1b[1;4mX\x1b[22mY") == "\x1b[1;4mX\x1b[0;4mY"


def test_a_progress_bar_is_one_line() -> None:
    terminal = Terminal()
    for done in range(101):
        terminal.write(f"\r{done:3d}%|{'█' * (done // 10):10}| {done}/100")
        keep, tail = terminal.take()
        assert keep <= 3
        assert len(tail) < 30
    terminal.write("\n")
    assert terminal.text == "100%|██████████| 100/100\n"


def test_nested_bars_stay_in_their_lines() -> None:
    terminal = Terminal()
    for outer in range(5):
        terminal.write(f"\router: {outer + 1}/5")
        for inner in range(20):
            terminal.write(f"\n\rinner: {inner + 1:2d}/20\x1b[A")
    terminal.write("\n\n")
    assert terminal.text == "outer: 5/5\ninner: 20/20\n"


def test_escapes_wait_for_their_rest() -> None:
    terminal = Terminal()
    terminal.write("a\x1b")
    assert terminal.text == "a"
    terminal.write("[3")
    assert terminal.text == "a"
    terminal.write("1mb")
    assert terminal.text == f"a{RED}b"


def test_going_up_ends_at_what_is_final() -> None:
    terminal = Terminal()
    terminal.write("".join(f"{at}\n" for at in range(1000)) + "\x1b[999AX")
    lines = terminal.text.split("\n")
    assert lines[1000 - 63] == f"X{str(1000 - 63)[1:]}"
    assert lines[:900] == [str(at) for at in range(900)]


def test_beyond_the_limit_only_the_beginning_is_held() -> None:
    terminal = Terminal(limit=1000)
    taken = ""
    for at in range(10_000):
        terminal.write(f"line {at}\n")
        if at % 10 == 0:
            keep, tail = terminal.take()
            taken = taken[:keep] + tail
    assert terminal.text.startswith("line 0\n")
    assert terminal.text.endswith(CUT_NOTE)
    assert terminal.kept == 1000
    assert taken == "".join(f"line {at}\n" for at in range(9991))


@given(DATA, st.lists(st.integers(0, 200), max_size=20))
@settings(max_examples=200, deadline=None)
def test_pieces_change_nothing(data: str, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(cut for cut in cuts if cut <= len(data))})
    pieces = [data[start:stop] for start, stop in pairwise(places)]
    assert shown(*pieces) == shown(data) == shown(*data)


@given(st.text(st.sampled_from("ab\n\r\b\x1b[3m1KAB;日"), max_size=60), st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_pieces_of_anything_change_nothing(data: str, more: str) -> None:
    assert shown(*(data + more)) == shown(data + more)


@given(st.lists(DATA, max_size=10))
@settings(max_examples=150, deadline=None)
def test_taking_gives_the_text(parts: list[str]) -> None:
    terminal, taken = Terminal(), ""
    for part in parts:
        terminal.write(part)
        keep, tail = terminal.take()
        assert keep <= len(taken)
        taken = taken[:keep] + tail
        assert taken == terminal.text
    assert terminal.take() == (len(taken), "")


@given(DATA)
@settings(max_examples=150, deadline=None)
def test_a_stored_text_is_taken_up_as_it_is(data: str) -> None:
    text = shown(data)
    resumed = Terminal(text)
    assert resumed.text == text
    assert resumed.take() == (len(text), "")


@given(st.text(st.sampled_from("ab日\n"), max_size=20), DATA)
def test_plain_text_goes_on_after_a_restart(before: str, after: str) -> None:
    resumed = Terminal(shown(before, "\r"))
    resumed.write(after)
    assert resumed.text == shown(before, "\r", after)


@given(
    st.lists(st.sampled_from(["x" * 7000, "y" * 20_000, "\r", "\b", "\n", RED, "é", "\x1b[A", "\x1b[K"]), max_size=12)
)
@settings(max_examples=100, deadline=None)
def test_endless_lines_are_wrapped_the_same_however_they_come(parts: list[str]) -> None:
    data = "".join(parts)
    terminal, taken = Terminal(), ""
    for part in parts:
        terminal.write(part)
        keep, tail = terminal.take()
        taken = taken[:keep] + tail
    assert terminal.text == taken == shown(data)
    assert shown(*(data[at : at + 3001] for at in range(0, len(data), 3001))) == taken


def test_an_endless_line_loses_nothing_and_costs_what_is_new() -> None:
    terminal, taken = Terminal(), []
    size = 0
    for _ in range(2000):
        terminal.write("." * 1000)
        keep, tail = terminal.take()
        assert keep == size
        size += len(tail)
        taken.append(tail)
    assert terminal.text == "." * 2_000_000 == "".join(taken)


def test_endless_colours_are_bounded() -> None:
    terminal = Terminal()
    terminal.write(f"{RED}{GREEN}" * 200_000)
    assert len(terminal.text) < 20_000


@pytest.mark.parametrize("flush", [100, 1_000_000])
def test_a_million_lines_are_one_pass(flush: int) -> None:
    terminal = Terminal()
    start = time.process_time()
    size = 0
    for at in range(0, 1_000_000, flush):
        for line in range(at, at + flush):
            terminal.write(f"line {line}\n")
        keep, tail = terminal.take()
        assert keep == size
        size += len(tail)
    assert time.process_time() - start < 10
    assert terminal.text.count("\n") == 1_000_000
    assert size == len(terminal.text)


def test_a_flood_of_bars_and_colours_is_one_pass() -> None:
    start = time.process_time()
    terminal = Terminal()
    for at in range(100_000):
        terminal.write(f"\r{at:6d}|{'█' * (at % 40):40}|")
        if at % 1000 == 0:
            terminal.write("\n")
            terminal.take()
    for at in range(100_000):
        terminal.write(f"{GREEN}ok{RESET} test {at}\n")
    assert time.process_time() - start < 10
