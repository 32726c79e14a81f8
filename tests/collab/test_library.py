"""The list of notebooks: making, renaming, copying, trashing, searching."""

from datetime import datetime
from urllib.parse import quote

import httpx
import pytest

from tests.collab.serving import Served, closing, link, made, refusal


def titles(client: httpx.Client, **query: str) -> list[str]:
    return [entry["title"] for entry in client.get("/api/notebooks", params=query).json()["notebooks"]]


def book(*sources: str) -> dict[str, object]:
    cells = [
        {"id": f"c{at}", "cell_type": "markdown", "metadata": {}, "source": source} for at, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.mark.parametrize("body", [b"", b"{}", b" { }\n"])
def test_an_empty_notebook_has_one_empty_code_cell(owner: httpx.Client, body: bytes) -> None:
    answer = owner.post("/api/notebooks", content=body)
    value = answer.json()
    assert answer.status_code == 201
    assert value == {"id": value["id"], "title": "Untitled"}
    cells = owner.get(f"/api/notebooks/{value['id']}/export").json()["cells"]
    assert [(cell["cell_type"], cell["source"], cell["outputs"]) for cell in cells] == [("code", [], [])]


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ("  A  title\n", "A title"),
        ("x" * 300, "x" * 200),
        ("Loss 3/4", "Loss 3/4"),
        ("", "Untitled"),
        ("<b>&", "<b>&"),
        ("🙂", "🙂"),
    ],
)
def test_a_title_is_one_line_of_text(owner: httpx.Client, asked: str, title: str) -> None:
    for body in ({}, book("x")):
        answer = owner.post("/api/notebooks", params={"title": asked}, json=body).json()
        assert answer["title"] == title
        assert owner.get(f"/api/notebooks/{answer['id']}").json()["title"] == title


def test_the_list_has_the_most_recent_first(served: Served, owner: httpx.Client) -> None:
    first, second = made(owner, "First of two"), made(owner, "Second of two")
    listed = owner.get("/api/notebooks").json()["notebooks"]
    assert [entry["id"] for entry in listed[:2]] == [second, first]
    assert listed[0] == {
        "id": second,
        "title": "Second of two",
        "updated": listed[0]["updated"],
        "role": "owner",
    }
    assert datetime.fromisoformat(listed[0]["updated"]).tzinfo is not None
    assert owner.patch(f"/api/notebooks/{first}", json={"title": "First, touched"}).status_code == 200
    assert titles(owner)[:2] == ["First, touched", "Second of two"]


def test_rename(served: Served, owner: httpx.Client) -> None:
    id = made(owner, "Before")
    with served.script(link(owner, id, "editor")) as editor:
        assert editor.patch(f"/api/notebooks/{id}", json={"title": " After \t all"}).json() == {"id": id}
    assert owner.get(f"/api/notebooks/{id}").json()["title"] == "After all"
    assert "After all" in titles(owner, q="after")
    assert "Before" not in titles(owner)
    exported = owner.get(f"/api/notebooks/{id}/export")
    assert 'filename="After all.ipynb"' in exported.headers["content-disposition"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"title": ""}', "A title is a text that is not empty."),
        (b'{"title": " "}', "A title is a text that is not empty."),
        (b'{"title": 1}', "A title is a text that is not empty."),
        (b'{"trashed": "yes"}', "'trashed' is true or false."),
        (b"[]", "The body is a JSON object."),
        (b"{", "The body is not valid JSON."),
        (b"\xff", "The body is not valid JSON."),
        (b"[" * 100_000, "The body is not valid JSON."),
        (b'{"title": ' + b"1" * 5000 + b"}", "The body is not valid JSON."),
    ],
)
def test_a_change_that_will_not_do(owner: httpx.Client, body: bytes, sentence: str) -> None:
    id = made(owner, "As it was")
    assert refusal(owner.patch(f"/api/notebooks/{id}", content=body)) == (400, sentence)
    assert owner.get(f"/api/notebooks/{id}").json()["title"] == "As it was"


def test_copy(served: Served, owner: httpx.Client) -> None:
    id = made(owner, "Original", book("one", "two"))
    answer = owner.post(f"/api/notebooks/{id}/copy")
    copy = answer.json()
    assert answer.status_code == 201
    assert copy == {"id": copy["id"], "title": "Copy of Original"}
    assert copy["id"] != id
    assert owner.get(f"/api/notebooks/{copy['id']}/export").json() == owner.get(f"/api/notebooks/{id}/export").json()
    owner.patch(f"/api/notebooks/{copy['id']}", json={"title": "Another"})
    assert owner.get(f"/api/notebooks/{id}").json()["title"] == "Original"
    with served.script(link(owner, id, "editor")) as editor:
        sentence = "Guests have no notebooks of their own here; download this one instead."
        assert refusal(editor.post(f"/api/notebooks/{id}/copy")) == (403, sentence)


