"""Webhooks: make, list, read, change, rotate, delete and try them, and look into what was delivered."""

from typing import Annotated

from fastapi import Query

from api.authorship import RequestAuthor
from api.declarations import answers_with_id, audited_as, needs, whole_fleet
from api.dependencies import ReadConnection, Resources, WriteConnection
from api.openapi.document import responses
from api.routing import api_router
from api.schemas.deliveries import (
    DeliveryModel,
    DeliveryPage,
    DeliveryQuery,
    LookedDelivery,
    Recoverable,
    Recovery,
    RecoveryOrder,
)
from api.schemas.event_types import EventTypes, list_event_types
from api.schemas.webhooks import (
    IssuedSecret,
    IssuedWebhook,
    SecretRotation,
    WebhookChange,
    WebhookList,
    WebhookModel,
    WebhookOrder,
)
from domain.audit import Action
from domain.errors import DeliveryNotFound, UrlNotAllowed, WebhookDisabled, WebhookLimit, WebhookNotFound
from domain.scopes import Scope
from services.webhooks import deliveries, settings
from services.webhooks.deliveries import MOST_RECOVERED, TEST_SECONDS
from store.queries.webhooks.log import list_deliveries
from store.queries.webhooks.settings import list_webhooks

router = api_router("/webhooks", tag="webhooks")


@router.post("", summary="Make a webhook", status_code=201, responses=responses(UrlNotAllowed, WebhookLimit))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.WEBHOOK_CREATE)
@answers_with_id("webhook_id")
async def create(
    connection: WriteConnection, resources: Resources, *, author: RequestAuthor, body: WebhookOrder
) -> IssuedWebhook:
    """Make a webhook that is told what changes from now on. Its secret is in this answer and nowhere else."""
    egress = resources.settings.webhook_egress
    webhook = await settings.create_webhook(connection, body.as_order(), author=author, egress=egress)
    return IssuedWebhook.from_webhook(webhook, secret=webhook.secret)


@router.get("", summary="List webhooks")
@needs(Scope.READ)
@whole_fleet
async def list_all(connection: ReadConnection) -> WebhookList:
    """List all of them, the newest first; never a secret."""
    found = [WebhookModel.from_webhook(webhook) for webhook in await list_webhooks(connection)]
    return WebhookList(total=len(found), data=found)


@router.get("/event-types", summary="List the types of events")
@needs(Scope.READ)
@whole_fleet
async def list_types() -> EventTypes:
    """Each with a JSON Schema of what is sent, and an example. Types of your own are sent as they came."""
    return list_event_types()


@router.get("/{webhook_id}", summary="Get a webhook", responses=responses(WebhookNotFound))
@needs(Scope.READ)
@whole_fleet
async def get(connection: ReadConnection, webhook_id: str) -> WebhookModel:
    """Everything about a webhook except its secret."""
    return WebhookModel.from_webhook(await settings.find_webhook(connection, webhook_id))


@router.patch("/{webhook_id}", summary="Change a webhook", responses=responses(WebhookNotFound, UrlNotAllowed))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.WEBHOOK_CHANGE)
async def change(
    connection: WriteConnection, resources: Resources, *, webhook_id: str, author: RequestAuthor, body: WebhookChange
) -> WebhookModel:
    """Change what is given. A webhook that is enabled again is told what changes from then on; what waits goes on."""
    egress = resources.settings.webhook_egress
    changed = await settings.change_webhook(
        connection, webhook_id, changes=body.changes(), author=author, egress=egress
    )
    return WebhookModel.from_webhook(changed)


@router.delete("/{webhook_id}", summary="Delete a webhook", status_code=204, responses=responses(WebhookNotFound))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.WEBHOOK_DELETE)
async def delete(connection: WriteConnection, webhook_id: str, *, author: RequestAuthor) -> None:
    """Nothing more is sent but what is on its way; its deliveries are removed."""
    await settings.delete_webhook(connection, webhook_id, author=author)


