"""Widget state as files have it, `metadata.widgets` (outputs.md W10): written in the shape that nbconvert and GitHub
read, and read in Colab's too. Pure."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pycrdt import Array, Map

from collab import notebook
from collab.notebook import NotebookDoc
from collab.widget_values import WIDGET_VIEW, BadBuffers, references, sane, split
from collab.widgets import Widgets

WIDGET_STATE: Final = "application/vnd.jupyter.widget-state+json"
MAX_SAVED_BYTES: Final = 10 << 20
POINTER: Final = "widgets"  # in the document's meta: where the state was stored, as JSON text

Saved = dict[str, dict[str, Any]]  # by model id, an entry each as nbformat has them


def views_of(doc: NotebookDoc) -> list[str]:
    """Models that the outputs of the document show."""
    outputs = notebook.roots(doc).outputs
    shown: list[str] = []
    with doc.transaction():
        for cell in outputs.keys():  # noqa: SIM118 - a pycrdt Map iterates over no keys
            for entry in outputs[cell] if isinstance(outputs[cell], Array) else ():
                data = entry.get("data") if isinstance(entry, Map) else None
                view = data.get(WIDGET_VIEW) if isinstance(data, Map) else None
                if isinstance(view, str) and (model := _view_model(view)):
                    shown.append(model)
    return shown


def _view_model(view: str) -> str:
    try:
        value = json.loads(view)
    except ValueError:
        return ""
    model = value.get("model_id") if isinstance(value, dict) else None
    return model if isinstance(model, str) else ""


def to_saved(widgets: Widgets, views: Iterable[str]) -> Saved:
    """The models that these views reach."""
    saved: Saved = {}
    for id in widgets.reachable(views):
        model = widgets.models[id]
        parts = split(widgets.large.whole(model.state))
        entry: dict[str, Any] = {
            "model_module": model.module,
            "model_module_version": model.module_version,
            "model_name": model.name,
            "state": parts.value,
        }
        if parts.buffers:
            entry["buffers"] = [
                {"data": base64.b64encode(buffer).decode(), "encoding": "base64", "path": list(path)}
                for path, buffer in zip(parts.paths, parts.buffers, strict=True)
            ]
        saved[id] = entry
    return saved


def bounded(saved: Saved, limit: int = MAX_SAVED_BYTES) -> tuple[Saved, int]:
    """What fits, the biggest left out first; and how many were left out."""
    sizes = {id: len(json.dumps(entry)) for id, entry in saved.items()}
    total, left_out = sum(sizes.values()), 0
    for id in sorted(sizes, key=lambda id: (-sizes[id], id)):
        if total <= limit:
            break
        total -= sizes[id]
        saved = {other: entry for other, entry in saved.items() if other != id}
        left_out += 1
    return saved, left_out


def reached(saved: Saved, views: Iterable[str]) -> Saved:
    found: Saved = {}
    left = list(views)
    while left:
        id = left.pop()
        if id in saved and id not in found:
            found[id] = saved[id]
            left += references(saved[id].get("state"))
    return {id: found[id] for id in sorted(found)}


def read_saved(metadata: object) -> Saved:
    """`metadata.widgets` of a file, in either shape; what is no model is left out."""
    value = metadata.get(WIDGET_STATE) if isinstance(metadata, Mapping) else None
    if not isinstance(value, Mapping):
        return {}
    states = value.get("state")
    models = states if isinstance(states, Mapping) and "model_name" not in states else value
    saved: Saved = {}
    for id, entry in models.items():
        if not isinstance(entry, Mapping) or not isinstance(entry.get("state"), Mapping):
            continue
        names = {key: str(entry.get(key, "")) for key in ("model_module", "model_module_version", "model_name")}
        kept: dict[str, Any] = {**names, "state": dict(entry["state"])}
        if isinstance(entry.get("buffers"), list) and entry["buffers"]:
            kept["buffers"] = entry["buffers"]
        saved[str(id)] = kept
    return saved


def restore(widgets: Widgets, saved: Saved) -> None:
    """Into an empty `widgets`, as models of a kernel that is gone. What cannot be read is left out."""
    for id, entry in saved.items():
        names = {
            "_model_module": entry.get("model_module"),
            "_model_module_version": entry.get("model_module_version"),
            "_model_name": entry.get("model_name"),
        }
        try:
            state = names | sane(entry["state"])
            paths, buffers = _buffers(entry.get("buffers", []))
            widgets.open(id, {"state": state, "buffer_paths": paths}, buffers)
        except (BadBuffers, ValueError):
            continue
    widgets.disconnect()


def _buffers(value: object) -> tuple[list[Any], list[bytes]]:
    paths, buffers = [], []
    for item in value if isinstance(value, list) else []:
        data, encoding = str(item.get("data", "")), item.get("encoding")
        try:
            buffers.append(bytes.fromhex(data) if encoding == "hex" else base64.b64decode(data))
        except (ValueError, binascii.Error):
            buffers.append(b"")
        paths.append(item.get("path"))
    return paths, buffers


def metadata_of(saved: Saved) -> dict[str, Any]:
    return {WIDGET_STATE: {"state": saved, "version_major": 2, "version_minor": 0}}


def to_bytes(saved: Saved) -> bytes:
    return json.dumps(saved, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def read_pointer(doc: NotebookDoc) -> tuple[str, str]:
    """SHA-256 of the stored state, and the kernel session it was of; both empty when nothing is stored."""
    text = notebook.roots(doc).meta.get(POINTER)
    try:
        value = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        value = {}
    sha256, session = (value.get(key) if isinstance(value, dict) else None for key in ("sha256", "session"))
    return (sha256, session if isinstance(session, str) else "") if isinstance(sha256, str) else ("", "")


def pointer(sha256: str, size: int, session: str) -> str:
    return json.dumps({"sha256": sha256, "size": size, "session": session})


def stored(doc: NotebookDoc, get_blob: Callable[[str], bytes]) -> Saved:
    """What the document names; nothing when it is gone."""
    sha256, _ = read_pointer(doc)
    if not sha256:
        return {}
    try:
        value = json.loads(get_blob(sha256))
    except (ValueError, OSError):
        return {}
    return value if isinstance(value, dict) else {}
