"""Whom a session lets in: what it was made from is asked at each request, and may no longer open what it did."""

import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from starlette.types import Scope

from api.errors import Forbidden, SessionOver
from api.middleware.session_cookie import comes_of_own_page
from domain.api_keys import digest_of
from domain.oidc import OidcRules
from domain.principals import Principal, PrincipalKind
from domain.scopes import Scope as Permission
from domain.sessions import Owner, Session, id_within, proof_of
from services.resident.key_ring import HeldKey, KeyRing

SESSION_ID = "celeriac.session_id"
"""The place where a scope has the id of the session that the request was let in with."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who is let in."""

    principal: Principal
    identity: bytes
    """What tells him from others: his requests that are repeated are the same."""
    env_key: bytes | None = None
    """The key of the environment that he has shown."""

    @property
    def owner(self) -> Owner:
        """He as the owner of a session that is made from what he has shown."""
        return Owner(self.principal.kind, self.principal.id, self.principal.name)


class Sessions:
    """Sessions as one process knows them. `hold_to_limits` raises where a key opens nothing now, or not here."""

    def __init__(
        self,
        ring: KeyRing,
        *,
        env_keys: Sequence[tuple[bytes, Principal]],
        rules: OidcRules | None,
        hold_to_limits: Callable[[HeldKey, Scope], Awaitable[None]],
    ) -> None:
        self._ring = ring
        self._env_keys = env_keys
        self._rules = rules
        self._hold_to_limits = hold_to_limits

    def find(self, text: str) -> Session | None:
        """Return the session of this text, if it is known here and lasts."""
        session_id = id_within(text)
        session = self._ring.sessions.find(session_id) if session_id and self._ring.is_trusted else None
        if session is None or not session.matches(digest_of(text)) or session.is_over(datetime.now(UTC)):
            return None
        return session

    async def look_for(self, text: str) -> Session | None:
        """Return the session after Postgres was asked for it; None where that could not be."""
        if session_id := id_within(text):
            self._ring.sessions.ask(session_id)
            await self._ring.look_again()
        return self.find(text)

    async def admit(self, session: Session, text: str, *, scope: Scope) -> Admitted:
        """Return who it is; raises SessionOver where what it was made from opens nothing any more."""
        if not comes_of_own_page(scope):
            raise Forbidden("A session changes something only from a page of ours; a program sends an API key.")
        admitted = await self._owner_of(session, text, scope=scope)
        self._ring.sessions.note_use(session, int(time.time()) // 60)
        scope[SESSION_ID] = session.session_id
        made_from = admitted.principal
        person = replace(made_from, kind=PrincipalKind.SESSION, signed_in_with=made_from.kind)
        return replace(admitted, principal=person)

    async def _owner_of(self, session: Session, text: str, *, scope: Scope) -> Admitted:
        owner = session.owner
        if owner.kind is PrincipalKind.API_KEY:
            held = self._ring.find(owner.id)
            if held is None:
                raise SessionOver
            await self._hold_to_limits(held, scope)
            return Admitted(held.principal, held.identity)
        if owner.kind is PrincipalKind.OIDC and self._rules is not None and owner.issuer == self._rules.issuer:
            scopes = self._rules.scopes_of(owner.values)
            return admitted_person(owner.id, owner.name, scopes=scopes, issuer=self._rules.issuer)
        for key, principal in self._env_keys:
            if owner.proof and hmac.compare_digest(proof_of(key, text), owner.proof):
                return Admitted(principal, sha256(key).digest())
        raise SessionOver


def admitted_person(subject: str, name: str, *, scopes: frozenset[Permission], issuer: str) -> Admitted:
    """Return somebody whom the issuer knows; raises Forbidden where nothing was given to what he is there."""
    if not scopes:
        raise NothingGranted
    identity = sha256(f"oidc {issuer} {subject}".encode()).digest()
    return Admitted(Principal(PrincipalKind.OIDC, subject, name, scopes), identity)


class NothingGranted(Forbidden):
    """The issuer knows you, but nothing that it says of you was given a scope here (CELERIAC_OIDC_SCOPES)."""
