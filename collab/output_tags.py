"""Tags that outputs of one cell carry, so that those with some of them can be cleared (outputs.md section 10). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_MAX_TAGS: Final = 50  # that hold at once; further ones are left out


@dataclass(slots=True)
class OutputTags:
    """`held` go to each output that comes; `of` has those of outputs, by their place."""

    held: frozenset[str] = frozenset()
    of: dict[int, frozenset[str]] = field(default_factory=dict)

    def change(self, add: Iterable[str], remove: Iterable[str]) -> None:
        self.held = frozenset(sorted((self.held - set(remove)) | set(add))[:_MAX_TAGS])

    def added(self, index: int) -> tuple[str, ...]:
        """An output has come; its tags."""
        if self.held:
            self.of[index] = self.held
        return tuple(sorted(self.held))

    def with_all(self, tags: Iterable[str]) -> list[int]:
        """Places of the outputs that carry each of these, in order."""
        wanted = set(tags)
        return sorted(index for index, tags in self.of.items() if wanted <= tags)

    def removed(self, gone: list[int]) -> None:
        """Outputs went, and what was behind them moved up."""
        self.of = {moved_up(index, gone): tags for index, tags in self.of.items() if index not in gone}

    def clear(self) -> None:
        """All outputs went."""
        self.of.clear()


def moved_up(index: int, gone: list[int]) -> int:
    """The place of an output after those at `gone` went; it is not one of them."""
    return index - sum(place < index for place in gone)
