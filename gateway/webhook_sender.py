"""Sends one delivery to its endpoint and tells what came of it, whatever that was."""

import ssl
from collections.abc import Iterable
from datetime import UTC, datetime

import httpcore
import structlog
from standardwebhooks import Webhook as Signer

from domain.webhooks.attempts import Answer, Failure, read_retry_after
from domain.webhooks.endpoints import Egress, Endpoint, parse_endpoint
from domain.webhooks.webhook import Webhook
from gateway.guarded_http import GuardedHttp, Headers, NotAllowed, Response

USER_AGENT = "Celeriac-Webhooks/1"
KEPT_CHARACTERS = 4_096
"""How much of an answer is kept."""

log = structlog.get_logger(__name__)


class WebhookSender:
    """Posts deliveries, each signed by its webhook's secrets at the time of the attempt."""

    def __init__(self, http: GuardedHttp, egress: Egress) -> None:
        self._http = http
        self._egress = egress

    async def send(self, webhook: Webhook, *, event_id: str, body: str) -> Answer:
        """Post a body once. Never raises: what goes wrong is an answer too."""
        try:
            # What was allowed when the webhook was made may be so no more.
            endpoint = parse_endpoint(webhook.url, self._egress)
        except ValueError:
            return Answer(failure=Failure.NOT_ALLOWED)
        return await self._post(endpoint, webhook, event_id=event_id, body=body)

    async def _post(self, endpoint: Endpoint, webhook: Webhook, *, event_id: str, body: str) -> Answer:
        try:
            headers = signed_headers(webhook, event_id, body=body, at=datetime.now(UTC))
            return _answer_of(await self._http.post(endpoint.url, headers=headers, content=body.encode()))
        except NotAllowed:
            failure = Failure.NOT_ALLOWED
        except (TimeoutError, httpcore.TimeoutException):
            failure = Failure.TIMEOUT
        except (httpcore.ConnectError, httpcore.ReadError, httpcore.WriteError, httpcore.ProxyError, OSError) as error:
            failure = Failure.TLS if _is_tls(error) else Failure.REFUSED
        except Exception as error:  # one endpoint's nonsense must not end the others' deliveries
            log.warning("webhook_attempt_failed", webhook_id=webhook.webhook_id, error=type(error).__name__)
            failure = Failure.PROTOCOL
        return Answer(failure=failure)


def signed_headers(webhook: Webhook, event_id: str, *, body: str, at: datetime) -> Headers:
    """Return the headers of an attempt: its own, ours, and one signature for each secret that holds at this time."""
    signatures = (Signer(secret).sign(event_id, at, body) for secret in webhook.signing_secrets(at))
    return [
        *webhook.headers.items(),
        ("user-agent", USER_AGENT),
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
        ("content-type", webhook.format.content_type),
        ("webhook-id", event_id),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]


def _answer_of(response: Response) -> Answer:
    retry_after = read_retry_after(response.status_code, response.headers.get("retry-after"), now=datetime.now(UTC))
    shown = response.body[: 4 * KEPT_CHARACTERS].decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return Answer(response.status_code, retry_after=retry_after, body=shown[:KEPT_CHARACTERS])


def _is_tls(error: BaseException) -> bool:
    causes: Iterable[BaseException | None] = (error, error.__cause__, error.__context__)
    return any(isinstance(cause, ssl.SSLError) for cause in causes)
