"""The words of the product: roles in their order and under their names."""

import pytest

from collab.model import Role


def test_each_role_includes_those_below_it() -> None:
    assert [role.word for role in sorted(Role)] == ["viewer", "commenter", "runner", "editor", "owner"]
    assert Role.VIEWER < Role.COMMENTER < Role.RUNNER < Role.EDITOR < Role.OWNER


@pytest.mark.parametrize("role", Role)
def test_a_role_is_read_by_its_word(role: Role) -> None:
    assert Role.parse(role.word) is role
    assert Role.parse(role.word.upper()) is role


@pytest.mark.parametrize("word", ["", "admin", "editor ", "__class__", None, 5, ["editor"], {"role": "editor"}])
def test_another_word_is_refused_with_the_roles_there_are(word: object) -> None:
    with pytest.raises(ValueError, match="the roles are viewer, commenter, runner, editor, owner"):
        Role.parse(word)
