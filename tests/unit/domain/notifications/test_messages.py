"""What is said, the worst first."""

from dataclasses import replace
from datetime import timedelta

from domain.alerts.rules import Severity
from domain.notifications.messages import MAX_BODY, MAX_TITLE, Tone, cut, write_message, write_test
from domain.notifications.routes import Notice, Phase
from tests.unit.domain.notifications.test_routes import DEEP, NOBODY, NOON

URL = "https://celeriac.example.com"
OVER = replace(DEEP, resolved_at=NOON + timedelta(seconds=90))


def test_one_alert_is_its_own_title_and_a_line_says_of_what_and_since_when() -> None:
    text = write_message([Notice(DEEP, Phase.RAISED)], URL)
    assert text.title == "WARNING: Deep"
    assert text.kind is Tone.WARNING
    assert text.body == (
        "- WARNING HIGH_QUEUE_DEPTH etl.daily: Deep (since 2026-03-01 12:00:00 UTC)\n\n"
        "https://celeriac.example.com/api/v1/alerts"
    )


def test_the_worst_of_several_says_how_bad_it_is() -> None:
    text = write_message(
        [Notice(NOBODY, Phase.RAISED), Notice(DEEP, Phase.REPEATED), Notice(OVER, Phase.RESOLVED)], URL
    )
    assert text.title == "CRITICAL: 2 alerts open, 1 resolved"
    assert text.kind is Tone.FAILURE
    assert text.body.splitlines()[0] == ("- CRITICAL NO_ACTIVE_WORKERS: Nobody works (since 2026-03-01 12:00:00 UTC)")


def test_what_is_repeated_is_called_so() -> None:
    again = [Notice(NOBODY, Phase.REPEATED), Notice(DEEP, Phase.REPEATED)]
    assert write_message(again, URL).title == "CRITICAL: 2 alerts still open"
    assert write_message(again[:1], URL).title == "CRITICAL: still Nobody works"
    assert write_message([Notice(replace(DEEP, severity=Severity.INFO), Phase.RAISED)], URL).kind is Tone.INFO


def test_what_is_over_is_good_news() -> None:
    text = write_message([Notice(OVER, Phase.RESOLVED)], URL)
    assert (text.title, text.kind) == ("Resolved: Deep", Tone.SUCCESS)
    assert (
        "- RESOLVED HIGH_QUEUE_DEPTH etl.daily: Deep (2026-03-01 12:00:00 UTC to 2026-03-01 12:01:30 UTC)" in text.body
    )
    assert write_message([Notice(OVER, Phase.RESOLVED)] * 2, URL).title == "Resolved: 2 alerts"


def test_every_length_has_a_bound() -> None:
    long = replace(DEEP, description="d" * 10_000, subject="s" * 10_000)
    text = write_message([Notice(long, Phase.RAISED)] * 50, URL)
    assert len(write_message([Notice(long, Phase.RAISED)], URL).title) == MAX_TITLE
    assert len(text.body) <= MAX_BODY + 100
    assert text.body.endswith(URL + "/api/v1/alerts")
    assert cut("abcdef", most=5) == "ab..."


def test_without_a_public_url_the_text_says_how_to_have_a_link() -> None:
    assert "CELERIAC_PUBLIC_URL" in write_test("mail", None).body
    assert write_test("mail", URL + "/").body.endswith(f"\n\n{URL}/api/v1/alerts")
    assert "mail" in write_test("mail", None).body
