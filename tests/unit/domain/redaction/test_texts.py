from collections.abc import Sequence

import pytest

from domain.redaction.names import SecretNames
from domain.redaction.texts import MaskedText, unwrapped
from domain.redaction.values import MAX_LITERALS

is_secret = SecretNames().is_secret


def read(text: str, *places: Sequence[str]) -> MaskedText:
    return MaskedText(text, is_secret=is_secret, places=[tuple(place) for place in places])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"password": "hunter22", "a": 1}', '{"password": "[masked]", "a": 1}'),
        ('{"a": {"api_key": {"x": [1, {"y": 2}]}, "b": 3}}', '{"a": {"api_key": "[masked]", "b": 3}}'),
        ("{'token' : None, 'b': (1, 2)}", "{'token' : '[masked]', 'b': (1, 2)}"),
        ("Login(user='ada', password='x, y)')", "Login(user='ada', password='[masked]')"),
        ('{"t\\u006fken": 111, "to\\"ken": 2}', '{"t\\u006fken": "[masked]", "to\\"ken": 2}'),
        ("{'it\\'s a token': 111, 'b\\'token': 222}", "{'it\\'s a token': '[masked]', 'b\\'token': '[masked]'}"),
        ('{"broken \\x token": 111}', '{"broken \\x token": "[masked]"}'),
        ("{'password': 'cut o", "{'password': '[masked]'"),
        ('{"password": [1, {"a": "cut', '{"password": "[masked]"'),
        ("password=abc==, user=ada", "password='[masked]', user=ada"),
        ("{'password': <Key of 3>}", "{'password': '[masked]'}"),
        ('[{"secret": 111}, {"secret": "2"}]', '[{"secret": "[masked]"}, {"secret": "[masked]"}]'),
        ("{'token': 99, 'secret' : 0 , 'b': (1, 2)}", "{'token': 99, 'secret' : 0 , 'b': (1, 2)}"),
        ("token=7, secret=7x, pwd=1", "token=7, secret='[masked]', pwd='[masked]'"),
        ("{'token': 0123, 'secret': 99 8}", "{'token': '[masked]', 'secret': '[masked]'}"),
        ("{'password': '", "{'password': '[masked]'"),
        ("{'password':", "{'password':"),
    ],
)
def test_what_stands_behind_a_secret_name_is_hidden(text: str, shown: str) -> None:
    assert read(text).text == shown


@pytest.mark.parametrize(
    "text", ["", "a", "['password', 'token']", "{'token_count': 7}", '"it\\', ")]}", "the password is x", "{'a': 'b'}"]
)
def test_what_has_no_secret_name_stays_as_it_is(text: str) -> None:
    found = read(text)
    assert (found.text, found.hidden_count, found.hidden) == (text, 0, set())


@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        ("(1, 'pan', 3)", ["1"], "(1, '[masked]', 3)"),
        ('[1, {"a": [2, 3]}, 4]', ["1", "a", "0"], '[1, {"a": ["[masked]", 3]}, 4]'),
        (
            '{"0": 5, "a": {"b": 1}, "c": {"b": 2}}',
            ["*", "b"],
            '{"0": 5, "a": {"b": "[masked]"}, "c": {"b": "[masked]"}}',
        ),
        ('{"0": 5, "a": [6]}', ["0"], '{"0": "[masked]", "a": [6]}'),
        ("[[1], [2, 3]]", ["*", "0"], "[['[masked]'], ['[masked]', 3]]"),
        ("{'a': 1}", [], "'[masked]'"),
    ],
)
def test_what_stands_at_a_place_is_hidden(text: str, place: list[str], shown: str) -> None:
    assert read(text, place).text == shown


def test_what_is_hidden_is_told_as_other_texts_may_repeat_it() -> None:
    found = read("{'secrets': ['hunter22', 'a', 1234567, 'cut by Celery...'], 'open': 'nothing of this'}")
    assert (found.hidden, found.hidden_count) == ({"hunter22", "1234567"}, 1)


def test_so_many_hidden_values_are_looked_for_in_other_texts_and_all_are_hidden() -> None:
    found = read(f"{{'secrets': {[f'secret-{number:04}' for number in range(MAX_LITERALS + 50)]}}}")
    assert (found.text, len(found.hidden)) == ("{'secrets': '[masked]'}", MAX_LITERALS)


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("\"{'password': 'x'}\"", "{'password': 'x'}"),
        ("'{\\'password\\': 1}'", "{'password': 1}"),
        ("'a', 'b'", "'a', 'b'"),
        ("{'a': 1}", "{'a': 1}"),
        ("", ""),
        ("'cut", "cut"),
        ("'", ""),
    ],
)
def test_quotes_around_the_whole_are_taken_off(text: str, inner: str) -> None:
    assert unwrapped(text) == inner
