"""A certificate authority of a test, and what it signs."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Authority:
    """A certificate authority and what it signs, as PEM files in a folder."""

    def __init__(self, folder: Path, common: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name(common)
        self.certificate = self._sign(self.name, self.key.public_key(), is_authority=True)
        self.path = folder / f"{common}.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject: x509.Name, key: Any, *, is_authority: bool = False, address: str = "") -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + DAY)
        if address:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        return builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True).sign(self.key, hashes.SHA256())

    def sign(self, common: str, address: str = "") -> tuple[str, str]:
        """Paths of a certificate and its key; ``address`` is that of a server that clients compare."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, private = self.folder / f"{common}.crt", self.folder / f"{common}.key"
        certificate.write_bytes(self._sign(name(common), key.public_key(), address=address).public_bytes(serialization.Encoding.PEM))
        no_password = serialization.NoEncryption()
        private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))
        return str(certificate), str(private)
