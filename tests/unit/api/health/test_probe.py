import asyncio
import gc
import socket
import time

import pytest
from structlog.testing import capture_logs

from api.health.probe import HealthProbe
from domain.health import DATABASE, Condition, Health
from services.components import Check, Unwell
from tests.patience import PATIENCE_SECONDS


async def healthy() -> None:
    pass


async def ill() -> None:
    raise Unwell("it says no")


async def broken() -> None:
    raise ConnectionRefusedError("postgresql://user:password@host")


async def frozen() -> None:
    await asyncio.Event().wait()


async def test_before_the_first_round_nothing_is_known() -> None:
    verdict = HealthProbe({DATABASE: healthy}).report()
    assert (verdict.health, verdict.checks) == (Health.UNHEALTHY, {DATABASE: Condition.UNKNOWN})


@pytest.mark.parametrize("check", [ill, broken, frozen])
async def test_a_part_that_says_no_fails_or_hangs_is_unhealthy_and_the_rest_is_not(check: Check) -> None:
    health = HealthProbe({DATABASE: healthy, "redis": check}, deadline_seconds=0.05)
    await health.run_once()
    verdict = health.report()
    assert verdict.health is Health.DEGRADED
    assert verdict.checks == {DATABASE: Condition.HEALTHY, "redis": Condition.UNHEALTHY}


async def test_a_check_that_resists_its_cancellation_is_abandoned_and_not_asked_again() -> None:
    asked = 0
    thawed = asyncio.Event()

    async def resisting() -> None:
        nonlocal asked
        asked += 1
        while not thawed.is_set():
            try:
                await thawed.wait()
            except asyncio.CancelledError:
                continue

    health = HealthProbe({DATABASE: resisting}, deadline_seconds=0.05)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(3):
            await health.run_once()
    assert (asked, health.report().health) == (1, Health.UNHEALTHY)
    thawed.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while health.report().health is not Health.HEALTHY:
            await health.run_once()
    assert asked == 2


async def test_an_answer_that_came_while_our_own_loop_was_busy_counts() -> None:
    there, answering = socket.socketpair()
    there.setblocking(False)

    async def asking() -> None:
        answer = await asyncio.get_running_loop().sock_recv(there, 1)
        for _ in range(5):  # as through the layers of a client
            await asyncio.sleep(0)
        assert answer == b"!"

    async def stall() -> None:
        await asyncio.sleep(0.01)
        answering.send(b"!")
        time.sleep(0.1)  # noqa: ASYNC251  # which is the point: the deadline passes meanwhile

    health = HealthProbe({DATABASE: asking}, deadline_seconds=0.05)
    with there, answering:
        await asyncio.gather(health.run_once(), stall())
    assert health.report().checks == {DATABASE: Condition.HEALTHY}


async def test_the_late_error_of_an_abandoned_check_is_not_logged_by_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionResetError from None

    async with HealthProbe({DATABASE: stubborn}, deadline_seconds=0.01, interval_seconds=60) as health:
        checks = health.report().checks
    gc.collect()  # so many objects of all tests may take longer than a verdict keeps
    assert checks == {DATABASE: Condition.UNHEALTHY}
    assert caplog.text == ""


@pytest.mark.parametrize(("stale_seconds", "health"), [(60.0, Health.HEALTHY), (-1.0, Health.UNHEALTHY)])
async def test_an_old_verdict_is_no_verdict(stale_seconds: float, health: Health) -> None:
    probe = HealthProbe({DATABASE: healthy}, stale_seconds=stale_seconds)
    await probe.run_once()
    verdict = probe.report()
    assert verdict.health is health
    assert (verdict.checks[DATABASE] is Condition.UNKNOWN) is (health is Health.UNHEALTHY)


async def test_it_goes_on_asking_and_hears_of_a_recovery() -> None:
    rounds = 0
    third_round = asyncio.Event()

    async def recovering() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            third_round.set()
        if rounds == 1:
            raise Unwell("not yet")

    with capture_logs() as logs:
        async with HealthProbe({DATABASE: recovering}, interval_seconds=0.01), asyncio.timeout(PATIENCE_SECONDS):
            await third_round.wait()
    assert [event["condition"] for event in logs] == ["unhealthy", "healthy"]


async def test_a_part_tells_since_when_it_is_so_and_why_without_what_may_be_secret() -> None:
    well = True

    async def changing() -> None:
        if not well:
            raise Unwell("no worker is online")

    health = HealthProbe({DATABASE: changing, "redis": broken})
    await health.run_once()
    before = health.components()
    assert (before[DATABASE].condition, before[DATABASE].reason) == (Condition.HEALTHY, "")
    assert before["redis"].reason == "ConnectionRefusedError"
    well = False
    await health.run_once()
    after = health.components()
    assert (after[DATABASE].condition, after[DATABASE].reason) == (Condition.UNHEALTHY, "no worker is online")
    assert after[DATABASE].since > before[DATABASE].since
    assert after["redis"].since == before["redis"].since


async def test_only_changes_are_logged_and_never_an_errors_text() -> None:
    health = HealthProbe({DATABASE: broken})
    with capture_logs() as logs:
        await health.run_once()
        await health.run_once()
    assert [(event["part"], event["condition"], event["reason"]) for event in logs] == [
        (DATABASE, "unhealthy", "ConnectionRefusedError")
    ]
