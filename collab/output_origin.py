"""Which hosts are the outputs', and whether what runs there may keep its origin (outputs.md section 3, F1). Pure."""

import re
from typing import Final

# In place of a template: frames come from the page's own host, whatever that is.
OWN_HOST: Final = "none"

_LABEL: Final = r"[a-z2-7]{32}"
_NAME: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_TEMPLATE: Final = re.compile(rf"https?://\{{label\}}((?:\.{_NAME})+)(:\d{{1,5}})?")


def is_template(text: str) -> bool:
    return _TEMPLATE.fullmatch(text) is not None


def is_of_template(template: str, host: str) -> bool:
    """`host` is a Host header, lower case."""
    found = _TEMPLATE.fullmatch(template)
    return found is not None and re.fullmatch(_LABEL + re.escape(found[1] + (found[2] or "")), host) is not None


def keeps_origin(template: str, page: str, cross_site: bool = False) -> bool:
    """Whether a frame of `template` under a page on the host `page` (a name without a port) may have an origin of its
    own: only where that is another *site* than the page's. Errs towards "same", as equal last two labels and addresses
    count as one site, unless the operator knows better (`cross_site`).

    `placeFrame` of the page says the same; both are held to `tests/vectors/placements.json`.
    """
    found = _TEMPLATE.fullmatch(template)
    if found is None:
        return False
    host = f"x{found[1]}"
    if page.endswith(found[1]) and re.fullmatch(_LABEL, page.removesuffix(found[1])):
        return False  # the page itself lives where outputs do
    return cross_site or not _is_same_site(host, page)


def _is_same_site(frame: str, page: str) -> bool:
    if _is_address(frame) or (_is_address(page) and not frame.endswith(".localhost")):
        return True
    return frame.split(".")[-2:] == page.split(".")[-2:]


def _is_address(name: str) -> bool:
    return name.startswith("[") or re.fullmatch(r"[0-9.]+", name) is not None
