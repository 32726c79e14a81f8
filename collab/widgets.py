"""The widget models of a Notebook: what kernels and browsers say of them, in order of arrival (outputs.md section 9).

Pure: every change comes back as News, and sending them is for `comms`. The kernel is the authority; what browsers say
counts until it has answered.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from collab.widget_values import BadBuffers, LargeValues, join, references, size_of

WIDGET_TARGET: Final = "jupyter.widget"
MAX_MODELS: Final = 10_000
MAX_STATE_BYTES: Final = 256 << 20
_MAX_SENT: Final = 1_000

# Traits that say what a model is; the rest is its state.
_NAME, _MODULE, _VERSION = "_model_name", "_model_module", "_model_module_version"


class TooMuch(ValueError):
    """A bound is reached; the message is one sentence for the cell."""


@dataclass(frozen=True, slots=True)
class Opened:
    model: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The kernel, or the server for it, has new values of these traits for everyone."""

    model: str
    traits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposed:
    """A browser has: everyone else sees them before the kernel does."""

    model: str
    traits: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Echoed:
    """The kernel has taken what a browser's `message` said: its sender waits for that, and everyone else for what is
    `newest`, the traits that nobody has sent anew since."""

    model: str
    message: str
    state: Mapping[str, Any]
    newest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    model: str


News = Opened | Changed | Proposed | Echoed | Closed


@dataclass(slots=True)
class Model:
    id: str
    state: dict[str, Any]
    is_live: bool = True  # its kernel process is there, and it is not closed
    size: int = 0
    sent: dict[str, str] = field(default_factory=dict)  # trait -> the browser's message that spoke of it last

    @property
    def name(self) -> str:
        return str(self.state.get(_NAME, ""))

    @property
    def module(self) -> str:
        return str(self.state.get(_MODULE, ""))

    @property
    def module_version(self) -> str:
        return str(self.state.get(_VERSION, ""))


@dataclass(slots=True)
class _Sent:
    model: str
    left: set[str]  # traits that have not come back yet


