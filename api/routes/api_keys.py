"""API keys: make, list, read, change, rotate and revoke them, and who the caller is."""

from datetime import timedelta

from fastapi import Response

from api.authorship import RequestAuthor
from api.declarations import audited_as, needs, needs_any_key, needs_or_is, whole_fleet
from api.dependencies import Caller, ReadConnection, Resources, WriteConnection
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.api_keys import IssuedKey, KeyChange, KeyModel, KeyOrder, KeyPage, Me, Rotation, TurnedAwayModel
from api.schemas.pages import DEFAULT_LIMIT, Limit, Offset, Rows, RowsShown
from domain.audit import Action
from domain.errors import KeyNotFound, LastAdmin
from domain.scopes import Scope
from services import api_keys
from store.queries.api_keys import list_keys, read_turned_away

router = api_router(tag="api keys")

TURNED_AWAY_WITHIN = timedelta(hours=1)


@router.post("/api-keys", summary="Make an API key", status_code=201)
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.KEY_CREATE)
async def create(
    connection: WriteConnection, resources: Resources, *, author: RequestAuthor, body: KeyOrder
) -> IssuedKey:
    """The secret is in this answer and nowhere else, so a repeated request makes another key: no Idempotency-Key.

    The first key closes the door, for good: from then on, who sends none is refused with 401.
    """
    issued = await api_keys.create_key(
        connection, body.as_order(), author=author, has_other_way=resources.settings.has_full_key
    )
    return IssuedKey.from_issued(issued)


@router.get("/api-keys", summary="List API keys", response_model=KeyPage)
@needs(Scope.ADMIN)
@whole_fleet
async def list_all(
    connection: ReadConnection, limit: Limit = DEFAULT_LIMIT, *, offset: Offset = 0, rows: RowsShown = Rows.BOTH
) -> KeyPage | Response:
    """The newest first, revoked ones included; never a secret. And how many requests had no valid key of late."""
    total, page = await list_keys(connection, limit=limit, offset=offset)
    found = [KeyModel.from_key(key) for key in page]
    number, at, source = await read_turned_away(connection, since=TURNED_AWAY_WITHIN)
    turned_away = TurnedAwayModel(count=number, latest_at=at, latest_from=source)
    page_of = KeyPage(total=total, limit=limit, offset=offset, data=found, api_keys=found, turned_away=turned_away)
    return page_of.with_rows(rows)


@router.get("/api-keys/{key_id}", summary="Get an API key", responses=responses(KeyNotFound))
@needs(Scope.ADMIN)
@whole_fleet
async def get(connection: ReadConnection, key_id: str) -> KeyModel:
    """Everything about a key, revoked or not, except its secret."""
    return KeyModel.from_key(await api_keys.find_key(connection, key_id))


@router.patch("/api-keys/{key_id}", summary="Change an API key", responses=responses(KeyNotFound, LastAdmin))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.KEY_CHANGE)
async def change(
    connection: WriteConnection, resources: Resources, *, key_id: str, author: RequestAuthor, body: KeyChange
) -> KeyModel:
    """Every process goes by it within a second. The last key with `admin` keeps it."""
    changed = await api_keys.change_key(
        connection, key_id, changes=body.changes(), author=author, has_other_way=resources.settings.has_full_key
    )
    return KeyModel.from_key(changed)


@router.delete(
    "/api-keys/{key_id}", summary="Revoke an API key", status_code=204, responses=responses(KeyNotFound, LastAdmin)
)
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.KEY_REVOKE)
async def revoke(connection: WriteConnection, resources: Resources, *, key_id: str, author: RequestAuthor) -> None:
    """End a key for good: every process refuses it within a second. What it was stays in the list."""
    await api_keys.revoke_key(connection, key_id, author=author, has_other_way=resources.settings.has_full_key)


@router.post(
    "/api-keys/{key_id}/rotate", summary="Rotate an API key", status_code=201, responses=responses(KeyNotFound)
)
@needs_or_is(Scope.ADMIN, own_key="key_id")
@whole_fleet
@audited_as(Action.KEY_ROTATE)
async def rotate(
    connection: WriteConnection, key_id: str, *, author: RequestAuthor, body: Rotation | None = None
) -> IssuedKey:
    """Another secret for the same key, which may do so itself. The old one opens beside it for `overlap_seconds`."""
    wanted = body or Rotation.model_validate({})
    issued = await api_keys.rotate_key(connection, key_id, overlap=wanted.overlap, author=author)
    return IssuedKey.from_issued(issued)


@router.get("/me", summary="Get who is asking")
@needs_any_key
async def get_me(caller: Caller) -> Me:
    """The principal of this request and its scopes."""
    return Me.from_principal(caller)
