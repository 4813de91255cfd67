"""Answers that may be large, and are made beside the event loop.

One at a time in each process, in a thread: with more of them, and with the interpreter handed on every 5 ms, the loop
itself would come to its turn too seldom. Whoever asks for one must not hold a connection while it waits.
"""

import asyncio
from collections.abc import Callable

from fastapi import Response

from api.dependencies import ProcessResources
from api.schemas.base import ResponseModel


async def answer_beside(resources: ProcessResources, make: Callable[[], ResponseModel]) -> Response:
    """Return the response with what `make` makes. The route declares its model itself: `response_model=`."""
    body = await asyncio.get_running_loop().run_in_executor(
        resources.answers, lambda: make().model_dump_json().encode()
    )
    return Response(body, media_type="application/json")
