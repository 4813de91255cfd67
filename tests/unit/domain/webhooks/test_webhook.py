from datetime import UTC, datetime, timedelta

from domain.webhooks.subscriptions import Subscription
from domain.webhooks.webhook import Webhook

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_old_secret_signs_beside_the_new_one_until_its_time_is_over() -> None:
    webhook = Webhook("one", "https://example.com/", Subscription(("*",)), "new", NOW, "local")
    assert webhook.signing_secrets(NOW) == ("new",)
    rotated = Webhook(
        *("one", "https://example.com/", Subscription(("*",)), "new", NOW, "local"),
        previous_secret="old",
        previous_expires_at=NOW + timedelta(hours=1),
    )
    assert rotated.signing_secrets(NOW) == ("new", "old")
    assert rotated.signing_secrets(NOW + timedelta(hours=1)) == ("new",)


def test_no_secret_is_in_what_is_logged() -> None:
    webhook = Webhook(
        *("one", "https://example.com/", Subscription(("*",)), "s3cret", NOW, "local"), headers={"Authorization": "t0p"}
    )
    assert "s3cret" not in repr(webhook)
    assert "t0p" not in repr(webhook)
