"""Making the door from the platform's parts."""

from __future__ import annotations

import ipaddress

from archipel.kit.metrics import Metrics
from archipel.kit.settings import MllpSettings
from archipel.kit.tls import TlsContexts, contexts
from archipel.mllp.door import MllpDoor
from archipel.mllp.parts import Queue


def create(queue: Queue, settings: MllpSettings, metrics: Metrics | None = None) -> MllpDoor:
    """The door, not listening yet."""
    return MllpDoor(queue, settings, metrics or Metrics())


def plain_host(settings: MllpSettings) -> str:
    """Where the plain listener listens: on this machine alone, unless a setting says that the network is safe."""
    if settings.allow_plain or _is_loopback(settings.host):
        return settings.host
    return "127.0.0.1"


def tls_contexts(settings: MllpSettings) -> TlsContexts:
    """The contexts of the ``[mllp]`` table. Raises Invalid when the listener is on without certificate, key and client authority."""
    s = settings
    return contexts("mllp", certificate=s.tls_certificate, key=s.tls_key, client_ca=s.tls_client_ca, listens=s.tls_port >= 0)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
