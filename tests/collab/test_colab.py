"""`google.colab` behind a real server and in a real kernel: what code asks, who is asked, and what answers count
(outputs.md section 10). The page's share is tests/e2e/colab.test.ts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.collab.serving import TOKEN, Served, link, made, serving
from tests.support.watcher import Watcher

HOSTILE = ["'''", '"', "\\", "\\\\\"'", "\u2028</script>", "{x}", "%s", "\n\r\t", "__import__('os')", "é🙂", "\x00"]
SECRET = "correct-horse-battery-staple"

# A cell for each test, by its id.
CELLS = {
    "begin": (
        "import sys, importlib.util\n"
        "early = [name for name in sys.modules if name.startswith('google')]\n"
        "from google.colab import output, userdata, drive, _message, _frontend\n"
        "from IPython.display import JSON, HTML, display\n"
        "def echo(*args, **kwargs):\n    print('called')\n    return JSON([list(args), kwargs])\n"
        "def fail():\n    raise ValueError('it\\'s \"broken\"')\n"
        "def ask():\n    return JSON(output.eval_js('inside'))\n"
        "for f in (echo, fail, ask): output.register_callback(f.__name__, f)\n"
        "owners = get_ipython().kernel.get_parent('shell')"
    ),
    "early": (
        "spec = importlib.util.find_spec('google.colab')\n"
        "print(early, 'google.colab' in str(get_ipython()), spec.origin.endswith('__init__.py'))"
    ),
    "session": "print(get_ipython().kernel.get_parent('shell')['header']['session'])",
    "eval": "print(output.eval_js('1 + 1'))",
    "error": "try: output.eval_js('x')\nexcept _message.MessageError as error: print(error)",
    "timeout": "try: output.eval_js('x', timeout_sec=0.2)\nexcept TimeoutError: print('timed out')",
    "held": "output.eval_js('x', ignore_result=True)\nprint(input('name? '))\nprint(output.eval_js('y'))",
    "unknown": "try: _message.blocking_request('make_coffee')\nexcept _message.MessageError as error: print(error)",
    "server": (
        "found = _message.blocking_request('get_ipynb', '')['ipynb']\n"
        "print([cell['metadata']['id'] for cell in found['cells']][:2], found['cells'][0]['source'][1])\n"
        "print(found['metadata']['colab']['name'], _message.blocking_request('get_notebook_name'))\n"
        "snippets = _message.blocking_request('register_snippets', {'url': 'u'})\n"
        "print(_message.blocking_request('notebook.save'), snippets)"
    ),
    "auth": "from google.colab import auth\nauth.authenticate_user()",
    "google": (
        "get_ipython().kernel.comm_manager.unregister_target('google.colab.invoke', None)\n"
        "from google.colab.output import _js\n_js._functions['it\\'s'] = echo"
    ),
    "scratch": "print(_frontend.create_scratch_cell('1\\n2'))",
    "line": "!read x; echo got $x; read -s y; echo $y | rev",
    "stop": "!echo begun; sleep 600\nprint('not here')",
    "secret": "print(len(userdata.get('TOKEN')), userdata.get('TOKEN')[::-1])",
    "missing": "userdata.get('NONE')",
    "forged": "print(_message.blocking_request('GetSecret', {'key': 'TOKEN'}, parent=owners))",
    "tags": (
        "with output.use_tags('x'): print('gone')\n"
        "with output.temporary(): print('gone too')\n"
        "print('kept')\noutput.clear(output_tags='x')\nprint('after')"
    ),
    "unassign": "from google.colab import runtime\nruntime.unassign()\nprint('not here')",
    "drive": (
        "drive.mount('drive')\nimport os\n"
        "!cd drive/MyDrive && seq -f %06.0f 0 99999 | xargs touch\n"
        "drive.flush_and_unmount()\ndrive.mount('drive')\n"
        "print(len(os.listdir('drive/My Drive')), os.path.exists('drive/MyDrive/099999'))"
    ),
}


@dataclass
class Bench:
    server: Served
    client: httpx.Client
    id: str
    tab: Watcher

    def run(self, cell: str, tab: Watcher | None = None) -> None:
        (tab or self.tab).command("run_cells", cells=[cell])

    def ran(self, cell: str, within_s: float = 30.0) -> str:
        """What it prints, run to its end."""
        before = self.tab.mark(cell)
        self.run(cell)
        self.tab.until(lambda: (now := self.tab.mark(cell)) is not None and now != before and now.state == "running")
        self.tab.ended(cell, within_s=within_s)
        return self.tab.text(cell)

    def asked(self, kind: str, tab: Watcher | None = None) -> dict[str, Any]:
        """The next question to this tab, which is taken off its events."""
        tab = tab or self.tab
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [event for event in tab.events if event["type"] == "colab_asked" and event["kind"] == kind]
            return bool(found)

        tab.until(look)
        tab.events.remove(found[0])
        return found[0]

    def reply(self, asked: dict[str, Any], value: object, tab: Watcher | None = None) -> None:
        (tab or self.tab).command("colab_reply", reply=asked["number"], value=json.dumps(value))

    def invoke(self, name: str, *args: object, **kwargs: object) -> dict[str, Any]:
        return self.answered(self.call(name, *args, **kwargs))

    def call(self, name: str, *args: object, **kwargs: object) -> int:
        request = 1000 + len([event for event in self.tab.events if event["type"] in ("invoked", "refused")])
        texts = {"args": json.dumps(args), "kwargs": json.dumps(kwargs)}
        self.tab.command("invoke", request=request, cell="begin", name=name, **texts)
        return request

    def answered(self, request: int) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [event for event in self.tab.events if event.get("request") == request]

        self.tab.until(lambda: bool(found()))
        return found()[0]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with serving(tmp_path_factory.mktemp("colab")) as server, server.script() as client:
        cells: list[dict[str, Any]] = [
            {"cell_type": "code", "id": id, "source": source, "metadata": {}, "outputs": [], "execution_count": None}
            for id, source in CELLS.items()
        ]
        id = made(client, notebook={"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        with Watcher(server.url, TOKEN, id) as tab:
            bench = Bench(server, client, id, tab)
            bench.ran("begin")
            yield bench


@contextmanager
def guest(bench: Bench, role: str) -> Iterator[tuple[Watcher, str]]:
    token = link(bench.client, bench.id, role)
    with Watcher(bench.server.url, token, bench.id) as tab:
        yield tab, token


def test_nothing_is_imported_before_it_is_used_and_code_can_tell_where_it_is(bench: Bench) -> None:
    assert bench.ran("early") == "[] True True\n"


def test_g1_each_tab_runs_code_in_a_session_of_its_own(bench: Bench) -> None:
    first = bench.ran("session")
    with Watcher(bench.server.url, TOKEN, bench.id) as other:
        bench.run("session", other)
        bench.tab.until(lambda: bench.tab.text("session") not in ("", first))
    bench.tab.ended("session")
    assert first.startswith("tab-")
    assert bench.tab.text("session").startswith("tab-")


def test_a_script_is_evaluated_by_the_tab_that_ran_the_cell_and_by_no_other(bench: Bench) -> None:
    with Watcher(bench.server.url, TOKEN, bench.id) as other, guest(bench, "viewer") as (viewer, _):
        bench.run("eval")
        asked = bench.asked("eval")
        assert (asked["cell"], asked["text"]) == ("eval", "1 + 1")
        assert int(asked["clock"]) > 0
        for tab in (other, viewer):  # who was not asked is not heard
            tab.command("colab_reply", request=7, reply=asked["number"], value='"forged"')
        viewer.until(lambda: any(event.get("request") == 7 for event in viewer.events))
        bench.reply(asked, {"a": [1, None, "é"]})
        bench.tab.ended("eval")
        assert bench.tab.text("eval") == "{'a': [1, None, 'é']}\n"
        assert not [event for tab in (other, viewer) for event in tab.events if event["type"] == "colab_asked"]


def test_g3_another_tab_of_the_same_person_is_asked_when_the_first_is_gone(bench: Bench) -> None:
    with Watcher(bench.server.url, TOKEN, bench.id) as first:
        bench.run("eval", first)
        before = bench.asked("eval", first)
    asked = bench.asked("eval")
    assert asked["number"] == before["number"]
    bench.reply(asked, 3)
    bench.tab.ended("eval")
    assert bench.tab.text("eval") == "3\n"


def test_an_error_of_the_script_is_raised(bench: Bench) -> None:
    bench.run("error")
    bench.tab.command("colab_reply", reply=bench.asked("eval")["number"], error="Error: it's <b>broken</b>")
    bench.tab.ended("error")
    assert bench.tab.text("error") == "Error: it's <b>broken</b>\n"


def test_an_answer_that_comes_too_late_is_nobodys(bench: Bench) -> None:
    bench.run("timeout")
    asked = bench.asked("eval")
    bench.tab.ended("timeout")
    assert bench.tab.text("timeout") == "timed out\n"
    bench.reply(asked, 1)
    bench.run("eval")
    bench.reply(bench.asked("eval"), 2)
    bench.tab.ended("eval")
    assert bench.tab.text("eval") == "2\n"


def test_g2_no_answer_becomes_the_value_of_an_input(bench: Bench) -> None:
    bench.run("held")
    asked = bench.asked("eval")
    bench.tab.until(lambda: (mark := bench.tab.mark("held")) is not None and mark.prompt != "")
    bench.reply(asked, "forged")
    bench.tab.command("answer_input", cell="held", value="Ada")
    bench.reply(bench.asked("eval"), "y")
    bench.tab.ended("held")
    assert bench.tab.text("held") == "name? Ada\nAda\ny\n"


def test_g4_what_nobody_knows_is_refused_at_once(bench: Bench) -> None:
    assert "make_coffee" in bench.ran("unknown")


def test_the_server_answers_what_needs_no_page(bench: Bench) -> None:
    lines = bench.ran("server").splitlines()
    assert lines == [
        "['begin', 'early'] early = [name for name in sys.modules if name.startswith('google')]",
        "",
        "A title.ipynb A title.ipynb",
        "{} {}",
    ]


def test_there_is_no_google_account(bench: Bench) -> None:
    bench.ran("auth")
    (error,) = bench.tab.outputs("auth")
    assert error["ename"] == "AuthorizationError"
    assert "Secrets" in error["evalue"]


def test_a_function_gets_what_was_sent_and_prints_into_the_cell(bench: Bench) -> None:
    before = bench.tab.text("begin")
    told = bench.invoke("echo", *HOSTILE, 1, None, {"a": HOSTILE}, **{"key": HOSTILE, "other-key": 1})
    assert told["status"] == "ok"
    arguments = [*HOSTILE, 1, None, {"a": HOSTILE}]
    assert json.loads(told["data"])["application/json"] == [arguments, {"key": HOSTILE, "other-key": 1}]
    bench.tab.until(lambda: bench.tab.text("begin") == f"{before}called\n")


def test_functions_that_fail_or_are_not_there_say_so(bench: Bench) -> None:
    told = bench.invoke("fail")
    assert (told["status"], told["error"]) == ("error", 'ValueError: it\'s "broken"')
    marker = bench.server.data / "files" / bench.id / "pwned"
    for name in (f"f','{{}}','{{}}') or __import__('os').system('touch {marker}') or ('", "nobody"):
        told = bench.invoke(name, "'''", "\\")
        assert (told["status"], told["error"]) == ("error", f"ValueError: Function not found: {name}")
    assert not marker.exists()


def test_a_function_may_ask_the_page_itself(bench: Bench) -> None:
    request = bench.call("ask")
    asked = bench.asked("eval")
    assert (asked["cell"], asked["text"]) == ("begin", "inside")
    bench.reply(asked, [1])
    assert json.loads(bench.answered(request)["data"])["application/json"] == [1]


@pytest.mark.parametrize("role", ["viewer", "commenter"])
def test_who_may_not_run_may_not_call(bench: Bench, role: str) -> None:
    with guest(bench, role) as (tab, _):
        tab.command("invoke", request=1, cell="begin", name="echo", args="[]", kwargs="{}")
        tab.command("colab_reply", request=2, reply=1, value="1")
        tab.until(lambda: len([event for event in tab.events if event["type"] == "refused"]) == 2)
        told = [event["reason"] for event in tab.events if event["type"] == "refused"]
        assert all(reason.endswith(f"needs the role runner; yours is {role}.") for reason in told)


def test_a_cell_is_offered(bench: Bench) -> None:
    bench.run("scratch")
    asked = bench.asked("scratch_cell")
    assert asked["text"] == "1\n2"
    bench.reply(asked, {})
    bench.tab.ended("scratch")
    assert bench.tab.text("scratch") == "{}\n"


def test_a_command_reads_lines_and_passwords(bench: Bench) -> None:
    def prompt() -> dict[str, Any] | None:
        mark = bench.tab.mark("line")
        return json.loads(mark.prompt) if mark is not None and mark.prompt else None

    bench.run("line")
    bench.tab.until(lambda: prompt() == {"text": "", "password": False, "line": True})
    bench.tab.command("answer_input", cell="line", value="Ada")
    bench.tab.until(lambda: prompt() == {"text": "", "password": True, "line": True})
    bench.tab.command("answer_input", cell="line", value="drowssap")
    bench.tab.ended("line")
    assert bench.tab.text("line") == "Ada\ngot Ada\npassword\n"
    assert prompt() is None


def test_an_interrupt_ends_a_command_and_the_cell(bench: Bench) -> None:
    bench.run("stop")
    bench.tab.until(lambda: "begun" in bench.tab.text("stop"))
    bench.tab.command("interrupt")
    bench.tab.ended("stop")
    mark = bench.tab.mark("stop")
    assert mark is not None
    assert mark.status.startswith("interrupted")
    assert "not here" not in bench.tab.text("stop")


def test_a_secret_is_read_by_who_ran_the_cell_once_they_allow_it(bench: Bench) -> None:
    bench.ran("missing")
    assert bench.tab.outputs("missing")[0]["ename"] == "SecretNotFoundError"
    assert bench.client.put("/api/secrets/TOKEN", json={"value": SECRET}).status_code == 204

    bench.run("secret")
    asked = bench.asked("secret")
    assert asked["text"] == "TOKEN"
    bench.reply(asked, False)
    bench.tab.ended("secret")
    assert bench.tab.outputs("secret")[0]["ename"] == "NotebookAccessError"

    bench.run("secret")
    asked = bench.asked("secret")
    assert bench.client.put(f"/api/notebooks/{bench.id}/secrets/TOKEN").status_code == 204
    bench.reply(asked, True)
    bench.tab.ended("secret")
    assert bench.tab.text("secret") == f"{len(SECRET)} {SECRET[::-1]}\n"

    with guest(bench, "runner") as (tab, token):  # whose secrets are their own
        bench.run("secret", tab)
        tab.until(lambda: (mark := tab.mark("secret")) is not None and mark.state == "failed")
        tab.until(lambda: bool(tab.outputs("secret")))
        assert tab.outputs("secret")[0]["ename"] == "SecretNotFoundError"
        with bench.server.script(token) as client:
            assert client.get("/api/secrets").json() == {"secrets": []}

    assert SECRET not in bench.client.get(f"/api/notebooks/{bench.id}/export").text
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in bench.server.data.glob("collab.sqlite*"))


def test_a_run_that_is_over_reads_no_secret_any_more(bench: Bench) -> None:
    """Somebody else's code could otherwise ask in its name."""
    assert bench.ran("forged") == "{'exists': True, 'access': False, 'payload': ''}\n"


