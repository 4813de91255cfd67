import json

import pytest

from domain.search_text import MAX_WORD_LENGTH, Term, index_words, parse_query, unescape


def words(text: str) -> list[str]:
    return list(index_words([text]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("process_payment", ["process", "payment"]),
        ("app.tasks-v2/send mail", ["app", "tasks", "v2", "send", "mail"]),
        ("processPayment", ["processpayment", "process", "payment"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("OAuth2Token", ["oauth2token", "o", "auth2", "token"]),
        ("SHA256 ABC abc Title", ["sha256", "abc", "title"]),
        ("99.99", ["99"]),
        ('{"currency": "USD"}', ["currency", "usd"]),
        ("Müller STRASSE straße", ["müller", "strasse"]),
        ("\ufb01nal \uff21\uff22\uff23", ["final", "abc"]),
        ("\u0130stanbul", ["istanbul"]),
        ("日本語", ["日本語"]),
        ("a'b\\c", ["a", "b", "c"]),
        ("!?…", []),
        ("", []),
    ],
)
def test_text_is_split_at_marks_and_changes_of_case(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_words_keep_all_their_positions_and_a_joined_spelling_stands_where_its_first_word_does() -> None:
    assert index_words(["retry payPal retry"]) == {"retry": [1, 4], "paypal": [2], "pay": [2], "pal": [3]}


def test_between_two_parts_there_is_a_gap_that_no_phrase_crosses() -> None:
    assert index_words(["one two", "three"]) == {"one": [1], "two": [2], "three": [4]}


def test_endless_words_are_cut_alike_on_both_sides() -> None:
    cut = "x" * MAX_WORD_LENGTH
    assert words("x" * 5_000) == [cut]
    assert parse_query("x" * 5_000) == ((Term((cut,)),),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pay", ((Term(("pay",)),),)),
        ("pay USD", ((Term(("pay",)), Term(("usd",))),)),
        ("process_payment", ((Term(("process", "payment")),),)),
        ("payPal", ((Term(("pay", "pal"), joined="paypal"),),)),
        ("a.payPal", ((Term(("a", "pay", "pal")),),)),
        ('"card was declined"', ((Term(("card", "was", "declined"), is_prefix=False),),)),
        ('"unfinished phrase', ((Term(("unfinished", "phrase"), is_prefix=False),),)),
        ("pay -refund", ((Term(("pay",)), Term(("refund",), is_excluded=True)),)),
        ('-"card declined"', ((Term(("card", "declined"), is_prefix=False, is_excluded=True),),)),
        ("--pay", ((Term(("pay",), is_excluded=True),),)),
        ("pay or refund now", ((Term(("pay",)),), (Term(("refund",)), Term(("now",))))),
        ("pay OR OR refund or", ((Term(("pay",)),), (Term(("refund",)),))),
        ('pay"card"', ((Term(("pay",)), Term(("card",), is_prefix=False)),)),
        ('"or"', ((Term(("or",), is_prefix=False),),)),
        ("-or", ((Term(("or",), is_excluded=True),),)),
        ("550e8400-e29b", ((Term(("550e8400", "e29b")),),)),
    ],
)
def test_queries_are_read_as_people_write_them(text: str, expected: object) -> None:
    assert parse_query(text) == expected


@pytest.mark.parametrize("text", ["", "   ", "-", '"', '""', "or", "!!! & | <-> :*", "- or -", "'"])
def test_what_holds_no_word_is_an_empty_query(text: str) -> None:
    assert parse_query(text) == ()


@pytest.mark.parametrize("text", ['Müller\tund\n"Söhne"', "back\\slash \\u00fc", "𠮷野家", "plain"])
def test_words_in_json_are_found_as_they_were_before_it_was_made(text: str) -> None:
    assert words(unescape(json.dumps(text))) == words(text)


def test_json_that_was_cut_within_an_escape_still_gives_its_words() -> None:
    assert words(unescape('["M\\u00fcller", "caf\\u00')) == ["müller", "caf", "00"]
    assert words(unescape('["half a pair \\ud842')) == ["half", "a", "pair"]
