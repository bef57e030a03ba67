"""Calling a device to see whether it answers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

from archipel.dicom import scu, sop_classes, uids
from archipel.directory import Device
from archipel.kit.errors import ArchipelError
from archipel.web.parts import Echo

LIMITS = scu.Limits(connect_s=5, artim_s=10, response_s=10)


def caller(ae_title: str, tls: ssl.SSLContext | None = None) -> Callable[[Device], Echo]:
    """A function that sends a C-ECHO under our AE title; a failure is a result with its reason, not an error."""

    def call(device: Device) -> Echo:
        started = time.monotonic()
        peer = scu.Peer(device.host, device.port, device.ae_title, ae_title, (tls or _tls()) if device.tls else None)
        reason = public = ""
        try:
            with scu.Association(peer, [(sop_classes.VERIFICATION, [uids.IMPLICIT_LITTLE])], limits=LIMITS) as association:
                answer = association.echo()
            if answer.status != 0:
                reason, public = "refused", f"The device answered with status {answer.status:04X}. {answer.comment}".strip()
        except ArchipelError as error:
            reason, public = error.code, error.public
        return Echo(not reason, reason, public, round((time.monotonic() - started) * 1000))

    return call


def _tls() -> ssl.SSLContext:
    """A client context without certificates of its own; inside a hospital the peer's certificate is rarely one of a public authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
