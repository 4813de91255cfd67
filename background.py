"""How tasks that run beside everything else are ended."""

import asyncio

AGAIN_SECONDS = 0.1
LIMIT_SECONDS = 10.0


async def end(*tasks: "asyncio.Task[None]") -> None:
    """Cancel these and wait until they have ended, 10 s at most.

    They are cancelled again and again: on Python 3.11 `asyncio.wait_for`, through which redis-py sends every command,
    loses a cancellation that comes just as it is done (once in 60 stops of a busy API).
    """
    deadline = asyncio.get_running_loop().time() + LIMIT_SECONDS
    running = set(tasks)
    while running and asyncio.get_running_loop().time() < deadline:
        for task in running:
            task.cancel()
        done, running = await asyncio.wait(running, timeout=AGAIN_SECONDS)
        await asyncio.gather(*done, return_exceptions=True)
