from domain.principals import LOCAL, Principal, PrincipalKind
from domain.scopes import Scope


def test_a_scope_stands_for_itself_alone() -> None:
    ruler = Principal(PrincipalKind.API_KEY, "k7Qm2ZpX4rT1", "root", frozenset({Scope.ADMIN}))
    assert [scope for scope in Scope if ruler.may(scope)] == [Scope.ADMIN]
    assert all(LOCAL.may(scope) for scope in Scope)


def test_what_is_written_says_by_whom() -> None:
    assert Principal(PrincipalKind.API_KEY, "k7Qm2ZpX4rT1", "etl", frozenset()).author == "api_key:k7Qm2ZpX4rT1"
    assert Principal(PrincipalKind.ENV_KEY, "1", "CELERIAC_API_KEYS 1", frozenset()).author == "env_key:1"
    assert LOCAL.author == "local"
    in_a_session = Principal(PrincipalKind.SESSION, "1", "ada", frozenset(), signed_in_with=PrincipalKind.API_KEY)
    assert in_a_session.author == "api_key:1"
