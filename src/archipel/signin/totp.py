"""One-time codes by time (RFC 6238), as authenticator apps make them: HMAC-SHA-1, six digits, thirty seconds."""

from __future__ import annotations

import base64
import hmac
import io
import re
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

import segno

STEP_S = 30
DIGITS = 6
TOLERANCE_STEPS = 1  # a clock may be a step behind or ahead
SECRET_BYTES = 20  # RFC 4226, 4: the length of the hash
_CODE = re.compile(r"[0-9]{6}")


def new_secret() -> bytes:
    """A secret for one person's app."""
    return secrets.token_bytes(SECRET_BYTES)


def code_at(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """The code of a step of time (RFC 4226, 5.3)."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), "sha1").digest()
    offset = digest[-1] & 15
    return str((int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF) % 10**digits).zfill(digits)


def matching_step(secret: bytes, code: str, at: datetime, *, after: int) -> int | None:
    """The step whose code this is, later than ``after`` and a step from now at most; None when there is none."""
    now = int(at.timestamp()) // STEP_S
    near = range(now - TOLERANCE_STEPS, now + TOLERANCE_STEPS + 1)
    found = [step for step in near if hmac.compare_digest(code_at(secret, step), code)] if _CODE.fullmatch(code) else []
    return next((step for step in found if step > after), None)


def as_text(secret: bytes) -> str:
    """A secret as people type it."""
    return base64.b32encode(secret).decode().rstrip("=")


def address_of(secret: bytes, login: str, issuer: str) -> str:
    """The otpauth address that an app reads from a picture."""
    query = urlencode(
        {"secret": as_text(secret), "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_S}, quote_via=quote
    )
    return f"otpauth://totp/{quote(issuer)}:{quote(login)}?{query}"


def picture_of(address: str) -> str:
    """A QR code as SVG: dark on white, whatever the theme, with the quiet zone that readers need."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        out, kind="svg", scale=5, border=4, dark="#000", light="#fff", xmldecl=False, svgns=True
    )
    return out.getvalue().decode()