@router.post(
    "/{webhook_id}/rotate_secret", summary="Rotate a secret", status_code=201, responses=responses(WebhookNotFound)
)
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.WEBHOOK_ROTATE)
async def rotate_secret(
    connection: WriteConnection, webhook_id: str, *, author: RequestAuthor, body: SecretRotation | None = None
) -> IssuedSecret:
    """Another secret; the old one signs beside it for `overlap_seconds`."""
    wanted = body or SecretRotation.model_validate({})
    webhook = await settings.rotate_secret(connection, webhook_id, overlap=wanted.overlap, author=author)
    return IssuedSecret(
        webhook_id=webhook_id, secret=webhook.secret, previous_secret_expires_at=webhook.previous_expires_at
    )


@router.post("/{webhook_id}/test", summary="Try a webhook", responses=responses(WebhookNotFound))
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.WEBHOOK_TEST)
async def send_test(
    resources: Resources,
    webhook_id: str,
    *,
    author: RequestAuthor,
    wait_seconds: Annotated[int, Query(ge=0, le=TEST_SECONDS, description="How long to wait for it.")] = TEST_SECONDS,
) -> LookedDelivery:
    """The loops send an event `webhook.test` once, whatever the state of the webhook; the answer is what came of it.
    It counts neither for nor against the endpoint."""
    looked = await deliveries.try_webhook(
        resources.engine.begin,
        webhook_id,
        author=author,
        public_url=resources.settings.public_url,
        seconds=wait_seconds,
    )
    return LookedDelivery.from_looked(looked)


@router.get("/{webhook_id}/deliveries", summary="List deliveries", responses=responses(WebhookNotFound))
@needs(Scope.READ)
@whole_fleet
async def list_sent(
    connection: ReadConnection, webhook_id: str, *, query: Annotated[DeliveryQuery, Query()]
) -> DeliveryPage:
    """The newest first, of the last 30 days."""
    await settings.find_webhook(connection, webhook_id)
    rows = await list_deliveries(connection, webhook_id, wanted=query.wanted(), limit=query.limit)
    last = rows[-1].delivery_id if len(rows) == query.limit else None
    return DeliveryPage(data=[DeliveryModel.from_row(row) for row in rows], limit=query.limit, next_cursor=last)


@router.get(
    "/{webhook_id}/deliveries/{delivery_id}",
    summary="Get a delivery",
    responses=responses(WebhookNotFound, DeliveryNotFound),
)
@needs(Scope.ADMIN)
@whole_fleet
async def get_sent(connection: ReadConnection, webhook_id: str, *, delivery_id: str) -> LookedDelivery:
    """The body as it is sent, and every attempt with the beginning of its answer."""
    return LookedDelivery.from_looked(await deliveries.find_delivery(connection, webhook_id, delivery_id=delivery_id))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/retry",
    summary="Send a delivery once more",
    status_code=202,
    responses=responses(WebhookNotFound, DeliveryNotFound, WebhookDisabled),
)
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.WEBHOOK_RETRY)
async def retry(
    connection: WriteConnection, webhook_id: str, *, delivery_id: str, author: RequestAuthor
) -> DeliveryModel:
    """Send the same body, signed anew, under the same `webhook-id`, whatever became of it before."""
    row = await deliveries.retry_delivery(connection, webhook_id, delivery_id=delivery_id, author=author)
    return DeliveryModel.from_row(row)


@router.post(
    "/{webhook_id}/recover",
    summary="Send what has failed or was missed",
    status_code=202,
    responses=responses(WebhookNotFound, WebhookDisabled),
)
@needs(Scope.ADMIN)
@whole_fleet
@audited_as(Action.WEBHOOK_RECOVER)
async def recover(
    connection: WriteConnection, webhook_id: str, *, author: RequestAuthor, body: RecoveryOrder
) -> Recovery:
    """FAILED: these are sent once more, 10,000 with one request. MISSED: the feed is read again from then on, as far
    as it is kept, for what never became a delivery."""
    count: int | None = None
    if body.status is Recoverable.FAILED:
        count = await deliveries.recover_failed(connection, webhook_id, after=body.since(), author=author)
    else:
        await deliveries.recover_missed(connection, webhook_id, after=body.since(), author=author)
    return Recovery(webhook_id=webhook_id, status=body.status, count=count, has_more=count == MOST_RECOVERED)
