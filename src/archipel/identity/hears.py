"""What ADT messages say, taken into the register (IHE ITI-8, ITI-30, ITI-31; HL7 v2.5.1 3.3).

A01, A04, A05, A08, A28 and A31 say who somebody is; A40 and A47 that one identifier took the place of another. The other events are about
visits: they change nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from archipel import directory
from archipel.directory import Site
from archipel.hl7 import adt
from archipel.hl7.adt_model import AdtEvent, Patient
from archipel.hl7.adt_model import Ins as SentIns
from archipel.hl7.er7 import Message
from archipel.hl7.moment import BirthDate
from archipel.hl7.problems import WARNING, Place, Problem
from archipel.hl7.types import CX
from archipel.identity.decisions import replace_id
from archipel.identity.model import Ins, LocalId, Seen, Status, Traits
from archipel.identity.seen import take_seen
from archipel.kit.actor import Actor
from archipel.kit.database import Tx

SAYS_WHO = frozenset({"A01", "A04", "A05", "A08", "A28", "A31"})
REPLACES = frozenset({"A40", "A47"})
# Table 0203: numbers of a visit, an account, or a register that is no assigning authority of patients.
OTHER_TYPES = frozenset({"AN", "VN", "DL", "PPN", "SS", "NH", "TAX", "INS", "INS-C", "INS-A"})


def hear_adt(tx: Tx, actor: Actor, message: Message, *, time_zone: str) -> tuple[Problem, ...]:
    """Take what an ADT message of ``actor`` says, who sends for its site; gives what is wrong in it, of severity E when nothing was taken.

    ``time_zone`` is for sites that name none. Raises NotFound, Conflict and Invalid of the register: the caller undoes the whole then.
    """
    event = adt.read(message)
    if not event.is_acceptable or event.trigger not in SAYS_WHO | REPLACES:
        return event.problems
    sites = directory.sites(tx)
    site = next(one for one in sites if one.id == actor.site_id)
    said = _Said(site, tuple(sites), f"hl7:{actor.id}"[:40], _said_at(tx, event, site, time_zone))
    ids, problems = said.local_ids(event.patient.identifiers, "PID", 3)
    if event.trigger in SAYS_WHO and event.patient.ins and not event.patient.identifiers:
        problems = [replace(one, severity=WARNING) for one in problems]  # a national number alone is right, and makes no record of a site
    elif not problems:
        for one in ids:
            take_seen(tx, actor, said.seen(one, event.patient))
        if event.trigger in REPLACES:
            problems = _replace(tx, actor, event, ids, said)
    return (*event.problems, *problems)


def _replace(tx: Tx, actor: Actor, event: AdtEvent, ids: list[LocalId], said: _Said) -> list[Problem]:
    """MRG-1 names what is replaced, PID-3 what stays: the identifier of the same authority, or the first one."""
    assert event.prior is not None
    priors, problems = said.local_ids(event.prior.identifiers, "MRG", 1)
    for prior in priors:
        survivor = next((one for one in ids if one.issuer == prior.issuer), ids[0])
        if prior == survivor:
            return [Problem("duplicate-key", Place("MRG", field=1), "An identifier cannot replace itself.")]
        replace_id(tx, actor, prior, survivor, site_id=said.site.id, source=said.source, at=said.at)
    return problems


@dataclass(frozen=True)
class _Said:
    """For whom, by whom and when something was said."""

    site: Site
    sites: tuple[Site, ...]
    source: str
    at: datetime

    def local_ids(self, identifiers: Iterable[CX], segment: str, field: int) -> tuple[list[LocalId], list[Problem]]:
        """Those of authorities that the sender's site speaks for; a problem where there are none."""
        found: list[LocalId] = []
        is_foreign = False
        for cx in identifiers:
            ends = cx.valid_until.on if cx.valid_until else None
            if cx.type in OTHER_TYPES or (ends is not None and ends < self.at.date()):
                continue
            issuer = self.issuer(cx)
            if issuer is None:
                is_foreign = True
            elif LocalId(cx.id, issuer) not in found:
                found.append(LocalId(cx.id, issuer))
        if found:
            return found, []
        place = Place(segment, field=field)
        if is_foreign:
            return [], [Problem("unknown-key", place, "The identifier's authority is that of another site; its own systems speak for it.")]
        return [], [Problem("required-field", place, "There is no local identifier of the patient: nothing was taken.")]

    def issuer(self, cx: CX) -> str | None:
        """The authority as the archive keeps it: the site's own where none is said; None for that of another site.

        A site's authority is known by either part of the HD. One of no site is its local name, as in Issuer of Patient ID (0010,0021).
        """
        names = {name.casefold() for name in (cx.authority.universal_id, cx.authority.namespace) if name}
        if not names or self.site.default_issuer.casefold() in names:
            return self.site.default_issuer
        if any(other.default_issuer.casefold() in names for other in self.sites):
            return None
        return cx.authority.namespace or cx.authority.universal_id

    def seen(self, one: LocalId, patient: Patient) -> Seen:
        """One identifier with what is said of the person."""
        t = patient.traits
        traits = Traits(
            t.birth_family, t.birth_first, t.birth_given_names, t.used_family, t.used_given, _date(t.birth_date), t.sex, t.birth_place_insee
        )
        ins = _ins(patient.ins)
        return Seen(one, self.site.id, traits, ins, Status(patient.status), frozenset(patient.flags), self.source, at=self.at)


def _said_at(tx: Tx, event: AdtEvent, site: Site, time_zone: str) -> datetime:
    """When it was recorded (EVN-2), else sent (MSH-7); never later than now, so that a wrong clock does not outlast what comes after."""
    zone = ZoneInfo(site.time_zone or time_zone)
    for moment in (event.recorded_at, event.sent_at):
        if moment is not None:
            at = moment.at(zone) or moment.naive.replace(tzinfo=zone)
            return min(at, tx.now())
    return tx.now()


def _ins(sent: Iterable[SentIns]) -> Ins | None:
    """The number that is in force; none when there are two and they are not one NIR and one number of those who had none."""
    valid = [one for one in sent if not one.is_old]
    nirs = [one for one in valid if one.kind == "NIR"]
    chosen = valid if len(valid) == 1 else nirs
    return Ins(chosen[0].matricule, chosen[0].oid) if len(chosen) == 1 else None


def _date(born: BirthDate | None) -> str:
    """YYYYMMDD with noughts for what is not known."""
    if born is None:
        return ""
    if born.on is None and born.lunar is not None:
        day, month, year = born.lunar
        return year.zfill(4) + month.zfill(2) + day.zfill(2)
    kept = {"day": 8, "month": 6, "year": 4}.get(born.precision, 0)
    return born.text[:kept].ljust(8, "0") if kept else ""
