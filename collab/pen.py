"""How the next character looks, as one text: the colours and styles of SGR codes, and the link of an OSC 8. Pure.

A pen is what it takes to get it from none, by attribute; the link comes last, after a line feed. Only links that a page
may open are kept (outputs.md A11); whoever draws them looks again.
"""

import re
from functools import lru_cache
from typing import Final

# Group 1: the numbers of an SGR code. Group 2: the address of a link, empty where one ends.
CODE: Final = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\]8;[^;\x00-\x1f\x7f]*;([^\x00-\x1f\x7f]*)(?:\x07|\x1b\\)")

_LINK: Final = re.compile(r"""(?:https?://|mailto:)(?:(?!["'<>`\\])[!-~]){1,2000}""", re.IGNORECASE)

# The attribute that an SGR number sets, or with None those that it takes back.
_ATTRIBUTES: Final = {
    **{1: "1", 2: "2", 3: "3", 4: "4", 5: "5", 6: "5", 7: "7", 8: "8", 9: "9", 21: "4", 53: "53"},
    **dict.fromkeys((*range(30, 39), *range(90, 98)), "38"),
    **dict.fromkeys((*range(40, 49), *range(100, 108)), "48"),
    58: "58",
}
_TAKEN_BACK: Final = {22: "12", 23: "3", 24: "4", 25: "5", 27: "7", 28: "8", 29: "9"}
_TAKEN_BACK_ONE: Final = {39: "38", 49: "48", 55: "53", 59: "58"}


def unpainted(text: str) -> str:
    """Without the codes of pens."""
    return CODE.sub("", text) if "\x1b" in text else text


@lru_cache(1024)
def painted(pen: str, code: str) -> str:
    """The pen after one code."""
    found = CODE.fullmatch(code)
    if found is None:
        return pen
    style, _, link = pen.partition("\n")
    if found[1] is None:
        link = found[2] if _LINK.fullmatch(found[2]) else ""
    else:
        style = _styled(style, found[1])
    return f"{style}\n{link}" if link else style


def painted_by(pen: str, text: str) -> str:
    """The pen after all codes in a text."""
    if "\x1b" in text:
        for code in CODE.finditer(text):
            pen = painted(pen, code[0])
    return pen


@lru_cache(1024)
def change(before: str, after: str) -> str:
    """The codes that get from one pen to another."""
    if before == after:
        return ""
    style, _, link = before.partition("\n")
    next_style, _, next_link = after.partition("\n")
    codes = ""
    if style != next_style:
        numbers = [part.split("=")[1] for part in next_style.split(";;") if part]
        codes = f"\x1b[{';'.join(['0', *numbers] if style else numbers)}m"
    return codes if link == next_link else f"{codes}\x1b]8;;{next_link}\x1b\\"


def _styled(style: str, numbers: str) -> str:
    attributes = dict(part.split("=") for part in style.split(";;") if part)
    # With colons a colour is one parameter, with semicolons it is three or five.
    parts = numbers.split(";")
    while parts:
        part = parts.pop(0)
        number = int(part.split(":")[0][:6] or "0")
        if number in (38, 48, 58) and ":" not in part:
            more = {"5": 2, "2": 4}.get(parts[0] if parts else "", 0)
            part = ";".join([part, *parts[:more]])
            del parts[:more]
        if number == 0:
            attributes.clear()
        elif attribute := _ATTRIBUTES.get(number):
            attributes[attribute] = part
        for gone in (*_TAKEN_BACK.get(number, ""), _TAKEN_BACK_ONE.get(number, "")):
            attributes.pop(gone, None)
    return ";;".join(f"{key}={value}" for key, value in sorted(attributes.items()))
