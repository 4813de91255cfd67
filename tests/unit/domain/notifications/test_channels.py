"""Which URLs lead somewhere, and what is shown of them."""

import pytest

from domain.notifications.channels import HOSTS, MAX_URL, parse_url

SECRET = "Tr0ub4dor"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mailtos://user:Tr0ub4dor@example.com?smtp=mail.example.com&to=ops@example.com", "mailtos://example.com/***"),
        ("mailto://example.com/ops@example.com", None),
        ("jsons://user:Tr0ub4dor@hooks.example.com:8443/Tr0ub4dor", "jsons://hooks.example.com:8443/***"),
        ("json://[::1]:8000/Tr0ub4dor", "json://::1:8000/***"),
        ("slack://Tr0ub4dor/B/C/#ops", "slack://slack.com/***"),
        ("pagerduty://Tr0ub4dor@Tr0ub4dor", "pagerduty://pagerduty.com/***"),
        ("ntfy://Tr0ub4dor", "ntfy://ntfy.sh/***"),
        ("ntfys://Tr0ub4dor/?priority=high", "ntfys://ntfy.sh/***"),
        ("ntfys://ntfy.example.com/Tr0ub4dor", "ntfys://ntfy.example.com/***"),
        ("workflows://prod-1.logic.azure.com:443/Tr0ub4dor/Tr0ub4dor", "workflows://prod-1.logic.azure.com:443/***"),
    ],
)
def test_only_the_service_and_its_host_are_shown(url: str, shown: str | None) -> None:
    if shown is None:
        with pytest.raises(ValueError, match="behind its host alone"):
            parse_url(url)
    else:
        assert parse_url(url).shown == shown
        assert SECRET not in repr(parse_url(url))


@pytest.mark.parametrize(
    "scheme",
    ["syslog", "dbus", "gnome", "kde", "windows", "macosx", "kodi", "xbmc", "file", "exec", "rsyslog", "growl", "glib"],
)
def test_what_does_not_talk_to_somebody_else_over_the_network_is_no_service(scheme: str) -> None:
    assert scheme not in HOSTS
    with pytest.raises(ValueError, match=f"is of a service that is not taken: {scheme}; taken are mailto, "):
        parse_url(f"{scheme}://{SECRET}")


@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        ("", "is no URL of Apprise"),
        (SECRET, "is no URL of Apprise"),
        ("JSON://example.com", "is no URL of Apprise"),
        ("json://", "is no URL of Apprise"),
        (f"json://example.com/{SECRET} json://example.org", "blanks or control characters"),
        ("json://example.com/\x00", "blanks or control characters"),
        (f"json:///{SECRET}", "names no host"),
        (f"json://user:{SECRET}/x@example.com", "names no host"),
        (f"json://user:{SECRET}@exa$mple.com/", "names no host"),
        ("json://[::1/x", "names no host"),
        (f"json://{SECRET}/x@example.com", "behind its host alone"),
        ("json://example.com/" + "x" * MAX_URL, "is longer than 2,000 characters"),
    ],
)
def test_what_leads_nowhere_is_refused_without_showing_it(url: str, flaw: str) -> None:
    with pytest.raises(ValueError, match=flaw) as raised:
        parse_url(url)
    assert SECRET not in str(raised.value)
