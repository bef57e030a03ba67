"""Deliver: one object to one device by C-STORE."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from archipel.dicom import scu, status
from archipel.directory import Device
from archipel.kit.errors import Unavailable


@dataclass(frozen=True)
class Caller:
    """Who we are when we call a device. ``tls`` is used for devices that ask for TLS; without it they are not called."""

    ae_title: str
    tls: ssl.SSLContext | None = None
    limits: scu.Limits = field(default_factory=scu.Limits)

    def peer(self, device: Device) -> scu.Peer:
        """The device as a peer. Unavailable when it asks for TLS and we have no certificate: nothing goes in clear instead."""
        if device.tls and self.tls is None:
            raise Unavailable(f"{device.ae_title} asks for TLS, and no certificate is set.", code="no-tls")
        return scu.Peer(device.host, device.port, device.ae_title, self.ae_title, self.tls if device.tls else None)


# One object in the transfer syntaxes in which it can go, in order of wish.
Forms = Mapping[str, bytes]


def deliver(caller: Caller, device: Device, sop_class_uid: str, sop_instance_uid: str, forms: Forms) -> None:
    """Send an object on an association of its own; blocks. Unavailable when it did not arrive, with the reason."""
    offers = [(sop_class_uid, (syntax,)) for syntax in forms]
    with scu.Association(caller.peer(device), offers, limits=caller.limits) as association:
        accepted = {syntax for _, syntax in association.contexts.values()}
        chosen = next((syntax for syntax in forms if syntax in accepted), None)
        if chosen is None:
            raise Unavailable(f"{device.ae_title} does not take objects of the class {sop_class_uid}.", code="no-context")
        answer = association.store(sop_class_uid, sop_instance_uid, chosen, [forms[chosen]])
    if status.category(answer.status) not in (status.Category.SUCCESS, status.Category.WARNING):
        raise Unavailable(f"{device.ae_title} refused with {answer.status:04X}.", code="refused", detail=answer.comment)