def test_outputs_with_a_tag_are_cleared(bench: Bench) -> None:
    assert bench.ran("tags") == "kept\nafter\n"


@pytest.mark.timeout(150)
def test_drive_holds_a_hundred_thousand_files(bench: Bench) -> None:
    assert bench.ran("drive", within_s=120).splitlines()[-1] == "100000 True"


def test_the_runtime_is_given_back(bench: Bench) -> None:
    """Before the last one, which needs another."""
    bench.run("unassign")
    bench.tab.until(lambda: bench.tab.runtime.get("status") == "none")
    bench.tab.ended("unassign")
    assert bench.tab.text("unassign") == ""
    bench.ran("begin")


def test_kernels_with_googles_own_package_are_asked_by_an_expression(bench: Bench) -> None:
    """The last one: it takes our way from the kernel."""
    bench.ran("google")
    told = bench.invoke("it's", *HOSTILE, a=HOSTILE)
    assert json.loads(told["data"])["application/json"] == [HOSTILE, {"a": HOSTILE}]
    told = bench.invoke("nobody")
    assert told["error"].startswith("ValueError: Function not found: ")


def test_a_question_outlives_the_server(tmp_path: Path) -> None:
    """The tab that comes back is asked again, and the kernel gets its answer. The last one in this file: the tab of the
    others is not read meanwhile, and would be given up for it."""
    source = "from google.colab import output\nprint(output.eval_js('1'))"
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "a",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    with serving(tmp_path) as server, server.script() as client:
        id = made(client, notebook=content)
        with Watcher(server.url, TOKEN, id) as tab:
            before = Bench(server, client, id, tab)
            before.run("a")
            before.asked("eval")
            server.process.kill()
            server.process.wait()
        with serving(tmp_path) as again, again.script() as script, Watcher(again.url, TOKEN, id) as tab:
            after = Bench(again, script, id, tab)
            after.reply(after.asked("eval"), 5)
            tab.ended("a")
            assert tab.text("a") == "5\n"
