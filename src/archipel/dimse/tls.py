"""DICOM over TLS with certificates on both ends (PS3.15 B.9 to B.11, the BCP 195 profiles)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from archipel.kit.errors import Invalid
from archipel.kit.settings import DicomSettings


@dataclass(frozen=True)
class TlsContexts:
    """For our listener and for our own calls; None where the settings name no certificates."""

    server: ssl.SSLContext | None = None
    client: ssl.SSLContext | None = None


def tls_contexts(settings: DicomSettings) -> TlsContexts:
    """The contexts of the ``[dicom]`` table. Raises Invalid when the listener is on without certificate, key and client authority."""
    named = (settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    if not all(named):
        if settings.tls_port >= 0 or any(named):
            raise Invalid(
                "DICOM over TLS needs tls_certificate, tls_key and tls_client_ca.", code="settings", field="dicom.tls_certificate"
            )
        return TlsContexts()
    return TlsContexts(_context(ssl.PROTOCOL_TLS_SERVER, *named), _context(ssl.PROTOCOL_TLS_CLIENT, *named))


def _context(kind: int, certificate: str, key: str, authorities: str) -> ssl.SSLContext:
    try:
        context = ssl.SSLContext(kind)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Devices are addressed by number and their certificates name machines: what counts is who signed them.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authorities)
    except (OSError, ValueError) as error:
        raise Invalid(f"The certificates of the DICOM listener cannot be used: {error}", code="settings", field="dicom.tls") from error
    return context
