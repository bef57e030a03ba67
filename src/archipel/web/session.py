"""Sessions of people: sign in, who am I, another password, another language, sign out."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import Request

from archipel import audit, directory, sharing, signin
from archipel.directory import Account
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.web.errors import DoorRoute
from archipel.web.parts import Call, Parts, SignedIn, parts_of
from archipel.web.words import Body, Text

router = APIRouter(route_class=DoorRoute, tags=["session"])
CSRF_COOKIE = "archipel_csrf"
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024, strip_whitespace=False)]


class SignIn(Body):
    """Login and password."""

    login: Text
    password: Password


class NewPassword(Body):
    """The current password, and the one that replaces it."""

    current: Password
    new: Password


class Preferences(Body):
    """What a person chooses for the own account."""

    locale: Literal["fr", "en"]


class SignedInAccount(BaseModel):
    """The account behind the session."""

    login: str
    name: str
    role: str
    site_id: str
    locale: str
    must_change_password: bool


class SessionAnswer(BaseModel):
    """Who is signed in and what this account may do."""

    account: SignedInAccount
    permissions: list[str]
    demo: bool = Field(description="The account looks at training data.")
    aet: str = Field(description="AE title of the platform's DICOM listener.")


@router.post("/session", summary="Sign in", responses={429: {"description": "Too many failed attempts; see Retry-After."}})
def open_session(body: SignIn, request: Request, response: Response) -> SessionAnswer:
    """Open a session: an HttpOnly cookie, and the readable cookie ``archipel_csrf`` whose value changing requests repeat."""
    parts = parts_of(request)
    address = request.client.host if request.client else ""
    opened = signin.sign_in(parts.database, body.login, body.password, address, hours=parts.settings.http.session_hours)
    secure = parts.settings.http.secure_cookies
    response.set_cookie(signin.SESSION_COOKIE, opened.secret, httponly=True, samesite="strict", secure=secure, path="/")
    response.set_cookie(CSRF_COOKIE, opened.csrf, httponly=False, samesite="strict", secure=secure, path="/")
    with parts.database.read() as tx:
        return _session(tx, parts, opened.account, signin.actor_for(tx, opened.account, address))


@router.get("/session", summary="Who is signed in")
def read_session(call: SignedIn) -> SessionAnswer:
    """The account behind the cookie or the bearer token, and its permissions."""
    with call.database.read() as tx:
        return _session(tx, call.parts, directory.account_named(tx, call.actor.id), call.actor)


@router.patch("/session", status_code=204, summary="Choose a language")
def change_preferences(body: Preferences, call: SignedIn) -> None:
    """Keep the language of the own account."""
    sharing.require_whole(call.actor)
    call.database.transact(lambda tx: directory.change_account(tx, call.actor, call.actor.id, locale=body.locale))


@router.post(
    "/session/password", status_code=204, summary="Change the own password",
    responses={429: {"description": "Too many wrong passwords; see Retry-After."}},
)  # fmt: skip
def change_password(body: NewPassword, call: SignedIn) -> None:
    """Replace the own password; the account's other sessions end. Wrong ones are counted as at the sign-in."""
    sharing.require_whole(call.actor)
    secret = call.request.scope["state"].get("session_secret", "")
    signin.change_password(call.database, call.actor, body.current, body.new, secret)


@router.delete("/session", status_code=204, summary="Sign out")
def close_session(call: SignedIn, response: Response) -> None:
    """End the session of this cookie; a bearer token ends by itself."""
    secret = call.request.scope["state"].get("session_secret", "")
    if secret:
        call.database.transact(lambda tx: _sign_out(tx, call, secret))
    for name in (signin.SESSION_COOKIE, CSRF_COOKIE):
        response.delete_cookie(name, path="/", samesite="strict", secure=call.parts.settings.http.secure_cookies)


def _sign_out(tx: Tx, call: Call, secret: str) -> None:
    signin.sign_out(tx, secret)
    audit.record(tx, call.actor, "signin.sign_out")


def _session(tx: Tx, parts: Parts, account: Account, actor: Actor) -> SessionAnswer:
    visible = sharing.visible_site_ids(tx, actor)
    return SessionAnswer(
        account=SignedInAccount(
            login=account.login, name=account.name, role=account.role, site_id=account.site_id, locale=account.locale,
            must_change_password=account.must_change_password,
        ),
        permissions=sorted(sharing.rights_of(actor)),
        demo=any(site.demo for site in directory.sites(tx) if site.id in visible),
        aet=parts.ae_title,
    )  # fmt: skip
