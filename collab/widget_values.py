"""Values of widget traits: JSON in which bytes may stand where the comm protocol has buffers, and `Large` where a text
or bytes are so many that they are kept once and named by their SHA-256. Pure.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collab.model import MAX_JSON_DEPTH
from collab.notebook import clean

# What is larger is named in messages to browsers, which fetch it once.
MAX_INLINE_BYTES: Final = 64 << 10
# Replaced a moment ago: a browser may still be about to fetch it.
MAX_RELEASED_BYTES: Final = 32 << 20

WIDGET_VIEW: Final = "application/vnd.jupyter.widget-view+json"
_MODEL: Final = "IPY_MODEL_"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Large:
    sha256: str
    size: int
    is_text: bool


@dataclass(frozen=True, slots=True)
class Split:
    """As it travels: JSON without what stands at `paths`, and where large values belong."""

    value: Any
    paths: tuple[Path, ...]
    buffers: tuple[bytes, ...]
    large: tuple[tuple[Path, Large], ...]


class BadBuffers(ValueError):
    """Buffers whose places are not in the state."""


def join(state: Mapping[str, Any], paths: object, buffers: Sequence[bytes]) -> dict[str, Any]:
    """The state with its buffers in place. Raises BadBuffers."""
    whole = sane(state)
    if not isinstance(paths, list) or len(paths) > len(buffers):
        raise BadBuffers("The places of the buffers are missing.")
    for path, buffer in zip(paths, buffers, strict=False):
        _put(whole, path, bytes(buffer))
    assert isinstance(whole, dict)
    return whole


def sane(value: Any, depth: int = 0) -> Any:
    """A copy of JSON that browsers can take. Raises BadBuffers."""
    if depth > MAX_JSON_DEPTH:
        raise BadBuffers(f"The state is nested deeper than {MAX_JSON_DEPTH} levels.")
    match value:
        case str():
            return clean(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {clean(str(key)): sane(item, depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [sane(item, depth + 1) for item in value]
        case _:
            return value


def _put(value: Any, path: object, buffer: bytes) -> None:
    if not isinstance(path, list) or not path:
        raise BadBuffers("The place of a buffer is a list.")
    *way, last = path
    try:
        for step in way:
            value = value[step]
        if isinstance(value, list) and last == len(value):
            value.append(buffer)
        else:
            value[last] = buffer
    except (LookupError, TypeError) as error:
        raise BadBuffers("The place of a buffer is not in the state.") from error


def split(value: Any) -> Split:
    paths: list[Path] = []
    buffers: list[bytes] = []
    large: list[tuple[Path, Large]] = []

    def part(item: Any, path: Path) -> Any:
        match item:
            case bytes():
                paths.append(path)
                buffers.append(item)
                return None
            case Large():
                large.append((path, item))
                return None
            case dict():
                parts = {key: part(inner, (*path, key)) for key, inner in item.items()}
                return {key: inner for key, inner in parts.items() if not isinstance(item[key], (bytes, Large))}
            case list():
                return [part(inner, (*path, index)) for index, inner in enumerate(item)]
            case _:
                return item

    return Split(part(value, ()), tuple(paths), tuple(buffers), tuple(large))


def size_of(value: Any) -> int:
    """About how many bytes it takes here; large ones are counted where they are kept."""
    match value:
        case str() | bytes():
            return len(value)
        case dict():
            return sum(len(key) + size_of(item) for key, item in value.items())
        case list():
            return sum(size_of(item) for item in value) + 8
        case Large():
            return 128
        case _:
            return 8


def references(value: Any) -> Iterator[str]:
    """Ids of the models that it names."""
    match value:
        case str() if value.startswith(_MODEL):
            yield value.removeprefix(_MODEL)
        case dict():
            view = value.get(WIDGET_VIEW)  # in what an Output widget has captured
            if isinstance(view, dict) and isinstance(view.get("model_id"), str):
                yield view["model_id"]
            for item in value.values():
                yield from references(item)
        case list():
            for item in value:
                yield from references(item)
        case _:
            pass


class LargeValues:
    """Each once, for as long as something names it and a while longer."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, int]] = {}
        self._released: OrderedDict[str, bytes] = OrderedDict()
        self._released_bytes = 0
        self.total_bytes = 0

    def get(self, sha256: str) -> bytes | None:
        kept = self._kept.get(sha256)
        return kept[0] if kept is not None else self._released.get(sha256)

    def take_in(self, value: Any) -> Any:
        """The value with its large parts kept here, once more each."""
        match value:
            case bytes() | str() if len(value) > MAX_INLINE_BYTES:
                content = value if isinstance(value, bytes) else value.encode()
                large = Large(hashlib.sha256(content).hexdigest(), len(content), isinstance(value, str))
                known, count = self._kept.get(large.sha256, (content, 0))
                self._kept[large.sha256] = known, count + 1
                if count == 0:
                    self.total_bytes += len(content)
                return large
            case dict():
                return {key: self.take_in(item) for key, item in value.items()}
            case list():
                return [self.take_in(item) for item in value]
            case _:
                return value

    def let_go(self, value: Any) -> None:
        """Of a value that `take_in` gave."""
        for large in _larges(value):
            content, count = self._kept.pop(large.sha256, (b"", 0))
            if count > 1:
                self._kept[large.sha256] = content, count - 1
            elif count == 1:
                self.total_bytes -= len(content)
                self.hold(large.sha256, content)

    def hold(self, sha256: str, content: bytes) -> None:
        """For a while: the last ones of up to MAX_RELEASED_BYTES."""
        self._released_bytes += len(content) - len(self._released.pop(sha256, b""))
        self._released[sha256] = content
        while self._released_bytes > MAX_RELEASED_BYTES and len(self._released) > 1:
            _, oldest = self._released.popitem(last=False)
            self._released_bytes -= len(oldest)

    def pass_on(self, buffers: Iterable[bytes]) -> list[bytes | Large]:
        """Buffers of a message that nobody keeps."""
        passed: list[bytes | Large] = []
        for buffer in buffers:
            if len(buffer) <= 4 * MAX_INLINE_BYTES:
                passed.append(buffer)
                continue
            large = Large(hashlib.sha256(buffer).hexdigest(), len(buffer), False)
            self.hold(large.sha256, buffer)
            passed.append(large)
        return passed

    def whole(self, value: Any) -> Any:
        """The value with its large parts in place."""
        match value:
            case Large(sha256, _, is_text):
                content = self.get(sha256) or b""
                return content.decode() if is_text else content
            case dict():
                return {key: self.whole(item) for key, item in value.items()}
            case list():
                return [self.whole(item) for item in value]
            case _:
                return value


def _larges(value: Any) -> Iterator[Large]:
    match value:
        case Large():
            yield value
        case dict():
            for item in value.values():
                yield from _larges(item)
        case list():
            for item in value:
                yield from _larges(item)
        case _:
            pass
