"""Which process of a kernel speaks: whose word is news, and whose comes late."""

from collab.process_names import MADE_UP, ProcessNames
from collab.runtime import KernelMessage


def status(session: str, parent: str = "r") -> KernelMessage:
    header = {"msg_id": "m", "msg_type": "status", "session": session}
    return KernelMessage("iopub", header, {"msg_id": parent} if parent else {}, {"execution_state": "busy"})


def test_a_process_that_was_not_known_is_news_once() -> None:
    names = ProcessNames()
    assert not names.is_news("k", status("one"))  # nobody has asked yet
    names.set("k", "one")
    assert [names.is_news("k", status(name)) for name in ("one", "two", "two", "one")] == [False, True, False, False]
    assert names.of("k") == "two"


def test_what_a_process_says_after_our_restart_is_late_and_no_news() -> None:
    names = ProcessNames()
    names.set("k", "one")
    names.retire("k")
    assert names.of("k") == ""
    names.set("k", "two")
    assert not names.is_news("k", status("one"))
    assert names.of("k") == "two"


def test_only_a_status_with_a_parent_is_the_kernels_own_word() -> None:
    names = ProcessNames()
    names.set("k", "one")
    stream = KernelMessage("iopub", {"msg_type": "stream", "session": "server"}, {"msg_id": "r"}, {})
    assert not any(names.is_news("k", said) for said in (stream, status("server", parent=""), status("")))


def test_a_process_with_a_made_up_name_is_known_by_the_first_thing_it_says() -> None:
    names = ProcessNames()
    names.set("k", f"{MADE_UP}1234")
    assert [names.is_news("k", status(name)) for name in ("one", "one", "two")] == [False, False, True]
    assert names.of("k") == "two"
