"""The key that signs the chain: Ed25519 (RFC 8032) in a PEM file that the database's administrator need not be able to read."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from archipel.kit.errors import Invalid


@dataclass(frozen=True)
class PublicKey:
    """Who signed; ``id`` is the first half of the SHA-256 of the raw key, in hexadecimal."""

    key: Ed25519PublicKey

    @property
    def id(self) -> str:
        return hashlib.sha256(self.key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:32]

    @property
    def pem(self) -> str:
        """The key as other programs read it (RFC 8410)."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def signed(self, text: bytes, signature: str) -> bool:
        """Whether this key made the signature (hexadecimal) of this text."""
        try:
            self.key.verify(bytes.fromhex(signature), text)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Key:
    """The key that signs."""

    key: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.key.public_key())

    def sign(self, text: bytes) -> str:
        """The signature of a text, in hexadecimal."""
        return self.key.sign(text).hex()


def read_key(path: Path) -> Key | None:
    """The key of a file, None when there is no such file. Invalid when it holds no Ed25519 key."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, OSError) as error:
        raise Invalid(f"{path} holds no key for the audit trail: {error}", code="audit-key", field="audit.key_file") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Invalid(f"{path} holds no Ed25519 key.", code="audit-key", field="audit.key_file")
    return Key(key)


def make_key(path: Path) -> Key:
    """A new key in a file that its owner alone may read; the one that is there when another process was first."""
    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)  # whole or not at all, and never over another
    except FileExistsError:
        pass
    finally:
        part.unlink()
    found = read_key(path)
    assert found is not None
    return found


def read_public_key(path: Path) -> PublicKey:
    """The public key of a PEM file. Invalid when it holds none."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, OSError) as error:
        raise Invalid(f"{path} holds no public key: {error}", code="audit-key", field="public_key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Invalid(f"{path} holds no Ed25519 public key.", code="audit-key", field="public_key")
    return PublicKey(key)
