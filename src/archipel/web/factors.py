"""The own second factors: list, add, name, remove, recovery codes. A session that was left open cannot change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from archipel import directory, sharing
from archipel.directory import Account
from archipel.kit.database import Tx
from archipel.kit.errors import NotAllowed
from archipel.signin import factors, passkeys
from archipel.web.errors import DoorRoute
from archipel.web.parts import Call, SignedIn
from archipel.web.words import Body, Word

router = APIRouter(route_class=DoorRoute, tags=["session"])
Name = Annotated[str, StringConstraints(min_length=1, max_length=60)]
T = TypeVar("T")


class TotpConfirmation(Body):
    """A code of the app, and a name for it."""

    code: Annotated[str, StringConstraints(min_length=6, max_length=10)]
    name: Name


class PasskeyConfirmation(Body):
    """What the browser made (PublicKeyCredential as JSON), and a name for it."""

    passkey: dict[str, Any]
    name: Name


class FactorName(Body):
    """Another name."""

    name: Name


class FactorAnswer(BaseModel):
    """A second factor: ``totp`` or ``passkey``."""

    id: str
    kind: str
    name: str
    created_at: str
    used_at: str | None


class FactorsAnswer(BaseModel):
    """The second factors of the account."""

    factors: list[FactorAnswer]
    recovery_codes_left: int
    required: bool = Field(description="Whether the account's role must have one.")
    passkeys: bool = Field(description="Whether passkeys are possible at this address.")
    fresh: bool = Field(description="Whether this session was opened lately enough to change them.")


class EnrolmentAnswer(BaseModel):
    """For an authenticator app; shown this once."""

    picture: str = Field(description="QR code, SVG.")
    secret: str


class RecoveryCodes(BaseModel):
    """Shown this once; empty when the account has its codes already."""

    recovery_codes: list[str]


@router.get("/session/factors", summary="List the own second factors")
def list_factors(call: SignedIn) -> FactorsAnswer:
    """The second factors of the account, oldest first."""
    settings = call.parts.settings
    with call.database.read() as tx:
        account = directory.account_named(tx, call.actor.id)
        try:
            factors.require_fresh(tx, call.actor, _session_secret(call))
            fresh = True
        except NotAllowed:
            fresh = False
        return FactorsAnswer(
            factors=[
                FactorAnswer(id=f.id, kind=f.kind, name=f.name, created_at=f.created_at, used_at=f.used_at or None)
                for f in factors.factors_of(tx, account.id)
            ],
            recovery_codes_left=factors.recovery_codes_left(tx, account.id),
            required=factors.is_required(tx, settings.signin.second_factor_roles, account),
            passkeys=passkeys.are_possible(settings),
            fresh=fresh,
        )


@router.post("/session/factors/totp", summary="Begin to add an authenticator app")
def begin_totp(call: SignedIn) -> EnrolmentAnswer:
    """A secret as a picture and as text; nothing changes until a code of it is given."""
    begun = _changing(call, lambda tx, account: factors.begin_totp(tx, call.parts.settings, account))
    return EnrolmentAnswer(picture=begun.picture, secret=begun.secret)


@router.post("/session/factors/totp/confirm", summary="Add the authenticator app")
def confirm_totp(body: TotpConfirmation, call: SignedIn) -> RecoveryCodes:
    """Keep the secret that was begun."""
    settings = call.parts.settings
    codes = _changing(
        call, lambda tx, account: factors.confirm_totp(tx, settings, call.actor, account, code=body.code, name=body.name)
    )  # fmt: skip
    return RecoveryCodes(recovery_codes=codes)


@router.post("/session/factors/passkey", summary="Begin to add a passkey")
def begin_passkey(call: SignedIn) -> dict[str, Any]:
    """What the browser needs (PublicKeyCredentialCreationOptions as JSON)."""
    return _changing(call, lambda tx, account: passkeys.begin_registration(tx, call.parts.settings, account))


@router.post("/session/factors/passkey/confirm", summary="Add the passkey")
def confirm_passkey(body: PasskeyConfirmation, call: SignedIn) -> RecoveryCodes:
    """Keep the passkey that the browser made."""
    settings = call.parts.settings
    codes = _changing(call, lambda tx, account: passkeys.register(tx, settings, call.actor, account, body.passkey, body.name))
    return RecoveryCodes(recovery_codes=codes)


@router.post("/session/factors/recovery-codes", summary="Make new recovery codes")
def make_recovery_codes(call: SignedIn) -> RecoveryCodes:
    """New codes in the place of the former ones."""
    return RecoveryCodes(recovery_codes=_changing(call, lambda tx, account: factors.new_recovery_codes(tx, call.actor, account)))


@router.patch("/session/factors/{factor_id}", status_code=204, summary="Name a second factor")
def rename_factor(factor_id: Word, body: FactorName, call: SignedIn) -> None:
    """Give it another name."""
    _changing(call, lambda tx, account: factors.rename_factor(tx, call.actor, account, factor_id, body.name))


@router.delete("/session/factors/{factor_id}", status_code=204, summary="Remove a second factor")
def remove_factor(factor_id: Word, call: SignedIn) -> None:
    """Remove it; with the last one go the recovery codes."""
    _changing(call, lambda tx, account: factors.remove_factor(tx, call.actor, account, factor_id))


def _changing(call: Call, act: Callable[[Tx, Account], T]) -> T:
    sharing.require_whole(call.actor)
    return call.database.transact(lambda tx: act(tx, factors.require_fresh(tx, call.actor, _session_secret(call))))


def _session_secret(call: Call) -> str:
    return str(call.request.scope["state"].get("session_secret", ""))
