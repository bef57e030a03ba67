"""Passkeys (WebAuthn): made in a browser for this address alone, and used with the owner's PIN, finger or face."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from archipel.directory import Account
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, Invalid
from archipel.kit.settings import Settings
from archipel.signin import rows_factors as rows
from archipel.signin import steps
from archipel.signin.factors import ISSUER, keep, passkey_secret

CREDENTIAL_ID_LENGTH_MAX = 1366  # 1023 bytes (WebAuthn 3, 4) in base64
_MALFORMED = (WebAuthnException, ValueError, KeyError, TypeError)


def are_possible(settings: Settings) -> bool:
    """Whether browsers make passkeys here: they are made for a name, which the public address gives."""
    host = urlsplit(settings.http.public_url).hostname or ""
    return bool(host) and not host.replace(".", "").isdigit() and ":" not in host


def begin_registration(tx: Tx, settings: Settings, account: Account) -> dict[str, Any]:
    """What a browser needs to make a passkey (PublicKeyCredentialCreationOptions as JSON)."""
    options = webauthn.generate_registration_options(
        rp_id=_name_of(settings), rp_name=ISSUER, user_name=account.login, user_display_name=account.name, user_id=account.id.encode(),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, require_resident_key=True, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(tx, account.id),
    )  # fmt: skip
    steps.begin(tx, "register", account.id, account_id=account.id, challenge=bytes_to_base64url(options.challenge))
    said: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return said


def register(tx: Tx, settings: Settings, actor: Actor, account: Account, credential: dict[str, Any], name: str) -> list[str]:
    """Keep the passkey that a browser made; recovery codes when it is the first factor. Invalid when it was not made for us just now."""
    step = steps.take(tx, "register", account.id)
    if step is None:
        raise Conflict("This enrolment is over; begin it again.", code="enrolment-over")
    try:
        made = webauthn.verify_registration_response(
            credential=credential, expected_challenge=base64url_to_bytes(step.payload["challenge"]), expected_rp_id=_name_of(settings),
            expected_origin=_origin(settings), require_user_verification=True,
        )  # fmt: skip
    except _MALFORMED as error:
        raise Invalid("This passkey was not made for this sign-in.", code="wrong-passkey", field="passkey", detail=str(error)) from error
    digest = _digest(made.credential_id)
    if rows.factor_of_credential(tx, digest):
        raise Conflict("This passkey is known already.", code="passkey-known", field="passkey")
    secret = passkey_secret(bytes_to_base64url(made.credential_id), bytes_to_base64url(made.credential_public_key), _transports(credential))
    return keep(tx, actor, account, kind="passkey", name=name, secret=secret, credential=digest, used=made.sign_count)


def begin_use(tx: Tx, settings: Settings, secret: str, account_id: str = "") -> dict[str, Any]:
    """What a browser needs to use a passkey: one of an account, or whichever it holds for us."""
    options = webauthn.generate_authentication_options(
        rp_id=_name_of(settings), user_verification=UserVerificationRequirement.REQUIRED,
        allow_credentials=_descriptors(tx, account_id) if account_id else [],
    )  # fmt: skip
    steps.begin(tx, "passkey", secret, account_id=account_id, challenge=bytes_to_base64url(options.challenge))
    said: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return said


def use(tx: Tx, settings: Settings, secret: str, credential: dict[str, Any]) -> str:
    """The id of the account whose passkey answered what was begun under this secret, once; empty when none did."""
    step = steps.take(tx, "passkey", secret)
    said = credential.get("id")
    if step is None or not isinstance(said, str) or len(said) > CREDENTIAL_ID_LENGTH_MAX:
        return ""
    try:
        row = rows.factor_of_credential(tx, _digest(base64url_to_bytes(said)))
        if row is None or (step.account_id and step.account_id != row.account_id):
            return ""
        kept = json.loads(row.secret)
        used = webauthn.verify_authentication_response(
            credential=credential, expected_challenge=base64url_to_bytes(step.payload["challenge"]), expected_rp_id=_name_of(settings),
            expected_origin=_origin(settings), credential_public_key=base64url_to_bytes(kept["public_key"]),
            credential_current_sign_count=row.used, require_user_verification=True,
        )  # fmt: skip
    except _MALFORMED:
        return ""
    rows.use_factor(tx, row.id, used.new_sign_count, to_text(tx.now()), rises=False)
    return str(row.account_id)


def _descriptors(tx: Tx, account_id: str) -> list[PublicKeyCredentialDescriptor]:
    kept = [json.loads(row.secret) for row in rows.factors(tx, account_id) if row.kind == "passkey"]
    known = {one.value: one for one in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(id=base64url_to_bytes(one["id"]), transports=[known[t] for t in one["transports"]]) for one in kept
    ]


def _transports(credential: dict[str, Any]) -> list[str]:
    known = {one.value for one in AuthenticatorTransport}
    response = credential.get("response")
    said = response.get("transports") if isinstance(response, dict) else None
    return [one for one in said if one in known] if isinstance(said, list) else []


def _name_of(settings: Settings) -> str:
    if not are_possible(settings):
        raise Conflict("Passkeys need the platform's public address by name (http.public_url).", code="no-passkeys")
    return urlsplit(settings.http.public_url).hostname or ""


def _origin(settings: Settings) -> str:
    address = urlsplit(settings.http.public_url)
    return f"{address.scheme}://{address.netloc}".lower()


def _digest(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest()
