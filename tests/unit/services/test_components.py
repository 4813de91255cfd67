"""How a component is asked; what its probe makes of the answers is in `tests/unit/api/health/test_probe.py`."""

import asyncio

import pytest

from services.components import Check, ComponentChecks, Questions, Unwell, reason_of

SECRET = "redis://:s3cret@h"


async def well() -> None:
    pass


async def silent() -> None:
    await asyncio.Event().wait()


def failing(error: BaseException) -> Check:
    async def fail() -> None:
        raise error

    return fail


async def test_those_that_are_well_are_left_out() -> None:
    assert await ComponentChecks({"one": well, "other": well}).ask() == {}


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (failing(Unwell("no worker is online")), "no worker is online"),
        (failing(ConnectionRefusedError(SECRET)), "ConnectionRefusedError"),
        (failing(asyncio.CancelledError(SECRET)), "gave up"),
        (silent, "no answer in time"),
    ],
)
async def test_of_any_other_it_is_said_why_and_nothing_that_may_be_secret(check: Check, reason: str) -> None:
    errors = await ComponentChecks({"well": well, "ill": check}, deadline_seconds=0.02).ask()
    assert {name: reason_of(error) for name, error in errors.items()} == {"ill": reason}


async def test_whoever_asks_the_same_meanwhile_gets_the_answer_to_the_first_question() -> None:
    questions, answered = Questions(), asyncio.Event()

    async def ask() -> int:
        await answered.wait()
        return 1

    first, second = questions.ask("store", ask), questions.ask("store", ask)
    assert first is second
    assert questions.is_busy("store")
    answered.set()
    assert await first == 1
    await asyncio.sleep(0)
    assert not questions.is_busy("store")


async def test_what_is_still_asked_at_the_end_is_given_up() -> None:
    questions = Questions()
    task = questions.ask("store", silent)
    await questions.close()
    assert task.cancelled()
