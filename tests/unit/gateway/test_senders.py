from redis.exceptions import ResponseError

from domain.refusals import LONGEST_REASON
from gateway.senders import words_of


def test_of_an_unknown_command_redis_repeats_the_arguments_and_they_are_not_told() -> None:
    said = "unknown command 'LPUSH', with args beginning with: 'celery' 's3cret' "
    assert words_of(ResponseError(said)) == "the broker says: unknown command 'LPUSH'"


def test_what_a_broker_says_is_one_short_line() -> None:
    words = words_of(ResponseError("a\nb\r\n\x0bc " + "x" * 1000))
    assert words.startswith("the broker says: a b c xxx")
    assert len(words) == LONGEST_REASON
