"""Sessions on the wire: what somebody signs in with, and which sessions there are."""

from typing import Annotated, Self

from pydantic import Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.pages import Page
from api.schemas.types import Timestamp
from domain.sessions import Session


class SessionOrder(RequestModel):
    """The body of `POST /session`."""

    key: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")] = Field(
        repr=False, description="An API key; the session can do what it can, and ends with it."
    )


class SignInWays(ResponseModel):
    """The ways in which somebody can sign in here."""

    api_key: bool = Field(description="With a key: `POST /session`.")
    issuer: bool = Field(description="At the issuer of tokens: `GET /session/oidc/login`.")


class SessionModel(ResponseModel):
    """A session without its text, which its browser alone has."""

    session_id: str = Field(examples=["k7Qm2ZpX4rT1"])
    kind: str = Field(description="What it was made from.", examples=["api_key", "env_key", "oidc"])
    id: str = Field(description="The id of the key, or the subject of the token.")
    name: str
    created_at: Timestamp
    seen_at: Timestamp = Field(description="The minute of its last use, some seconds later.")
    expires_at: Timestamp = Field(description="When it ends at the latest; 12 hours without a use end it before.")
    user_agent: str | None
    address: str | None = Field(description="From where it was signed in.")
    current: bool = Field(description="Whether this request was let in with it.")

    @classmethod
    def from_session(cls, session: Session, *, current: str | None) -> Self:
        """Show a session to whoever asks with the session `current`, if any."""
        same = ("session_id", "created_at", "seen_at", "expires_at", "user_agent", "address")
        owner = session.owner
        return cls(
            kind=owner.kind,
            id=owner.id,
            name=owner.name,
            current=session.session_id == current,
            **{name: getattr(session, name) for name in same},
        )


class SessionPage(Page[SessionModel]):
    """A part of the list of sessions; the rows stand under both names."""

    sessions: list[SessionModel]
