from domain.scopes import MEANINGS, Scope


def test_each_scope_has_a_meaning() -> None:
    assert list(MEANINGS) == list(Scope)
