"""API keys on the wire: as they are ordered, as they are shown, and once with their secret."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.pages import Page
from api.schemas.types import Text, Time, Timestamp
from domain.api_keys import (
    HIGHEST_RATE_LIMIT,
    LONGEST_OVERLAP_SECONDS,
    MAX_NAME,
    MAX_NETWORKS,
    USUAL_OVERLAP_SECONDS,
    ApiKey,
    parse_networks,
)
from domain.principals import Principal
from domain.scopes import Scope
from domain.sight import MAX_PATTERN, MAX_PATTERNS, PATTERN_RULE, check_pattern
from services.api_keys import Issued, Order


def _checked_network(text: str) -> str:
    parse_networks([text])
    return text


def _checked_pattern(pattern: str) -> str:
    check_pattern(pattern)
    return pattern


Name = Annotated[Text, Field(min_length=1, max_length=MAX_NAME, examples=["etl"])]
Scopes = Annotated[
    list[Annotated[Scope, Field(strict=False)]],
    Field(min_length=1, max_length=len(Scope), description="Each stands for itself: `admin` includes no other."),
]
Networks = Annotated[
    list[Annotated[str, Field(max_length=64), AfterValidator(_checked_network)]],
    Field(
        max_length=MAX_NETWORKS,
        description="From where the key may be used; empty: from anywhere.",
        examples=[["10.0.0.0/8"]],
    ),
]
Patterns = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_PATTERN), AfterValidator(_checked_pattern)]],
    Field(
        max_length=MAX_PATTERNS,
        description=f"Outside of these nothing exists for the key; empty: no limit. {PATTERN_RULE}.",
        examples=[["etl", "etl.*"]],
    ),
]
Rate = Annotated[int, Field(ge=1, le=HIGHEST_RATE_LIMIT)]


class KeyOrder(RequestModel):
    """The body of `POST /api-keys`."""

    name: Name
    scopes: Scopes
    queues: Patterns = Field([])
    task_names: Patterns = Field([])
    allowed_networks: Networks = Field([])
    expires_at: Time | None = Field(None, description="null: never.")
    rate_limit_per_minute: Rate | None = Field(
        None, description="Requests a minute with this key, beside the limit of each address; null: no limit."
    )

    def as_order(self) -> Order:
        """The key as it is wanted."""
        return Order(
            name=self.name,
            scopes=frozenset(self.scopes),
            queues=tuple(self.queues),
            task_names=tuple(self.task_names),
            networks=tuple(self.allowed_networks),
            rate_limit_per_minute=self.rate_limit_per_minute,
            expires_at=self.expires_at,
        )


class KeyChange(RequestModel):
    """The body of `PATCH /api-keys/{key_id}`; what is left out stays as it is."""

    name: Name = ""
    scopes: Scopes = Field([])
    queues: Patterns = Field([])
    task_names: Patterns = Field([])
    allowed_networks: Networks = Field([])
    expires_at: Time | None = None
    disabled: bool = False
    rate_limit_per_minute: Rate | None = None

    def changes(self) -> dict[str, Any]:
        """What was given, by the names of `ApiKey`."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        given |= {name: tuple(given[name]) for name in ("queues", "task_names") if name in given}
        if "allowed_networks" in given:
            given["networks"] = tuple(given.pop("allowed_networks"))
        if "scopes" in given:
            given["scopes"] = frozenset(given["scopes"])
        return given


class Rotation(RequestModel):
    """The body of `POST /api-keys/{key_id}/rotate`."""

    overlap_seconds: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_SECONDS)] = Field(
        USUAL_OVERLAP_SECONDS, description="For how long the key opens with its old secret as well."
    )

    @property
    def overlap(self) -> timedelta:
        """The overlap as a duration."""
        return timedelta(seconds=self.overlap_seconds)


class KeyModel(ResponseModel):
    """An API key without its secret, which nobody can read."""

    key_id: str = Field(examples=["k7Qm2ZpX4rT1"])
    name: str
    scopes: list[Scope]
    queues: list[str]
    task_names: list[str]
    allowed_networks: list[str]
    rate_limit_per_minute: int | None
    created_at: Timestamp
    created_by: str = Field(description="Who made it.", examples=["api_key:k7Qm2ZpX4rT1", "env_key:1", "local", "cli"])
    expires_at: Timestamp | None
    previous_expires_at: Timestamp | None = Field(description="Until when the secret before the last rotation opens.")
    disabled: bool
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None = Field(
        description="When it was last used, to a minute: the first use in its last minute."
    )
    last_used_from: str | None = Field(description="The address of its last use.")

    @classmethod
    def from_key(cls, key: ApiKey) -> Self:
        return cls(**_shown(key))


class IssuedKey(KeyModel):
    """An API key that has just been made or rotated."""

    key: str = Field(description="Shown this once: nobody can read it again.", examples=["cel_k7Qm2ZpX4rT1_..."])

    @classmethod
    def from_issued(cls, issued: Issued) -> Self:
        return cls(key=issued.text, **_shown(issued.key))


class TurnedAwayModel(ResponseModel):
    """How many requests were refused in the last hour for want of a valid key, by all processes together."""

    count: int
    latest_at: Timestamp | None
    latest_from: str | None = Field(description="The address of the latest.", examples=["10.0.0.7"])


class KeyPage(Page[KeyModel]):
    """A part of the list of API keys; the rows stand under both names."""

    api_keys: list[KeyModel]
    turned_away: TurnedAwayModel


class Me(ResponseModel):
    """Who makes this request."""

    kind: str = Field(description="How he was let in.", examples=["api_key", "env_key", "local"])
    id: str
    name: str
    scopes: list[Scope]
    queues: list[str] = Field(description="The queues that he is limited to; empty: no limit.")
    task_names: list[str] = Field(description="The names of tasks that he is limited to; empty: no limit.")

    @classmethod
    def from_principal(cls, principal: Principal) -> Self:
        return cls(
            kind=principal.kind,
            id=principal.id,
            name=principal.name,
            scopes=_in_order(principal.scopes),
            queues=list(principal.limits.queues),
            task_names=list(principal.limits.task_names),
        )


def _shown(key: ApiKey) -> dict[str, Any]:
    same = ("key_id", "name", "rate_limit_per_minute", "created_at", "created_by", "expires_at", "previous_expires_at")
    use = ("revoked_at", "last_used_at", "last_used_from")
    return {name: getattr(key, name) for name in (*same, *use)} | {
        "scopes": _in_order(key.scopes),
        "queues": list(key.queues),
        "task_names": list(key.task_names),
        "allowed_networks": list(key.networks),
        "disabled": key.disabled_at is not None,
    }


def _in_order(scopes: frozenset[Scope]) -> list[Scope]:
    return [scope for scope in Scope if scope in scopes]
