"""Signing in at the issuer of tokens: the way there, and what is made of the code that a browser comes back with."""

from domain.principals import PrincipalKind
from domain.sessions import Owner
from domain.sign_ins import SignIn
from gateway.oidc import Client, CodeRefused, authorization_url
from services.resident.issuer import Issuer, TokenRefused


async def way_to_issuer(issuer: Issuer, sign_in: SignIn, *, client: Client) -> str:
    """Return where the browser goes; raises IssuerUnavailable."""
    endpoints = await issuer.endpoints()
    return authorization_url(endpoints, client, state=sign_in.state, nonce=sign_in.nonce, verifier=sign_in.verifier)


async def redeem(issuer: Issuer, sign_in: SignIn, *, client: Client, code: str) -> Owner:
    """Return who has signed in; raises TokenRefused or IssuerUnavailable. A code is good for one time."""
    endpoints = await issuer.endpoints()
    try:
        token = await issuer.server.redeem(endpoints, client, code=code, verifier=sign_in.verifier)
    except CodeRefused:
        raise TokenRefused("was not given for this code") from None
    person = await issuer.verify(token, audience=client.client_id, nonce=sign_in.nonce)
    return Owner(PrincipalKind.OIDC, person.subject, person.name, issuer=issuer.rules.issuer, values=person.values)
