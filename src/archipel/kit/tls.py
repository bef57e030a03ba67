"""TLS with certificates on both ends, for listeners whose peers are machines, and for calling them (PS3.15 B.9 to B.11, IHE ATNA)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from archipel.kit.errors import Invalid


@dataclass(frozen=True)
class TlsContexts:
    """For our listener and for our own calls; None where the settings name no certificates."""

    server: ssl.SSLContext | None = None
    client: ssl.SSLContext | None = None


def contexts(table: str, *, certificate: str, key: str, client_ca: str, listens: bool) -> TlsContexts:
    """The contexts of a table of the settings. Raises Invalid when its listener is on without certificate, key and client authority."""
    named = (certificate, key, client_ca)
    if not all(named):
        if listens or any(named):
            raise Invalid(
                f"TLS in [{table}] needs tls_certificate, tls_key and tls_client_ca.", code="settings", field=f"{table}.tls_certificate"
            )
        return TlsContexts()
    return TlsContexts(_context(ssl.PROTOCOL_TLS_SERVER, table, *named), _context(ssl.PROTOCOL_TLS_CLIENT, table, *named))


def _context(kind: int, table: str, certificate: str, key: str, authorities: str) -> ssl.SSLContext:
    try:
        context = ssl.SSLContext(kind)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Peers are addressed by number and their certificates name machines: what counts is who signed them.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authorities)
    except (OSError, ValueError) as error:
        raise Invalid(f"The certificates of [{table}] cannot be used: {error}", code="settings", field=f"{table}.tls") from error
    return context
