"""What Output widgets capture: outputs of messages that they listen to, instead of the cell's (outputs.md W7). Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from collab.messages import Clear, Display, Failure, Result, Stream, is_json
from collab.terminal import Terminal

MAX_OUTPUTS: Final = 1_000
MAX_STREAM_CHARS: Final = 256 << 10
_LEFT_OUT: Final = f"[An Output widget keeps its last {MAX_STREAM_CHARS >> 10} KB of a stream.]\n"

Captured = Stream | Display | Result | Failure | Clear


@dataclass(slots=True)
class _Outputs:
    listed: list[dict[str, Any]] = field(default_factory=list)
    shown: dict[str, int] = field(default_factory=dict)  # display_id -> index
    terminal: Terminal | None = None  # of the last one, while it is a stream that may grow
    clear_next: bool = False


class Captures:
    def __init__(self) -> None:
        self._outputs: dict[str, _Outputs] = {}
        self._listening: dict[str, list[str]] = {}  # msg_id -> models, the last one hears it

    def listen(self, model: str, message: str) -> None:
        """From now on the model has what this message puts out; nothing any more when it is empty."""
        for heard, models in list(self._listening.items()):
            if model in models:
                models.remove(model)
            if not models:
                del self._listening[heard]
        if message:
            self._listening.setdefault(message, []).append(model)

    def listener(self, message: str) -> str | None:
        models = self._listening.get(message)
        return models[-1] if models else None

    def is_listening(self, model: str) -> bool:
        return any(model in models for models in self._listening.values())

    def replace(self, model: str, outputs: object) -> None:
        """The kernel has set them by itself."""
        listed = [dict(item) for item in outputs if isinstance(item, Mapping)] if isinstance(outputs, list) else []
        self._outputs[model] = _Outputs(listed[-MAX_OUTPUTS:])

    def forget(self, model: str) -> None:
        self.listen(model, "")
        self._outputs.pop(model, None)

    def clear(self) -> None:
        self._listening.clear()
        self._outputs.clear()

    def outputs(self, model: str) -> list[dict[str, Any]]:
        """As nbformat has them."""
        kept = self._outputs.get(model)
        if kept is None:
            return []
        if kept.terminal is not None and kept.listed:
            kept.listed[-1] = kept.listed[-1] | {"text": kept.terminal.text}
        return list(kept.listed)

    def take(self, model: str, event: Captured) -> bool:
        """Whether that changed anything by now."""
        kept = self._outputs.setdefault(model, _Outputs())
        if isinstance(event, Clear):
            if event.wait:
                kept.clear_next = True
                return False
            self._outputs[model] = _Outputs()
            return True
        if isinstance(event, Display) and event.update:
            return self._update(kept, event)
        if kept.clear_next:
            kept = self._outputs[model] = _Outputs()
        if isinstance(event, Stream):
            self._stream(kept, event)
            return True
        self._settle(kept)
        if len(kept.listed) >= MAX_OUTPUTS:
            del kept.listed[0]
            kept.shown = {id: index - 1 for id, index in kept.shown.items() if index > 0}
        match event:
            case Display(data, metadata, display_id):
                kept.listed.append(_display("display_data", data, metadata))
            case Result(data, metadata, display_id, count):
                kept.listed.append(_display("execute_result", data, metadata) | {"execution_count": count})
            case Failure(ename, evalue, traceback):
                display_id = ""
                kept.listed.append(
                    {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": list(traceback)}
                )
        if display_id:
            kept.shown[display_id] = len(kept.listed) - 1
        return True

    def _stream(self, kept: _Outputs, event: Stream) -> None:
        last = kept.listed[-1] if kept.listed else {}
        if last.get("output_type") != "stream" or last.get("name") != event.name:
            self._settle(kept)
            kept.listed.append({"output_type": "stream", "name": event.name, "text": ""})
            kept.terminal = Terminal()
        elif kept.terminal is None:
            text = last.get("text")
            kept.terminal = Terminal("".join(text) if isinstance(text, list) else str(text))
        assert kept.terminal is not None
        kept.terminal.write(event.text)
        if kept.terminal.kept > 2 * MAX_STREAM_CHARS:
            tail = kept.terminal.text[-MAX_STREAM_CHARS:]
            kept.terminal = Terminal(_LEFT_OUT + tail[tail.find("\n") + 1 :])

    def _settle(self, kept: _Outputs) -> None:
        if kept.terminal is not None and kept.listed:
            kept.listed[-1] = kept.listed[-1] | {"text": kept.terminal.text}
        kept.terminal = None

    def _update(self, kept: _Outputs, event: Display) -> bool:
        index = kept.shown.get(event.display_id)
        if index is None or index >= len(kept.listed):
            return False
        kept.listed[index] = kept.listed[index] | _bundle(event.data, event.metadata)
        return True


def _display(kind: str, data: Mapping[str, str], metadata: str) -> dict[str, Any]:
    return {"output_type": kind} | _bundle(data, metadata)


def _bundle(data: Mapping[str, str], metadata: str) -> dict[str, Any]:
    values = {mime: json.loads(value) if is_json(mime) else value for mime, value in data.items()}
    return {"data": values, "metadata": json.loads(metadata)}
