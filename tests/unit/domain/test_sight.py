import pytest

from domain.sight import EVERYTHING, MAX_PATTERN, UNLIMITED, Limits, Sight, check_pattern, split_patterns

ETL = Limits(queues=("etl", "etl.*"))
SHOP = Limits(task_names=("shop.*",))


@pytest.mark.parametrize(
    ("limits", "queue_name", "task_name", "allowed"),
    [
        (UNLIMITED, "any", "any", True),
        (UNLIMITED, None, None, True),
        (ETL, "etl", "any", True),
        (ETL, "etl.fast", None, True),
        (ETL, "etl.", None, True),
        (ETL, "etlx", "any", False),
        (ETL, "ETL", "any", False),
        (ETL, "", "any", False),
        (ETL, None, "any", False),
        (SHOP, "any", "shop.pay", True),
        (SHOP, None, "shop.pay", True),
        (SHOP, "any", "shop", False),
        (SHOP, "any", None, False),
        (Limits(("etl",), ("shop.pay",)), "etl", "shop.pay", True),
        (Limits(("etl",), ("shop.pay",)), "etl", "shop.pays", False),
        (Limits(("etl",), ("shop.pay",)), "other", "shop.pay", False),
        (Limits(queues=("a%b_*",)), "a%b_c", None, True),
        (Limits(queues=("a%b_*",)), "axxb_c", None, False),
    ],
)
def test_a_task_lies_within_by_its_queue_and_its_name(
    limits: Limits, queue_name: str | None, task_name: str | None, allowed: bool
) -> None:
    assert limits.allows(queue_name, task_name) is allowed


def test_a_submission_that_lies_outside_is_told_by_field() -> None:
    assert ETL.flaws("etl.fast", "any") == []
    both = Limits(("etl",), ("shop.*",)).flaws("celery", "bank.pay")
    assert [field for field, _ in both] == ["queue_name", "task_name"]
    assert both[0][1] == "'celery' lies outside the limits of this API key"


def test_a_name_alone_may_be_spoken_of_where_names_say_what_lies_within() -> None:
    assert UNLIMITED.may_name("bank.pay")
    assert SHOP.may_name("shop.pay")
    assert not SHOP.may_name("bank.pay")
    assert not ETL.may_name("bank.pay")


def test_limits_bound_and_no_limits_do_not() -> None:
    assert (bool(UNLIMITED), bool(ETL), bool(SHOP)) == (False, True, True)
    assert not EVERYTHING.is_bounded
    assert Sight(ETL).is_bounded
    assert Sight(submitted_by="api_key:k7Qm2ZpX4rT1").is_bounded


def test_patterns_are_names_and_beginnings_of_names() -> None:
    assert split_patterns(["etl", "etl.*", "a"]) == (["etl", "a"], ["etl."])


@pytest.mark.parametrize("pattern", ["etl", "etl.*", "ж" * MAX_PATTERN, "a b%_'\\*"])
def test_a_name_and_a_beginning_with_a_star_are_patterns(pattern: str) -> None:
    check_pattern(pattern)
    assert Limits(queues=(pattern,)).allows(pattern.removesuffix("*"), None)


@pytest.mark.parametrize(
    "pattern", ["", "*", "e*l", "*etl", "**", "etl**", "x" * (MAX_PATTERN + 1), "\x00", "a\x1b*", "\ud800"]
)
def test_anything_else_is_none(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"takes 1 to|limits nothing|at its end only|control|cannot be|lone surrogate"):
        check_pattern(pattern)
