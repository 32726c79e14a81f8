"""Widget state as files have it, `metadata.widgets` (outputs.md W10): written in the shape that nbconvert and GitHub
read, and read in Colab's too. Pure."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from pycrdt import Array, Map

from collab import notebook
from collab.notebook import WIDGETS, NotebookDoc
from collab.widget_values import WIDGET_VIEW, BadBuffers, references, sane, split
from collab.widgets import Widgets

WIDGET_STATE: Final = "application/vnd.jupyter.widget-state+json"
MAX_SAVED_BYTES: Final = 10 << 20
_NOTE: Final = "collab_widgets"

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
        saved[str(id)] = dict(entry)
    return saved


def restore(widgets: Widgets, saved: Saved) -> None:
    """Into an empty `widgets`, as models of a kernel that is gone. What cannot be read is left out."""
    for id, entry in saved.items():
        names = {
            "_model_module": str(entry.get("model_module") or ""),
            "_model_module_version": str(entry.get("model_module_version") or ""),
            "_model_name": str(entry.get("model_name") or ""),
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
    for item in filter(lambda each: isinstance(each, Mapping), value if isinstance(value, list) else []):
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


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where the document says that the state was stored. `session` is the kernel's that it was of, `left_out` the
    number of models that were too large together."""

    sha256: str = ""
    size: int = 0
    session: str = ""
    left_out: int = 0


def read_pointer(doc: NotebookDoc) -> Pointer:
    text = notebook.roots(doc).meta.get(WIDGETS)
    try:
        value = json.loads(text) if isinstance(text, str) else {}
        return Pointer(**value) if isinstance(value, dict) else Pointer()
    except (ValueError, TypeError):
        return Pointer()


def pointer_json(pointer: Pointer) -> str:
    return json.dumps(asdict(pointer))


def read_stored(pointer: Pointer, get_blob: Callable[[str], bytes]) -> Saved:
    """Nothing when it is gone."""
    if not pointer.sha256:
        return {}
    try:
        value = json.loads(get_blob(pointer.sha256))
    except (ValueError, OSError):
        return {}
    return value if isinstance(value, dict) else {}


def exported(doc: NotebookDoc, metadata: Mapping[str, Any], get_blob: Callable[[str], bytes]) -> dict[str, Any]:
    """The file's metadata with the state of the widgets that its outputs show."""
    pointer = read_pointer(doc)
    saved = reached(read_stored(pointer, get_blob), views_of(doc))
    out = {key: value for key, value in metadata.items() if key != _NOTE}
    if saved:
        others = metadata.get("widgets")
        out["widgets"] = (dict(others) if isinstance(others, Mapping) else {}) | metadata_of(saved)
        if pointer.left_out:
            limit = f"{MAX_SAVED_BYTES >> 20} MB"
            out[_NOTE] = f"{pointer.left_out} widgets were left out: together they had more than {limit}."
    return out


def imported(metadata: Mapping[str, Any], put_blob: Callable[[bytes], str]) -> tuple[dict[str, Any], str]:
    """The file's metadata without that state, and what the document is to say of it; empty when there is none."""
    saved = read_saved(metadata.get("widgets"))
    if not saved:
        return dict(metadata), ""
    saved, left_out = bounded(saved)
    content = to_bytes(saved)
    rest = {key: value for key, value in metadata["widgets"].items() if key != WIDGET_STATE}
    kept = {key: value for key, value in metadata.items() if key not in ("widgets", _NOTE)}
    named = pointer_json(Pointer(put_blob(content), len(content), "", left_out))
    return kept | ({"widgets": rest} if rest else {}), named
