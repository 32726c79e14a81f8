"""How notebooks come into being from files: over HTTP and from the command line."""

import json
from pathlib import Path

import httpx
import nbformat
import pytest

from collab import ipynb
from tests.collab.serving import Served, made, refusal, refused, serving

V3 = {
    "metadata": {"name": "old"},
    "nbformat": 3,
    "nbformat_minor": 0,
    "worksheets": [
        {
            "metadata": {},
            "cells": [
                {"cell_type": "heading", "level": 2, "metadata": {}, "source": "Old times"},
                {
                    "cell_type": "code",
                    "collapsed": False,
                    "input": "1 + 1",
                    "language": "python",
                    "metadata": {},
                    "outputs": [{"metadata": {}, "output_type": "pyout", "prompt_number": 4, "text": "2"}],
                    "prompt_number": 4,
                },
            ],
        }
    ],
}

BROKEN = [
    (b"not json", "This is no notebook file: it does not begin with '{'."),
    (b'{\n  "cells": [\n    {,\n', "This is not valid JSON: line 3, column 6: "),
    (b"\xff\xfe{}", "This is no notebook: byte 0 is not UTF-8."),
    (b"[1]", "This is no notebook: the file holds a list, not an object."),
    (b'{"a": 1}', "This is no notebook: it has no 'nbformat' number."),
    (b'{"nbformat": 2}', "This notebook is in nbformat 2; versions 3 and 4 can be read."),
    (b'{"nbformat": 4, "cells": [{"cell_type": "code"}]}', "Cell 1 has no 'source'."),
    (b'{"nbformat": 4, "cells": [{"cell_type": "x", "source": ""}]}', "Cell 1 has the type 'x'; there are "),
    (b'{"nbformat": 4, "cells": ' + b"[" * 50_000, "This file is nested deeper than "),
]


@pytest.mark.parametrize(("data", "sentence"), BROKEN, ids=[sentence[:40] for _, sentence in BROKEN])
def test_a_broken_upload_is_refused_with_what_and_where(owner: httpx.Client, data: bytes, sentence: str) -> None:
    before = owner.get("/api/notebooks").json()
    status, said = refusal(owner.post("/api/notebooks", params={"title": "Broken"}, content=data))
    assert status == 400
    assert said.startswith(sentence)
    assert owner.get("/api/notebooks").json() == before


def test_nbformat_3_over_http(owner: httpx.Client) -> None:
    id = made(owner, "Old", V3)
    exported = owner.get(f"/api/notebooks/{id}/export")
    nbformat.validate(nbformat.reads(exported.text, as_version=nbformat.NO_CONVERT))
    assert [(cell["cell_type"], cell["source"]) for cell in exported.json()["cells"]] == [
        ("markdown", ["## Old times"]),
        ("code", ["1 + 1"]),
    ]
    assert exported.json()["cells"][1]["outputs"][0]["data"] == {"text/plain": ["2"]}


def test_an_upload_is_bounded(served: Served, owner: httpx.Client) -> None:
    def chunks() -> object:
        for _ in range(65):
            yield b" " * (1 << 20)

    answer = owner.post("/api/notebooks", content=chunks())  # type: ignore[arg-type]
    assert refusal(answer) == (413, "More than 64 MB were sent; that is the most there may be.")
    answer = owner.patch("/api/me", content=b" " * ((1 << 20) + 1))
    assert refusal(answer) == (413, "More than 1 MB were sent; that is the most there may be.")


def book(source: str = "x") -> bytes:
    cell = {"id": "c", "cell_type": "markdown", "metadata": {}, "source": source}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def test_a_file_from_the_command_line_opens(tmp_path: Path) -> None:
    file = tmp_path / "Lesson one.ipynb"
    file.write_bytes(book("first"))
    data = tmp_path / "data"
    with serving(data, str(file)) as server, server.script() as owner:
        listed = {entry["title"]: entry["id"] for entry in owner.get("/api/notebooks").json()["notebooks"]}
        id = listed["Lesson one"]
        assert listed.keys() == {"Lesson one"} | ({"Welcome"} if "Welcome" in listed else set())
        assert httpx.URL(server.address).path == f"/n/{id}"
    with serving(data, str(file)) as server:
        assert httpx.URL(server.address).path == f"/n/{id}"  # the same file is the same notebook
    file.write_bytes(book("changed"))
    with serving(data, str(file)) as server, server.script() as owner:
        changed = httpx.URL(server.address).path.removeprefix("/n/")
        assert changed != id  # what others edited is not overwritten
        assert owner.get(f"/api/notebooks/{changed}/export").json()["cells"][0]["source"] == ["changed"]
        assert owner.get(f"/api/notebooks/{id}/export").json()["cells"][0]["source"] == ["first"]


def test_a_folder_from_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    for name in ("a.ipynb", "deep/er/b.ipynb", ".ipynb_checkpoints/a-checkpoint.ipynb", ".venv/lib/c.ipynb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(book())
    (folder / "old.ipynb").write_text(json.dumps(V3))
    (folder / "notes.txt").write_text("no notebook")
    (folder / "broken.ipynb").write_text('{"nbformat": 4,\n "cells": [')
    (folder / "gone.ipynb").symlink_to(folder / "nowhere")
    with serving(tmp_path / "data", str(folder), str(tmp_path / "missing.ipynb")) as server, server.script() as owner:
        titles = {entry["title"] for entry in owner.get("/api/notebooks").json()["notebooks"]}
        assert titles - {"Welcome"} == {"a", "b", "old"}
        assert httpx.URL(server.address).path == "/"
    assert server.said == (
        f"{folder / 'broken.ipynb'}: This is not valid JSON: line 2, column 12: Expecting value.\n"
        f"{folder / 'gone.ipynb'}: It cannot be read: No such file or directory.\n"
        f"{tmp_path / 'missing.ipynb'}: It cannot be read: No such file or directory.\n"
    )


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.ipynb": b'{"nbformat": 4,\n "cells": ['}, "collab: {0}: This is not valid JSON: line 2, column 12: "),
        ({"a.ipynb": None}, "collab: {0}: It cannot be read: No such file or directory."),
        ({"a.ipynb": b"", "b.ipynb": b"[]"}, "collab: {0}: This is no notebook: the file is empty.\n{1}: This is no"),
    ],
)
def test_nothing_but_broken_files_is_an_error(tmp_path: Path, files: dict[str, bytes | None], words: str) -> None:
    paths = [tmp_path / name for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        if content is not None:
            path.write_bytes(content)
    assert refused(tmp_path / "data", *map(str, paths)).startswith(words.format(*paths))


def test_a_folder_without_notebooks_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = refused(tmp_path / "data", str(tmp_path / "empty"))
    assert said == f"collab: There are no notebooks (.ipynb) in {tmp_path / 'empty'}."


def test_the_welcome_notebook_is_valid_and_greets_once(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.script() as owner:
        (welcome,) = owner.get("/api/notebooks").json()["notebooks"]
        assert welcome["title"] == "Welcome"
        exported = owner.get(f"/api/notebooks/{welcome['id']}/export").text
        nbformat.validate(nbformat.reads(exported, as_version=nbformat.NO_CONVERT))
        shipped = Path(ipynb.__file__).with_name("welcome.ipynb").read_text()
        assert json.loads(exported) == json.loads(shipped)
        owner.patch(f"/api/notebooks/{welcome['id']}", json={"trashed": True})
    with serving(tmp_path) as server, server.script() as owner:
        assert owner.get("/api/notebooks").json() == {"notebooks": []}
