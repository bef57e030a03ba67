"""Keys: the secrets of one-time codes are kept sealed, under keys that are not in the database (AES-256-GCM)."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archipel.kit.cipher import KEY_BYTES, read_key_file
from archipel.kit.errors import Conflict, Unavailable
from archipel.kit.ids import new_id
from archipel.kit.settings import Settings

NONCE_BYTES = 12
FILE = "signin.keys"
Keys = Mapping[str, bytes]


def keys_of(settings: Settings, *, make: bool = False) -> Keys:
    """The keys by their id, the last for what is sealed now.

    ``make``: a first one is made when no file is named and the database is this machine's own. Conflict when it is not, Unavailable when
    there are none.
    """
    named = settings.signin.key_file
    path = Path(named) if named else settings.data / FILE
    if not named and not path.exists():
        if not make:
            raise Unavailable("The keys of second factors are not there.", code="second-factor-key", detail=str(path))
        if not settings.database_url.startswith("sqlite"):
            raise Conflict("An operator has to name a key file first: signin.key_file.", code="second-factor-key")
        _make(path)
    keys = read_key_file(path, "signin.key_file")
    if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
        raise Unavailable("The key file of second factors holds no keys.", code="second-factor-key", detail=str(path))
    return keys


def seal(keys: Keys, secret: bytes, about: str) -> str:
    """A secret that opens only under the same keys and for the same ``about``."""
    name = next(reversed(list(keys)))
    nonce = secrets.token_bytes(NONCE_BYTES)
    return f"{name}.{base64.b64encode(nonce + AESGCM(keys[name]).encrypt(nonce, secret, about.encode())).decode()}"


def unseal(keys: Keys, sealed: str, about: str) -> bytes:
    """The inverse of :func:`seal`. Unavailable when the key is not there or the text was altered."""
    name, _, text = sealed.partition(".")
    if name not in keys:
        raise Unavailable("The key of this second factor is not there.", code="second-factor-key", detail=name)
    raw = base64.b64decode(text)
    try:
        return AESGCM(keys[name]).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], about.encode())
    except InvalidTag as error:
        raise Unavailable("This second factor cannot be read under its key.", code="second-factor-key", detail=name) from error


def _make(path: Path) -> None:
    """Write a first key, whole and once, whoever else does so at the same time."""
    draft = path.with_name(f"{path.name}.{new_id()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as text:
        text.write(f"{secrets.token_hex(4)} {secrets.token_hex(KEY_BYTES)}\n")
        text.flush()
        os.fsync(file)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
