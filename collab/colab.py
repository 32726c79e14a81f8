"""What a kernel asks its front end by `colab_request`, and how it is answered (outputs.md section 10). Pure values.

The answer travels on stdin as an input_reply that nobody asked for; who reads it there knows it by its id.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from collab.notebook import clean

INVOKE_TARGET: Final = "google.colab.invoke"  # the comm target of our own package (kernels/colab)
MAX_VALUE_CHARS: Final = 1 << 20

Id: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class ColabRequest:
    """`id` is None when no answer is wanted. `parent` and `session` are of what the kernel was doing; either may be
    empty."""

    type: str
    id: Id | None
    body: Mapping[str, object]
    parent: str
    session: str


def read_request(metadata: Mapping[str, object], content: object, parent: Mapping[str, object]) -> ColabRequest:
    """Of a `colab_request`; what is missing is empty."""
    request = content.get("request") if isinstance(content, Mapping) else None
    type, id = metadata.get("colab_request_type"), metadata.get("colab_msg_id")
    return ColabRequest(
        type if isinstance(type, str) else "",
        id if isinstance(id, (int, str)) and not isinstance(id, bool) else None,
        request if isinstance(request, Mapping) else {},
        _text(parent.get("msg_id")),
        _text(parent.get("session")),
    )


def reply(id: Id, data: object) -> dict[str, object]:
    """Content of the input_reply."""
    return {"value": {"type": "colab_reply", "colab_msg_id": id, "data": data}}


def failure(id: Id, error: str) -> dict[str, object]:
    """The same, which raises MessageError in the kernel."""
    return {"value": {"type": "colab_reply", "colab_msg_id": id, "error": error}}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of a function of the kernel's that a frame has called: a mime bundle, or why there is none."""

    status: Literal["ok", "error"]
    data: str = "{}"  # JSON text
    metadata: str = "{}"
    error: str = ""


def read_outcome(value: object) -> Outcome | None:
    """As a user expression's, which our own package sends too; None for what is none."""
    if not isinstance(value, Mapping):
        return None
    match value.get("status"):
        case "ok":
            return Outcome("ok", _json(value.get("data")), _json(value.get("metadata")))
        case "error":
            name, text = _text(value.get("ename")), _text(value.get("evalue"))
            return Outcome("error", error=": ".join(part for part in (name, text) if part) or "The function failed.")
        case _:
            return None


def invoke_expression(name: str, args: str, kwargs: str) -> str:
    """For kernels with Google's own package, which know no comm of ours: whatever the texts hold, each is one literal
    of Python (G5). `args` and `kwargs` are JSON texts; the name is given as the package keeps it."""
    texts = ", ".join(json.dumps(text) for text in (name, args, kwargs))
    module = '__import__("google.colab.output._js", fromlist=["_"])'
    known = 'n if n in getattr(j, "_functions", {n: 0}) else __import__("json").dumps(n)'
    return f"(lambda j, n, a, k: j._invoke_function({known}, a, k))({module}, {texts})"


def typed_line(line: str) -> dict[str, object]:
    """Content of the input_reply for a line typed to a running `!` command."""
    return {"value": f"{line}\n"}


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _json(value: object) -> str:
    return json.dumps(value if isinstance(value, Mapping) else {})
