"""Sessions of people: sign in, who am I, another password, another language, sign out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import Request

from archipel import audit, directory, sharing, signin
from archipel.directory import Account
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.signin import SecondStep, Session
from archipel.web.errors import DoorRoute
from archipel.web.parts import Call, Parts, SignedIn, parts_of
from archipel.web.words import Body, Text

router = APIRouter(route_class=DoorRoute, tags=["session"])
CSRF_COOKIE = "archipel_csrf"
STEP_COOKIE = "archipel_step"
STEP_PATH = "/api/v1/session"
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
    second_factor_due: bool = Field(description="A second factor is to be added first; nothing else is answered until then.")
    permissions: list[str]
    demo: bool = Field(description="The account looks at training data.")
    aet: str = Field(description="AE title of the platform's DICOM listener.")


class SecondFactorDue(BaseModel):
    """What the sign-in waits for."""

    second_factor: list[str] = Field(description="By what it may be given: totp (or a recovery code), passkey.")


OPENED: dict[int | str, dict[str, Any]] = {
    202: {"model": SecondFactorDue, "description": "The password is right; a second factor is asked for."},
    429: {"description": "Too many failed attempts; see Retry-After."},
}


@router.post("/session", summary="Sign in", responses=OPENED)
def open_session(body: SignIn, request: Request, response: Response) -> SessionAnswer | SecondFactorDue:
    """Open a session: an HttpOnly cookie, and the readable cookie ``archipel_csrf`` whose value changing requests repeat.

    202 when the account has a second factor, which ``/session/second`` then takes from the same browser.
    """
    parts = parts_of(request)
    address = request.client.host if request.client else ""
    hours, everywhere = parts.settings.http.session_hours, parts.settings.signin.second_factor_roles
    opened = signin.sign_in(parts.database, body.login, body.password, address, hours=hours, everywhere=everywhere)
    if isinstance(opened, SecondStep):
        response.status_code = 202
        hand_step(response, parts, opened.secret)
        return SecondFactorDue(second_factor=opened.kinds)
    hand_over(response, parts, opened)
    return answer_of(parts, opened, address)


def hand_over(response: Response, parts: Parts, opened: Session) -> None:
    """Give the browser its session; what it had begun is over."""
    secure = parts.settings.http.secure_cookies
    response.set_cookie(signin.SESSION_COOKIE, opened.secret, httponly=True, samesite="strict", secure=secure, path="/")
    response.set_cookie(CSRF_COOKIE, opened.csrf, httponly=False, samesite="strict", secure=secure, path="/")
    response.delete_cookie(STEP_COOKIE, path=STEP_PATH, httponly=True, samesite="lax", secure=secure)


def hand_step(response: Response, parts: Parts, secret: str) -> None:
    """Give the browser what names the sign-in that it began; it comes back with it from another site too, by following a link."""
    secure = parts.settings.http.secure_cookies
    response.set_cookie(STEP_COOKIE, secret, httponly=True, samesite="lax", secure=secure, path=STEP_PATH, max_age=signin.steps.STEP_S)


def step_secret_of(request: Request) -> str:
    """What names the sign-in that this browser began; empty when it began none."""
    return request.cookies.get(STEP_COOKIE, "")[:200]


def answer_of(parts: Parts, opened: Session, address: str) -> SessionAnswer:
    """Who is signed in now."""
    with parts.database.read() as tx:
        found = signin.actor_of_session(tx, opened.secret, address)
        return _session(tx, parts, opened.account, signin.actor_for(tx, opened.account, address), found[2] if found else "")


@router.get("/session", summary="Who is signed in")
def read_session(call: SignedIn) -> SessionAnswer:
    """The account behind the cookie or the bearer token, and its permissions."""
    with call.database.read() as tx:
        due = call.request.scope["state"].get("due")
        return _session(tx, call.parts, directory.account_named(tx, call.actor.id), call.actor, due)


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


def _session(tx: Tx, parts: Parts, account: Account, actor: Actor, due: str | None) -> SessionAnswer:
    visible = sharing.visible_site_ids(tx, actor)
    return SessionAnswer(
        account=SignedInAccount(
            login=account.login, name=account.name, role=account.role, site_id=account.site_id, locale=account.locale,
            must_change_password=account.must_change_password if due is None else due == "password",
        ),
        second_factor_due=due == "factor",
        permissions=sorted(sharing.rights_of(actor)),
        demo=any(site.demo for site in directory.sites(tx) if site.id in visible),
        aet=parts.ae_title,
    )  # fmt: skip
