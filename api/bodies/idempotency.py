"""`Idempotency-Key`: a request that is sent again is answered as the first was, and acts once."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.types import Scope

from api.client_key import key_hash_of
from api.middleware.scopes import PRINCIPAL
from api.schemas.base import ResponseModel
from domain.errors import InvalidRequest
from domain.idempotency import MAX_KEY_LENGTH, RequestKey, request_key
from domain.principals import Principal, PrincipalKind
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
    owner = _owner(request.scope)
    return request_key(request.scope["path"], idempotency_key, body=await request.body(), owner=owner)


def _owner(scope: Scope) -> bytes | None:
    """What tells the caller from all others, however he was let in; None where nobody is asked who he is."""
    principal: Principal = scope[PRINCIPAL]
    key_hash = key_hash_of(scope)
    if key_hash is not None or principal.kind is PrincipalKind.LOCAL:
        return key_hash
    return sha256(f"principal {principal.author}".encode()).digest()


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
