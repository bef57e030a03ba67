"""DICOM over TLS with certificates on both ends (PS3.15 B.9 to B.11, the BCP 195 profiles)."""

from __future__ import annotations

from archipel.kit.settings import DicomSettings
from archipel.kit.tls import TlsContexts, contexts

__all__ = ["TlsContexts", "tls_contexts"]


def tls_contexts(settings: DicomSettings) -> TlsContexts:
    """The contexts of the ``[dicom]`` table. Raises Invalid when the listener is on without certificate, key and client authority."""
    s = settings
    return contexts("dicom", certificate=s.tls_certificate, key=s.tls_key, client_ca=s.tls_client_ca, listens=s.tls_port >= 0)
