import pytest
from pydantic import ValidationError

from domain.redaction.rules import Branch
from domain.redaction.values import MASK
from settings import Settings

VALUE = {"password": "a", "pan": "b", "page_token": "c"}


def hidden(settings: Settings) -> set[str]:
    shown = settings.redaction.mask(VALUE, Branch.KWARGS, task_name="shop.charge")
    return {name for name, value in shown.items() if value == MASK}


def test_common_secret_names_are_hidden_without_a_setting() -> None:
    assert hidden(Settings()) == {"password", "page_token"}


def test_names_and_places_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_REDACT", "shop.charge:/kwargs/pan, other:/result")
    monkeypatch.setenv("CELERIAC_REDACT_NAMES", "-page_token,iban")
    assert hidden(Settings()) == {"password", "pan"}
    monkeypatch.setenv("CELERIAC_REDACT_COMMON_NAMES", "false")
    assert hidden(Settings()) == {"pan"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"redact": "shop.charge"},
            "'shop.charge' is no task name with a JSON pointer, such as",
        ),
        ({"redact_names": "pan,__"}, "'__' has no word in it"),
    ],
)
def test_a_wrong_one_ends_the_start_with_a_sentence(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**given)  # type: ignore[arg-type]
    assert why in refused.value.errors()[0]["msg"]