class Widgets:
    def __init__(self, max_models: int = MAX_MODELS, max_bytes: int = MAX_STATE_BYTES) -> None:
        self.models: dict[str, Model] = {}
        self.large = LargeValues()
        self._max_models = max_models
        self._max_bytes = max_bytes
        self._bytes = 0
        self._sent: OrderedDict[str, _Sent] = OrderedDict()

    @property
    def total_bytes(self) -> int:
        return self._bytes + self.large.total_bytes

    def get(self, model: str) -> Model | None:
        return self.models.get(model)

    # -- the kernel ------------------------------------------------------------------------------------------------

    def open(self, id: str, data: Mapping[str, Any], buffers: Sequence[bytes]) -> list[News]:
        """Raises TooMuch and BadBuffers."""
        state = _state_of(data, buffers)
        if id not in self.models and len(self.models) >= self._max_models:
            raise TooMuch(f"A kernel has at most {self._max_models:,} widgets; restart it to begin anew.")
        self._drop(id)
        self.models[id] = Model(id, {})
        self._set(self.models[id], state)
        return [Opened(id)]

    def update(self, id: str, data: Mapping[str, Any], buffers: Sequence[bytes]) -> list[News]:
        """Raises TooMuch and BadBuffers."""
        model = self.models.get(id)
        if model is None:
            return []
        state = _state_of(data, buffers)
        self._set(model, state)
        return [Changed(id, tuple(state))]

    def echo(self, id: str, data: Mapping[str, Any], buffers: Sequence[bytes], parent: str) -> list[News]:
        """An `echo_update`. Raises TooMuch and BadBuffers."""
        model = self.models.get(id)
        if model is None:
            return []
        state = _state_of(data, buffers)
        sent = self._sent.get(parent)
        if sent is not None:
            sent.left -= state.keys()
            if _is_upload(model):
                state = {trait: value for trait, value in state.items() if trait not in ("value", "data")}
        return self._echoed(model, state, parent)

    def close(self, id: str) -> list[News]:
        if id not in self.models:
            return []
        self._drop(id)
        return [Closed(id)]

    def idle(self, message: str) -> list[News]:
        """The kernel is done with a browser's message. Kernels that do not echo (ipywidgets 7, and some traits of 8)
        have taken it all the same (W3); what they made of it has come by now."""
        sent = self._sent.pop(message, None)
        model = self.models.get(sent.model) if sent is not None else None
        if sent is None or model is None or not sent.left:
            return []
        state = {trait: model.state[trait] for trait in sent.left if trait in model.state}
        newest = tuple(trait for trait in state if model.sent.get(trait) == message)
        for trait in newest:
            del model.sent[trait]
        return [Echoed(model.id, message, state, newest)]

    def states(self, data: Mapping[str, Any], buffers: Sequence[bytes]) -> list[News]:
        """Answer to `request_states` (W8): all there is. Raises TooMuch and BadBuffers."""
        whole = join({"states": data.get("states")}, _under_states(data.get("buffer_paths")), buffers)["states"]
        if not isinstance(whole, dict):
            return []
        news: list[News] = []
        for id, told in whole.items():
            state = told.get("state") if isinstance(told, dict) else None
            if not isinstance(state, dict):
                continue
            known = self.models.get(id)
            if known is None:
                news += self.open(id, {"state": state}, ())
            else:
                known.is_live = True
                self._set(known, state)
                news.append(Changed(id, tuple(state)))
        for id in [model.id for model in self.models.values() if model.id not in whole]:
            self.models[id].is_live = False
        return news

    # -- browsers --------------------------------------------------------------------------------------------------

    def propose(self, id: str, message: str, data: Mapping[str, Any], buffers: Sequence[bytes]) -> list[News]:
        """A browser's `update`, on its way to the kernel. Raises TooMuch and BadBuffers."""
        model = self.models.get(id)
        if model is None:
            return []
        state = _state_of(data, buffers)
        self._set(model, state)
        for trait in state:
            model.sent[trait] = message
        self._sent[message] = _Sent(id, set(state))
        while len(self._sent) > _MAX_SENT:
            self._sent.popitem(last=False)
        return [Proposed(id, tuple(state), message)]

    # -- the server ------------------------------------------------------------------------------------------------

    def set(self, id: str, state: Mapping[str, Any]) -> list[News]:
        """Traits that the server itself knows better: what an Output widget has captured (W7)."""
        model = self.models.get(id)
        if model is None:
            return []
        self._set(model, state)
        return [Changed(id, tuple(state))]

    def disconnect(self) -> None:
        """The kernel process is gone: what there is stays as it was last (W8)."""
        self._sent.clear()
        for model in self.models.values():
            model.is_live = False
            model.sent.clear()

    def reconnect(self) -> None:
        """The process that these models are of is there after all."""
        for model in self.models.values():
            model.is_live = True

    def forget(self, but: Iterable[str]) -> None:
        """Models of processes that are gone go, but for those that these views reach."""
        kept = set(self.reachable(but))
        for id in [model.id for model in self.models.values() if not model.is_live and model.id not in kept]:
            self._drop(id)

    @property
    def is_full(self) -> bool:
        return len(self.models) >= self._max_models

    def make_room(self, views: Iterable[str]) -> None:
        """The older half goes of what these views do not reach: the kernel has it, and is asked when it is shown."""
        kept = set(self.reachable(views))
        for id in [id for id in list(self.models)[: self._max_models // 2] if id not in kept]:
            self._drop(id)

    def reachable(self, views: Iterable[str]) -> list[str]:
        """These models and all that they name, directly or not; each once, in order of discovery."""
        found: dict[str, None] = {}
        left = list(views)
        while left:
            id = left.pop()
            model = self.models.get(id)
            if model is None or id in found:
                continue
            found[id] = None
            left += references(model.state)
        return list(found)

    # -- within ----------------------------------------------------------------------------------------------------

    def _echoed(self, model: Model, state: dict[str, Any], message: str) -> list[News]:
        newest = tuple(trait for trait in state if model.sent.get(trait, message) == message)
        for trait in newest:
            model.sent.pop(trait, None)
        self._set(model, {trait: state[trait] for trait in newest})
        kept = {trait: model.state[trait] if trait in newest else state[trait] for trait in state}
        return [Echoed(model.id, message, kept, newest)]

    def _set(self, model: Model, state: Mapping[str, Any]) -> None:
        if _is_upload(model) or state.get(_NAME) == "FileUploadModel":
            state = {trait: without_contents(value) for trait, value in state.items()}
        for trait, value in state.items():
            old = model.state.get(trait)
            taken = self.large.take_in(value)
            self.large.let_go(old)
            size = size_of(taken) - (size_of(old) if trait in model.state else -len(trait))
            model.state[trait] = taken
            model.size += size
            self._bytes += size
        if self.total_bytes > self._max_bytes:
            raise TooMuch(f"Widgets of a kernel may hold {self._max_bytes >> 20} MB together; this one was closed.")

    def _drop(self, id: str) -> None:
        model = self.models.pop(id, None)
        if model is not None:
            self._bytes -= model.size
            self.large.let_go(model.state)


def without_contents(value: Any) -> Any:
    """Files that somebody chose are the kernel's; nobody else's browser needs more than their names and sizes."""
    if isinstance(value, bytes):
        return b""
    if isinstance(value, list):
        return [without_contents(item) for item in value]
    if isinstance(value, dict):
        return {key: without_contents(item) for key, item in value.items()}
    return value


def _is_upload(model: Model) -> bool:
    return model.name == "FileUploadModel"


def _state_of(data: Mapping[str, Any], buffers: Sequence[bytes]) -> dict[str, Any]:
    state = data.get("state")
    if not isinstance(state, Mapping):
        raise BadBuffers("A widget's state is an object.")
    return join(state, data.get("buffer_paths") or [], buffers)


def _under_states(paths: object) -> object:
    return [["states", *path] if isinstance(path, list) else path for path in paths] if isinstance(paths, list) else []
