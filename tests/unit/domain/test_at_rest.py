from base64 import b64encode

import pytest

from domain.at_rest import (
    ESCAPE,
    MARK,
    CannotOpen,
    context,
    escape,
    escape_json,
    head_of,
    is_escaped,
    is_marked,
    parse_keys,
    prefix_of,
    read,
    unescape,
    write,
)

KEY = bytes(range(32))
ENCODED = b64encode(KEY).decode()
FLAWED = (
    ENCODED,
    f"x:{ENCODED}",
    f"0:{ENCODED}",
    f"65536:{ENCODED}",
    f"123456:{ENCODED}",
    f"\N{SUPERSCRIPT TWO}:{ENCODED}",
    f"1:{ENCODED[:-4]}",
    "1:no base64!",
    "1:ä",
    f"1:{b64encode(bytes(32)).decode()}",
)


def test_the_first_key_encrypts_and_all_are_known_by_their_numbers() -> None:
    keys = parse_keys([f"2:{ENCODED}", f"1:{b64encode(KEY[::-1]).decode()}"])
    assert keys is not None
    assert (keys.current, keys.by_number) == (2, {2: KEY, 1: KEY[::-1]})
    assert "x01" not in repr(keys)
    assert parse_keys([]) is None


@pytest.mark.parametrize("entry", FLAWED)
def test_what_is_no_key_is_refused_in_words_that_do_not_show_it(entry: str) -> None:
    with pytest.raises(ValueError, match=r"must be|random") as refused:
        parse_keys([entry])
    assert entry.rpartition(":")[2] not in str(refused.value)


def test_two_keys_of_one_number_are_refused() -> None:
    with pytest.raises(ValueError, match="two keys 1"):
        parse_keys([f"1:{ENCODED}", f"1:{ENCODED}"])


def test_an_encrypted_value_says_which_key_it_needs() -> None:
    stored = write(head_of(258), b"n" * 12, text=b"t" * 16)
    sealed = read(stored)
    assert (sealed.number, sealed.head, sealed.nonce, sealed.text) == (258, b"\x01\x01\x02", b"n" * 12, b"t" * 16)
    assert stored.startswith(prefix_of(258))
    assert not stored.startswith(prefix_of(259))
    assert (is_marked(stored), is_escaped(stored)) == (True, False)


@pytest.mark.parametrize(
    "text", ["", "AQAB", "AQABx", "no base64?", "ä", write(b"\x02\x00\x01", b"n" * 12, text=b"t" * 16)]
)
def test_what_nobody_has_written_so_is_not_read(text: str) -> None:
    with pytest.raises(CannotOpen, match="form that is not known") as refused:
        read(MARK + text.removeprefix(MARK))
    assert refused.value.shown == f"[{refused.value.reason}]"


def test_a_value_is_bound_to_its_row_its_column_and_its_key() -> None:
    contexts = {
        context(head_of(number), owner, column=column)
        for number in (1, 2)
        for owner, column in (("a", "args"), ("a", "kwargs"), ("b", "args"))
    }
    assert len(contexts) == 6


def test_somebodys_text_of_the_same_beginning_stays_theirs() -> None:
    for text in (MARK, ESCAPE, f"{MARK}AQAB", f"{ESCAPE}x"):
        assert is_escaped(escape(text))
        assert unescape(escape(text)) == text
    assert (escape("x"), unescape("x"), is_marked("x")) == ("x", "x", False)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ('"$at_rest:x"', '"$at_rest::$at_rest:x"'),
        (' "\\u0024at_rest:x"', '"$at_rest::$at_rest:x"'),
        ('"$5"', '"$5"'),
        ('"plain"', '"plain"'),
        ('["$at_rest:x"]', '["$at_rest:x"]'),
        ("null", "null"),
    ],
)
def test_of_json_only_a_text_can_begin_so_however_it_is_written(text: str, stored: str) -> None:
    assert escape_json(text) == stored
