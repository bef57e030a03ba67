"""Ways in beside the password: the second factor, a passkey alone, a provider of identities. These routes answer anyone."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Form, Response
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import RedirectResponse

from archipel import signin
from archipel.kit.errors import ArchipelError, Invalid, NotAllowed, NotFound
from archipel.signin import SecondStep, Session
from archipel.web.errors import DoorRoute
from archipel.web.parts import Parts, parts_of
from archipel.web.session import SessionAnswer, answer_of, hand_over, hand_step, step_secret_of
from archipel.web.words import Body, Word

log = structlog.get_logger(__name__)
router = APIRouter(route_class=DoorRoute, tags=["session"])
TOKEN_LENGTH_MAX = 16_384
Code = Annotated[str, StringConstraints(min_length=6, max_length=40)]
SLOWED: dict[int | str, dict[str, Any]] = {429: {"description": "Too many failed attempts; see Retry-After."}}


class SecondFactor(Body):
    """A one-time code or a recovery code; or what a browser gave for a passkey (PublicKeyCredential as JSON)."""

    code: Code | None = None
    passkey: dict[str, Any] | None = None


class Passkey(Body):
    """What a browser gave for a passkey (PublicKeyCredential as JSON)."""

    passkey: dict[str, Any]


class ProviderAnswer(BaseModel):
    """A provider of identities."""

    id: str
    label_fr: str
    label_en: str


class StrangerAnswer(BaseModel):
    """Somebody whom a provider knows and the platform does not: what an administrator links to an account."""

    provider: str
    subject: str


class Ways(BaseModel):
    """How people sign in here, and what the sign-in that this browser began waits for."""

    providers: list[ProviderAnswer]
    passkeys: bool
    second_factor: list[str] = Field(description="totp, passkey; empty when nothing was begun.")
    stranger: StrangerAnswer | None


@router.get("/session/ways", summary="How people sign in here")
def read_ways(request: Request) -> Ways:
    """The providers, whether passkeys are possible, and what this browser has begun."""
    parts, secret = parts_of(request), step_secret_of(request)
    with parts.database.read() as tx:
        waited_for = signin.second.kinds_waited_for(tx, secret)
        unknown = signin.steps.look(tx, "unknown", secret)
    stranger = StrangerAnswer(provider=unknown.provider, subject=unknown.payload["subject"]) if unknown else None
    providers = [ProviderAnswer(id=p.id, label_fr=p.label_fr, label_en=p.label_en) for p in parts.settings.signin.providers]
    return Ways(
        providers=providers, passkeys=signin.passkeys.are_possible(parts.settings), second_factor=waited_for, stranger=stranger
    )  # fmt: skip


@router.delete("/session/ways", status_code=204, summary="Give up a sign-in that was begun")
def give_up(request: Request) -> None:
    """Forget what this browser has begun."""
    secret = step_secret_of(request)
    parts_of(request).database.transact(lambda tx: signin.second.give_up(tx, secret))


@router.post("/session/second", summary="Give the second factor", responses=SLOWED)
def give_second_factor(body: SecondFactor, request: Request, response: Response) -> SessionAnswer:
    """Open the session that waits for a code or a passkey."""
    parts = parts_of(request)
    secret = step_secret_of(request)
    opened = signin.second.complete(
        parts.database, parts.settings, secret, _address(request), code=body.code or "", passkey=body.passkey
    )  # fmt: skip
    return _opened(parts, request, response, opened)


@router.post("/session/passkey/options", summary="Begin to use a passkey")
def begin_passkey(request: Request, response: Response) -> dict[str, Any]:
    """What the browser needs (PublicKeyCredentialRequestOptions as JSON): for the account that waits, else for any."""
    parts, secret = parts_of(request), step_secret_of(request) or signin.steps.new_secret()
    options = parts.database.transact(lambda tx: signin.second.passkey_options(tx, parts.settings, secret))
    hand_step(response, parts, secret)
    return options


@router.post("/session/passkey", summary="Sign in by a passkey alone", responses=SLOWED)
def sign_in_by_passkey(body: Passkey, request: Request, response: Response) -> SessionAnswer:
    """Open a session; the authenticator has verified its owner."""
    parts = parts_of(request)
    opened = signin.second.sign_in_by_passkey(parts.database, parts.settings, step_secret_of(request), _address(request), body.passkey)
    return _opened(parts, request, response, opened)


@router.get("/session/start", status_code=303, response_class=RedirectResponse, summary="Go to a provider of identities")
def start(request: Request, provider: Word, next: str = "/") -> Response:
    """Send the browser to the provider; it comes back to the page ``next`` of ours."""
    parts = parts_of(request)
    try:
        address, secret = signin.oidc.start(parts.database, parts.settings, _provider(parts, provider), next)
    except ArchipelError as error:
        return _problem(error)
    answer = RedirectResponse(address, 303)
    hand_step(answer, parts, secret)
    return answer


@router.get("/session/callback/{provider}", status_code=303, response_class=RedirectResponse, summary="Come back from a provider")
def callback(request: Request, provider: Word) -> Response:
    """Open the session of the account that is linked to whom the provider named, and go on to the page that was asked for."""
    parts = parts_of(request)
    said = {key: value[:4096] for key, value in request.query_params.items()}
    try:
        opened, next_path = signin.oidc.finish(
            parts.database, parts.settings, _provider(parts, provider), said, step_secret_of(request), _address(request)
        )  # fmt: skip
    except ArchipelError as error:
        return _problem(error)
    if isinstance(opened, Session):
        answer = RedirectResponse(next_path, 303)
        hand_over(answer, parts, opened)
    elif isinstance(opened, SecondStep):
        answer = RedirectResponse(f"/sign-in?next={quote(next_path, safe='')}", 303)
        hand_step(answer, parts, opened.secret)
    else:
        secret, who = signin.steps.new_secret(), opened
        parts.database.transact(lambda tx: signin.steps.begin(tx, "unknown", secret, provider=who.provider, subject=who.subject))
        answer = RedirectResponse("/sign-in?problem=no-linked-account", 303)
        hand_step(answer, parts, secret)
    return answer


@router.post("/session/logout/{provider}", summary="Back-channel logout, for providers")
def log_out(request: Request, provider: Word, logout_token: Annotated[str, Form(max_length=TOKEN_LENGTH_MAX)]) -> None:
    """End the sessions that the provider's token names."""
    parts = parts_of(request)
    try:
        signin.oidc.log_out(parts.database, _provider(parts, provider), logout_token)
    except NotAllowed as error:
        raise Invalid(error.public, code=error.code, detail=error.detail, field="logout_token") from error


def _opened(parts: Parts, request: Request, response: Response, opened: Session) -> SessionAnswer:
    hand_over(response, parts, opened)
    return answer_of(parts, opened, _address(request))


def _provider(parts: Parts, provider: str) -> Any:
    if provider not in parts.providers:
        raise NotFound("There is no such provider of identities.", code="no-provider", field="provider")
    return parts.providers[provider]


def _problem(error: ArchipelError) -> Response:
    log.info("signin.refused", code=error.code, detail=error.detail)
    return RedirectResponse(f"/sign-in?problem={error.code}", 303)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
