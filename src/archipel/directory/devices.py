"""Devices: which application entities we know, where they are, and what they belong to."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace
from typing import Any

from archipel import audit
from archipel.directory import rows
from archipel.directory.model import Device, check_ae_title, check_endpoint, check_text
from archipel.directory.sites import site_named
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.errors import NotFound


def add_device(tx: Tx, actor: Actor, device: Device) -> Device:
    """Make a device known; the same AE title again changes the one that is there."""
    device = replace(device, ae_title=check_ae_title(device.ae_title))
    check_endpoint(device.host, device.port)
    check_text(device.description, 200, "description")
    site_named(tx, device.site_id)
    rows.put_device(tx, device)
    audit.record(tx, actor, "directory.add_device", object_id=device.ae_title, site_id=device.site_id)
    return device


def change_device(tx: Tx, actor: Actor, ae_title: str, **changes: Any) -> Device:
    """Change a device's host, port, site, description, TLS, activity or what it takes."""
    return add_device(tx, actor, replace(device_named(tx, ae_title), **changes))


def remove_device(tx: Tx, actor: Actor, ae_title: str) -> None:
    """Forget a device; what it sent stays."""
    if not rows.delete_device(tx, ae_title):
        raise NotFound(f"There is no device {ae_title}.", code="no-device", field="aet")
    audit.record(tx, actor, "directory.remove_device", object_id=ae_title)


def device_named(tx: Tx, ae_title: str) -> Device:
    """One device, or NotFound."""
    device = rows.get_device(tx, ae_title.strip())
    if device is None:
        raise NotFound(f"There is no device {ae_title.strip()}.", code="no-device", field="aet")
    return device


def device_for(tx: Tx, ae_title: str, address: str) -> Device | None:
    """The active device of a site that archives that calls itself so, if it calls from its own address (any port); else None."""
    device = rows.get_device(tx, ae_title.strip())
    if device is None or not device.active or not same_address(device.host, address):
        return None
    site = rows.get_site(tx, device.site_id)
    return device if site and site.archives else None


def devices(tx: Tx) -> list[Device]:
    """All devices by AE title."""
    return rows.all_devices(tx)


def same_address(host: str, address: str) -> bool:
    """Whether a connection from an address comes from this host, a name or an address."""
    seen, known = _plain(address), _plain(host)
    if known or not seen:
        return known is not None and known == seen
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # no such name, or one that cannot be written as a name (UnicodeError)
        return False
    return seen in {_plain(str(entry[4][0])) for entry in found}


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, IPv4 within IPv6 as IPv4; None when it is a name."""
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
