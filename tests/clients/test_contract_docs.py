"""docs/contract.md says of each of jupyter_server's tests that is not run why it is not."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_what_does_not_apply_is_what_is_not_run() -> None:
    suite = (ROOT / "tests/clients/suites/jupyter_server_conftest.py").read_text()
    absent = set(re.findall(r'^    "(test_\w+)": ', suite, re.MULTILINE))
    _, _, table = (ROOT / "docs/contract.md").read_text().partition("not applicable")
    assert set(re.findall(r"`(test_\w+)`", table)) == absent
