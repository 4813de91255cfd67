import pytest

from api.middleware.scopes import header_of, headers_of, is_open

HEADERS = [(b"a", b"1"), (b"b", b"\xe4"), (b"a", b"2"), (b"c", b"")]


def test_all_lines_of_a_header_are_given_in_their_order() -> None:
    scope = {"headers": HEADERS}
    assert headers_of(scope, b"a") == ["1", "2"]
    assert headers_of(scope, b"none") == []


@pytest.mark.parametrize(("name", "value"), [(b"b", "ä"), (b"c", ""), (b"none", ""), (b"a", "")])
def test_a_header_that_came_twice_is_none(name: bytes, value: str) -> None:
    assert header_of({"headers": HEADERS}, name) == value


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/health", "/api/v1/health/", "/api/v1/health/live"])
def test_what_watches_us_is_open(path: str) -> None:
    assert is_open({"path": path})


@pytest.mark.parametrize("path", ["/", "/ui", "/ui/", "/ui/tasks/an-id", "/ui/assets/a.js"])
def test_the_dashboard_holds_no_data_and_is_open(path: str) -> None:
    assert is_open({"path": path})


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//",
        "/uix",
        "/api/v1/ui",
        "/metrics/",
        "/metricsx",
        "/METRICS",
        "//metrics",
        "/api/v1/healthy",
        "/api/v1/health-of/tasks",
        "/api/v1/tasks/api/v1/health",
        "/api/v1/HEALTH",
        "/api/v1/health%2Flive",
    ],
)
def test_nothing_that_only_looks_like_it_is(path: str) -> None:
    assert not is_open({"path": path})
