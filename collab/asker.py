"""Whose code asks for something: the cell it belongs to, the person who ran it, and the tab they did it in."""

from dataclasses import dataclass

from collab.model import CellId, User


@dataclass(frozen=True, slots=True)
class Asker:
    """`connection` is the id of the tab, empty when a script asked, or a server before us was asked."""

    cell: CellId
    user: User
    connection: str
