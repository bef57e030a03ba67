"""Sites, devices, accounts; structures, professionals, controls of devices."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from archipel.kit.errors import Invalid

# The services that a site may have switched on; a site joins with the archive and takes the rest later.
SERVICES = ("archive", "teleradiology", "dose", "screening", "distribution", "postprocessing", "backup")


@dataclass(frozen=True)
class Site:
    """An establishment. ``issuer`` is the assigning authority of Patient IDs that arrive without one.

    ``second_factor_roles``: the people of these roles sign in there with a second factor. ``finess``: its geographic entity, or empty.
    """

    id: str
    name: str
    kind: str = "hospital"
    issuer: str = ""
    services: tuple[str, ...] = ("archive",)
    time_zone: str = ""
    active: bool = True
    demo: bool = False
    second_factor_roles: tuple[str, ...] = ()
    finess: str = ""

    @property
    def default_issuer(self) -> str:
        """The issuer under which this site's bare Patient IDs are kept."""
        return self.issuer or f"site:{self.id}"

    @property
    def archives(self) -> bool:
        """Whether it stores and its devices are admitted: it is active, with the archive among its services."""
        return self.active and "archive" in self.services


@dataclass(frozen=True)
class Device:
    """An application entity. ``host`` is a name or address; it calls from there, from any port, and is called at ``port``.

    ``receives_rejections``: notes of what was rejected are sent to it. ``receives_from_other_sites``: exams and notes of any site may
    be sent to it (a regional archive), not only those of its own.
    """

    ae_title: str
    host: str
    port: int
    site_id: str
    description: str = ""
    tls: bool = False
    active: bool = True
    receives_rejections: bool = False
    receives_from_other_sites: bool = False


@dataclass(frozen=True)
class Hl7Peer:
    """An HL7 v2 application that we know: it sends from ``host``, from any port, and our messages to it go to ``port``.

    ``name`` is what it calls itself in MSH-3 or MSH-4. ``tls``: it is called, and heard, over TLS alone. ``certificate``: the subject of
    its certificate (RFC 4514, or the common name alone), empty for any that our authorities signed.
    """

    name: str
    host: str
    port: int
    site_id: str
    active: bool = True
    tls: bool = False
    certificate: str = ""

    def calls_itself(self, names: Iterable[str]) -> bool:
        """Whether one of the names of a message is its own; case does not count."""
        return self.name.casefold() in {name.strip().casefold() for name in names}


@dataclass(frozen=True)
class Account:
    """A person's or a script's account; the password hash stays in the room. ``rpps``: a professional's national number, or empty."""

    id: str
    login: str
    name: str
    role: str
    site_id: str
    active: bool
    must_change_password: bool
    locale: str = "fr"
    last_sign_in_at: str = ""
    rpps: str = ""


@dataclass(frozen=True)
class Structure:
    """An entity of the national register of structures: a legal one, or a geographic one that belongs to a legal one.

    ``finess``: its number, 9 characters. ``legal_finess``: for a geographic entity, the number of the legal one.
    """

    finess: str
    kind: str
    name: str
    legal_finess: str = ""


@dataclass(frozen=True)
class Unit:
    """A service of a site, as the hospital counts them (radiology, emergency department); not a service of the platform."""

    site_id: str
    code: str
    name: str
    active: bool = True


@dataclass(frozen=True)
class Professional:
    """A professional of the national register. ``profession`` and ``specialty``: codes of its value sets, or empty."""

    rpps: str
    family: str
    given: str
    profession: str = ""
    specialty: str = ""


@dataclass(frozen=True)
class Membership:
    """What a professional is in a structure, from a day to a day, both included; an empty ``to_on`` is not over. Days are ISO 8601."""

    rpps: str
    finess: str
    role: str
    from_on: str
    to_on: str = ""


@dataclass(frozen=True)
class Control:
    """A maintenance or a quality control of a device. Days are ISO 8601; ``next_due_on`` empty: none is planned.

    ``services``: those that the result is about; empty: all that depend on devices.
    """

    id: str
    ae_title: str
    kind: str
    on: str
    by: str
    result: str
    next_due_on: str = ""
    services: tuple[str, ...] = ()
    note: str = ""
    recorded_at: str = ""
    recorded_by: str = ""


_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,62}[A-Za-z0-9])?")
_RPPS = re.compile(r"[0-9]{11}")
_FINESS = re.compile(r"(?:[0-9]{2}|2[AB])[0-9]{7}")  # the first two name the department, which is 2A or 2B in Corsica
_AE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")
_HOST = re.compile(r"[A-Za-z0-9_:](?:[A-Za-z0-9_.:%-]{0,253}[A-Za-z0-9_:])?")


def check_text(value: str, length_max: int, field: str) -> str:
    """A line that people wrote, or Invalid: bounded, without control characters or halves of characters."""
    if len(value) > length_max or any(unicodedata.category(c) in ("Cc", "Cs") for c in value):
        raise Invalid(f"The {field} is one line of at most {length_max} characters.", code="text", field=field)
    return value


def check_site_id(site_id: str) -> str:
    """The id, or Invalid: lower-case letters, digits, hyphen and underscore, at most 64."""
    if not _SLUG.fullmatch(site_id):
        raise Invalid("A site's id is made of lower-case letters, digits, - and _.", code="site-id", field="id")
    return site_id


def is_login(text: str) -> bool:
    """Whether an account may be called so."""
    return _LOGIN.fullmatch(text) is not None


def check_login(login: str) -> str:
    """The login, or Invalid."""
    if not _LOGIN.fullmatch(login):
        raise Invalid("A login is made of letters, digits and . _ @ + -, at most 64.", code="login", field="login")
    return login


def check_rpps(rpps: str) -> str:
    """The number of a professional in the national directory (11 digits, the last one a Luhn key) or nothing, or Invalid."""
    if rpps and not (_RPPS.fullmatch(rpps) and _luhn(rpps)):
        raise Invalid("An RPPS number has 11 digits, of which the last one is a key.", code="rpps", field="rpps")
    return rpps


def check_finess(finess: str, field: str = "finess") -> str:
    """The number of a structure in the national register, or Invalid. Its key is not checked: we have no source for it."""
    if not _FINESS.fullmatch(finess):
        raise Invalid("A FINESS number has 9 digits.", code="finess", field=field)
    return finess


def check_day(day: str, field: str) -> str:
    """A day as ISO 8601 writes it (YYYY-MM-DD), or Invalid."""
    try:
        good = date.fromisoformat(day).isoformat() == day
    except ValueError:
        good = False
    if not good:
        raise Invalid(f"The {field} is a day, written YYYY-MM-DD.", code="day", field=field)
    return day


def _luhn(digits: str) -> bool:
    """Whether the last digit is the key of the others (ISO/IEC 7812-1 annex B)."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


def check_ae_title(ae_title: str) -> str:
    """The AE title without its padding, or Invalid (PS3.5 6.2, VR AE)."""
    ae_title = ae_title.strip()
    if not _AE.fullmatch(ae_title):
        raise Invalid("An AE title has 1 to 16 printable characters without backslash.", code="ae-title", field="aet")
    return ae_title


def check_endpoint(host: str, port: int) -> None:
    """Refuse a host or port that nothing can listen on."""
    if not _HOST.fullmatch(host) or any(len(label) > 63 or not label for label in host.split(".")):
        raise Invalid("A device needs a host name or an address.", code="host", field="host")
    if not 1 <= port <= 65535:
        raise Invalid("A port is a number from 1 to 65535.", code="port", field="port")