def test_trash_restore_and_delete(served: Served, owner: httpx.Client) -> None:
    id = made(owner, "For the trash", book("findable-in-the-trash"))
    where = f"/api/notebooks/{id}"
    with served.script(link(owner, id, "editor")) as editor:
        sentence = "Using the trash needs the role owner; yours is editor."
        assert refusal(editor.patch(where, json={"trashed": True})) == (403, sentence)
        assert refusal(editor.delete(where)) == (403, "Deleting a notebook needs the role owner; yours is editor.")
        assert refusal(owner.delete(where)) == (409, "Only notebooks in the trash can be deleted for good.")
        assert owner.patch(where, json={"trashed": True}).status_code == 200
        assert "For the trash" not in titles(owner)
        assert "For the trash" in titles(owner, trash="true")
        assert titles(owner, q="findable-in-the-trash") == []
        assert titles(owner, q="findable-in-the-trash", trash="true") == ["For the trash"]
        in_trash = (409, "The notebook is in the trash; restore it first.")
        assert refusal(owner.get(where)) == refusal(owner.post(f"{where}/copy")) == in_trash
        assert refusal(owner.get(f"{where}/export")) == refusal(owner.get(f"{where}/links")) == in_trash
        assert refusal(editor.get(where))[0] == 404
        assert editor.get("/api/notebooks").json() == {"notebooks": []}
        assert owner.patch(where, json={"trashed": False}).status_code == 200
        assert "For the trash" in titles(owner)
        assert editor.get(where).json()["role"] == "editor"
        owner.patch(where, json={"trashed": True})
        assert owner.delete(where).status_code == 204
        gone = (404, "There is no such notebook, or you have no access to it.")
        assert refusal(owner.get(where)) == refusal(owner.delete(where)) == gone
        assert refusal(owner.patch(where, json={"trashed": False})) == gone
        assert titles(owner, q="findable-in-the-trash", trash="true") == []
        assert refusal(editor.get(where))[0] == 401  # its link is gone with it


def test_the_trash_closes_sockets(served: Served, owner: httpx.Client) -> None:
    id = made(owner)
    headers = {"authorization": owner.headers["authorization"]}
    with served.socket(f"/api/notebooks/{id}/socket", headers) as socket:
        socket.recv(timeout=20)
        owner.patch(f"/api/notebooks/{id}", json={"trashed": True})
        assert closing(socket)[0] == 1012
    assert served.knock(f"/api/notebooks/{id}/socket", headers)[0] == 4404


def test_search_by_title_and_by_content(served: Served, owner: httpx.Client) -> None:
    by_text = made(owner, "Something else", book("about the *aardvarks* of Zanzibar", "and more"))
    by_title = made(owner, "Aardvarks and others")
    elsewhere = made(owner, "Nothing", book("of the kind"))
    found = owner.get("/api/notebooks", params={"q": "aardv"}).json()["notebooks"]
    assert [entry["id"] for entry in found] == [by_title, by_text]
    assert found[1]["snippet"] == "Something else\nabout the *aardvarks* of Zanzibar\nand more"
    assert titles(owner, q="ZANZIBAR aardvark") == ["Something else"]
    assert titles(owner, q="aardvarks kind") == []
    assert elsewhere not in str(found)
    with served.script(link(owner, by_title, "viewer")) as guest:
        assert len(titles(guest)) == 1
    with served.browser(f"/n/{elsewhere}?link={link(owner, elsewhere, 'viewer')}") as guest:
        assert titles(guest, q="aardvarks") == []
        assert titles(guest, q="kind") == ["Nothing"]


@pytest.mark.parametrize(
    "words", ['"', 'a"b*', "NEAR(", "title:x", "^x", "- x", "x AND", "*", "'; DROP TABLE", "(", "\0", "🙂"]
)
def test_nothing_that_people_type_is_syntax(owner: httpx.Client, words: str) -> None:
    assert owner.get(f"/api/notebooks?q={quote(words)}").status_code == 200


def test_search_finds_what_is_not_latin(owner: httpx.Client) -> None:
    made(owner, "Überraschung", book("Изображение и свёртка"))
    assert titles(owner, q="uberr") == titles(owner, q="изображ") == ["Überraschung"]


@pytest.mark.parametrize("value", ["maybe", "1", "yes"])
def test_a_flag_is_true_or_false(owner: httpx.Client, value: str) -> None:
    assert refusal(owner.get("/api/notebooks", params={"trash": value})) == (400, "'trash' is true or false.")
