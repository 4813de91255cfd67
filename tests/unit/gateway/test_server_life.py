from datetime import UTC, datetime, timedelta

import pytest

from gateway.server_life import life_of, server_life_of


def test_a_servers_life_is_told_by_its_run_id_and_its_uptime() -> None:
    told = server_life_of({"run_id": "0123456789abcdef" * 2 + "01234567", "uptime_in_seconds": 60})
    assert told.life == "0123456789ab"
    assert told.began_at is not None
    assert timedelta(seconds=60) <= datetime.now(UTC) - told.began_at < timedelta(seconds=90)


@pytest.mark.parametrize(
    "told", [None, {}, "text", {"run_id": "", "uptime_in_seconds": -1}, {"uptime_in_seconds": 1e300}]
)
def test_what_is_not_told_is_not_known(told: object) -> None:
    assert life_of(told) is None
    assert server_life_of(told).began_at is None
