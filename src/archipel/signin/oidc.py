"""OpenID Connect: the code flow with PKCE, state and nonce; accounts by external identity; back-channel logout."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from archipel import audit, directory
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import Conflict, Invalid, NotAllowed, NotFound
from archipel.kit.settings import ProviderSettings, Settings
from archipel.signin import rows, steps
from archipel.signin import rows_factors as identity_rows
from archipel.signin.provider import LEEWAY_S, Provider, bad_token
from archipel.signin.sessions import SecondStep, Session, Way, go_on

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_AGE_S = 300
SUBJECT_LENGTH_MAX = 255  # OpenID Connect Core, 2
START = "/"
_LOCAL = re.compile(r"/(?!/)[\x21-\x5b\x5d-\x7e]{0,1000}")


@dataclass(frozen=True)
class Stranger:
    """Somebody whom a provider knows and we do not."""

    provider: str
    subject: str


def providers_of(settings: Settings) -> dict[str, Provider]:
    """The providers of the settings, by id."""
    s = settings.signin
    return {one.id: Provider(one, answer_s=s.provider_answer_s, bytes_max=s.provider_bytes_max) for one in s.providers}


def callback_of(settings: Settings, provider: ProviderSettings) -> str:
    """Where a provider sends people back: an address of its own, so that no other's answer is taken for it."""
    return f"{settings.http.public_url.rstrip('/')}/api/v1/session/callback/{provider.id}"


def local_path(path: str) -> str:
    """A path of our own pages; everything else is the start page."""
    return path if _LOCAL.fullmatch(path) and not path.startswith(("/sign-in", "/api/")) else START


def start(database: Database, settings: Settings, provider: Provider, next_path: str) -> tuple[str, str]:
    """The provider's address to which the browser goes, and the secret that it holds until it comes back."""
    address = provider.metadata().authorization_endpoint
    secret, state = steps.new_secret(), steps.new_secret()
    with database.write() as tx:
        steps.begin(
            tx, "oidc", state, provider=provider.settings.id, browser=_derived(secret, state, "browser"), next=local_path(next_path)
        )
    s = provider.settings
    challenge = _base64(hashlib.sha256(_derived(secret, state, "verifier").encode()).digest())
    asked = {
        "response_type": "code", "client_id": s.client_id, "redirect_uri": callback_of(settings, s), "scope": " ".join(s.scopes),
        "state": state, "nonce": _derived(secret, state, "nonce"), "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    if s.acr:
        asked["acr_values"] = " ".join(s.acr)
    return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", secret


def finish(
    database: Database, settings: Settings, provider: Provider, said: Mapping[str, str], secret: str, address: str
) -> tuple[Session | SecondStep | Stranger, str]:
    """What the answer that a browser brings back opens, and where to go then. NotAllowed when it is not the answer to what it began."""
    state = said.get("state", "")
    with database.write() as tx:  # once, whatever comes of it
        step = steps.take(tx, "oidc", state[:200])
    if (
        step is None
        or step.provider != provider.settings.id
        or not hmac.compare_digest(step.payload["browser"], _derived(secret, state, "browser"))
    ):
        raise NotAllowed("This sign-in was not begun in this browser, or is over.", code="provider-state")
    metadata = provider.metadata()
    if (metadata.names_itself or "iss" in said) and said.get("iss") != provider.settings.issuer:  # RFC 9207
        raise NotAllowed("This answer is of another provider.", code="provider-state", detail="iss")
    if "code" not in said:
        raise NotAllowed("The provider did not sign you in.", code="provider-refused", detail=said.get("error", "")[:80])
    claims = _claims(settings, provider, said["code"], _derived(secret, state, "verifier"), _derived(secret, state, "nonce"))
    opened = database.transact(lambda tx: _opened(tx, settings, provider.settings, claims, address))
    if opened is None:
        raise NotAllowed("This account is disabled.", code="account-disabled")
    return opened, str(step.payload["next"])


def _claims(settings: Settings, provider: Provider, code: str, verifier: str, nonce: str) -> dict[str, Any]:
    s = provider.settings
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback_of(settings, s), "code_verifier": verifier}
    answer = provider.token_answer(form)
    claims = provider.verified(str(answer.get("id_token") or ""), require=("exp", "iat", "sub"))
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LENGTH_MAX or "\0" in subject:
        raise bad_token("sub")
    if not hmac.compare_digest(str(claims.get("nonce") or "").encode(), nonce.encode()):
        raise bad_token("nonce")
    if claims.get("azp", s.client_id) != s.client_id or (
        isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims
    ):
        raise bad_token("azp")
    if s.acr and claims.get("acr") not in s.acr:
        raise NotAllowed("The provider signed you in by a weaker way than is asked for here.", code="provider-acr")
    if s.rpps_claim and s.rpps_claim not in claims and answer.get("access_token"):
        more = provider.userinfo(str(answer["access_token"]))
        if more and more.get("sub") != subject:  # OpenID Connect Core, 5.3.2
            raise bad_token("userinfo")
        claims = {**more, **claims}
    return claims


