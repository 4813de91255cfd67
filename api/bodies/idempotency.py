"""`Idempotency-Key`: a request that is sent again is answered as the first was, and acts once."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.client_key import key_hash_of
from api.schemas.base import ResponseModel
from domain.errors import InvalidRequest
from domain.idempotency import MAX_KEY_LENGTH, RequestKey, request_key
from services.idempotency import find_first_answer
from store.queries.idempotency import keep_answer

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"

Answer = TypeVar("Answer", bound=ResponseModel)


async def _request_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias=KEY_HEADER,
            min_length=1,
            max_length=MAX_KEY_LENGTH,
            description="Sent again within 24 hours with the same body: nothing is done twice, and the first answer "
            f"is given again with `{REPLAYED_HEADER}: true`. Each API key has keys of its own.",
        ),
    ] = None,
) -> RequestKey | None:
    if idempotency_key is None:
        return None
    if len(request.headers.getlist(KEY_HEADER)) > 1:
        raise InvalidRequest(
            f"{KEY_HEADER} is given more than once.", errors=((KEY_HEADER, "is given more than once"),)
        )
    owner = key_hash_of(request.scope)
    return request_key(request.scope["path"], idempotency_key, body=await request.body(), owner=owner)


IdempotencyKey = Annotated[RequestKey | None, Depends(_request_key)]
"""What tells this request from others, where the client sent the header; None where it did not."""


async def answer_once(
    engine: AsyncEngine,
    key: RequestKey | None,
    *,
    response: Response,
    act: Callable[[AsyncConnection], Awaitable[Answer]],
    form: type[Answer],
) -> Answer:
    """Return what `act` answers, in a transaction of its own, or the first answer if the key was used before."""
    async with engine.begin() as connection:
        if key is None:
            return await act(connection)
        first = await find_first_answer(connection, key)
        if first is not None:
            response.headers[REPLAYED_HEADER] = "true"
            return form.model_validate_json(first)
        answer = await act(connection)
        await keep_answer(connection, key, answer=answer.model_dump_json())
        return answer
