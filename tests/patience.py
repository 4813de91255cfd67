"""Waiting for facts in asyncio tests, with a limit."""

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 10


async def until(fact: Callable[[], object]) -> None:
    """Returns once the fact holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not fact():  # noqa: ASYNC110  any fact, not only those that somebody announces
            await asyncio.sleep(0.005)
