import pytest

from domain.health import DATABASE, ComponentStatus, Condition, Health, component_status_of, health_of, score

HEALTHY, UNHEALTHY, UNKNOWN = Condition.HEALTHY, Condition.UNHEALTHY, Condition.UNKNOWN


def test_all_parts_healthy_make_a_healthy_whole() -> None:
    assert health_of({DATABASE: HEALTHY, "redis": HEALTHY}) is Health.HEALTHY


@pytest.mark.parametrize("condition", [UNHEALTHY, UNKNOWN])
def test_any_other_part_down_degrades_the_whole(condition: Condition) -> None:
    assert health_of({DATABASE: HEALTHY, "redis": HEALTHY, "workers": condition}) is Health.DEGRADED


@pytest.mark.parametrize("condition", [UNHEALTHY, UNKNOWN])
def test_without_the_database_the_whole_is_unhealthy(condition: Condition) -> None:
    assert health_of({DATABASE: condition, "redis": HEALTHY}) is Health.UNHEALTHY


def test_a_database_never_asked_is_not_a_healthy_one() -> None:
    assert health_of({}) is Health.UNHEALTHY


def test_the_score_is_the_healthy_share_with_one_decimal() -> None:
    assert [score(healthy=healthy, total=6) for healthy in (0, 4, 6)] == [0.0, 66.7, 100.0]


@pytest.mark.parametrize("condition", [UNHEALTHY, UNKNOWN])
def test_a_mark_makes_a_healthy_part_degraded_and_no_other_better(condition: Condition) -> None:
    assert component_status_of(HEALTHY, marked=True) is ComponentStatus.DEGRADED
    assert component_status_of(HEALTHY, marked=False) is ComponentStatus.HEALTHY
    assert (
        component_status_of(condition, marked=True).value
        == component_status_of(condition, marked=False).value
        == condition.value
    )
