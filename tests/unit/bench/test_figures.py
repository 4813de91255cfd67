import pytest

from bench.figures import Series, Turn, alternate, percentile


def series(name: str, *rates: int) -> Series:
    return Series(name, tuple(Turn(rate, 1.0) for rate in rates))


def test_the_rate_of_a_series_is_the_median_of_its_rounds() -> None:
    assert Turn(10, 4.0).rate == 2.5
    assert series("a", 100, 1, 90).rate == 90
    assert series("a", 100, 90).rate == 95


def test_a_ratio_compares_medians() -> None:
    assert series("a", 600, 601, 1).ratio_to(series("b", 100, 99, 5000)) == 6.0


def test_the_cost_is_the_median_of_the_rounds_that_looked_at_the_processors() -> None:
    assert series("a", 100).cost is None
    assert Series("a", tuple(Turn(10, 1.0, processor_seconds=spent) for spent in (2.0, 1.0, 90.0))).cost == 0.2


def test_a_percentile_is_the_nearest_rank() -> None:
    hundred = [float(n) for n in range(100, 0, -1)]
    assert [percentile(hundred, percent) for percent in (0, 1, 50, 99, 100)] == [1, 1, 50, 99, 100]
    assert percentile([3.0], 50) == percentile([3.0], 99) == 3.0
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_contenders_take_turns() -> None:
    turns: list[str] = []

    def turn_of(name: str, count: int) -> Turn:
        turns.append(name)
        return Turn(count, 1.0, (0.5,))

    found = alternate({"a": lambda: turn_of("a", 2), "b": lambda: turn_of("b", 4)}, rounds=3)

    assert turns == ["a", "b", "a", "b", "a", "b"]
    assert [(each.name, each.rate, each.latencies) for each in found] == [("a", 2, [0.5] * 3), ("b", 4, [0.5] * 3)]