def _opened(
    tx: Tx, settings: Settings, s: ProviderSettings, claims: dict[str, Any], address: str
) -> Session | SecondStep | Stranger | None:
    subject = str(claims["sub"])
    known = identity_rows.get_identity(tx, s.id, subject)
    account_id = str(known.account_id) if known else _link_by_rpps(tx, s, claims, address)
    way = Way(s.id, subject, str(claims.get("sid") or "")[:SUBJECT_LENGTH_MAX], s.two_factors)
    opened = None
    if account_id:
        opened = go_on(
            tx, account_id, address, way, hours=settings.http.session_hours, everywhere=settings.signin.second_factor_roles
        )  # fmt: skip
    if opened is None:
        actor = Actor("account", "unknown", "", address=address)
        audit.record(tx, actor, "signin.sign_in", outcome=audit.Outcome.REFUSED, provider=s.id, subject=subject)
    return opened if account_id else Stranger(s.id, subject)


def _link_by_rpps(tx: Tx, s: ProviderSettings, claims: dict[str, Any], address: str) -> str:
    """The account that an administrator gave the professional's number, from now on linked; empty when there is none."""
    said = claims.get(s.rpps_claim) if s.rpps_claim else None
    rpps = said.removeprefix(s.rpps_prefix) if isinstance(said, str) and said.startswith(s.rpps_prefix) else ""
    account = directory.account_of_rpps(tx, rpps)
    if account is None or not account.active:
        return ""
    link(tx, Actor("account", account.login, account.name, account.role, account.site_id, address), account.login, s.id, str(claims["sub"]))
    return account.id


def link(tx: Tx, actor: Actor, login: str, provider: str, subject: str) -> None:
    """Let a provider's subject sign in as an account. Conflict when it is another's."""
    if not 0 < len(subject) <= SUBJECT_LENGTH_MAX:
        raise Invalid(f"A subject has at most {SUBJECT_LENGTH_MAX} characters.", code="subject", field="subject")
    account = directory.account_named(tx, login)
    if not identity_rows.add_identity(tx, provider=provider, subject=subject, account_id=account.id, linked_at=to_text(tx.now())):
        raise Conflict("This identity is linked to another account.", code="identity-taken", field="subject")
    audit.record(tx, actor, "signin.link_identity", object_id=login, provider=provider, subject=subject)


def unlink(tx: Tx, actor: Actor, login: str, provider: str, subject: str) -> None:
    """End that, and the sessions that it opened."""
    account = directory.account_named(tx, login)
    if not identity_rows.remove_identity(tx, account.id, provider, subject):
        raise NotFound("The account has no such identity.", code="no-identity", field="subject")
    rows.end_provider_sessions(tx, provider, subject=subject, sid="")
    audit.record(tx, actor, "signin.unlink_identity", object_id=login, provider=provider, subject=subject)


def identities_of(tx: Tx, account_id: str) -> list[Stranger]:
    """The identities that are linked to an account."""
    return [Stranger(row.provider, row.subject) for row in identity_rows.identities(tx, account_id)]


def log_out(database: Database, provider: Provider, token: str) -> int:
    """End the sessions that a logout token names (Back-Channel Logout 1.0, 2.6); how many. NotAllowed for any other token."""
    claims = provider.verified(token, require=("iat", "jti", "exp"))
    events, sid, subject = claims.get("events"), claims.get("sid", ""), claims.get("sub", "")
    if "nonce" in claims or not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise bad_token("no logout token")
    if not (isinstance(sid, str) and isinstance(subject, str) and (sid or subject)) or abs(time.time() - claims["iat"]) > LOGOUT_AGE_S:
        raise bad_token("sid, sub or iat")

    def act(tx: Tx) -> int:
        jti = f"{provider.settings.id} {claims['jti']}"
        if not steps.is_first(tx, "jti", jti, seconds=LOGOUT_AGE_S + LEEWAY_S):
            raise bad_token("jti")
        count = rows.end_provider_sessions(tx, provider.settings.id, subject=subject, sid=sid)
        audit.record(tx, Actor.system("signin"), "signin.log_out", object_id=provider.settings.id, count=count)
        return count

    return database.transact(act)


def _derived(secret: str, state: str, use: str) -> str:
    """A value that whoever has the browser's secret can make again: nothing of it is kept here."""
    return _base64(hmac.digest(secret.encode("utf-8", "replace"), f"{use}:{state}".encode("utf-8", "replace"), "sha256"))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
