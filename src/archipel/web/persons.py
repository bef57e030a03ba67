"""The identity officer's desk: persons and their records, the work list, decisions and their undoing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from archipel import audit, directory, identity, sharing
from archipel.identity import Verdict
from archipel.kit.database import Tx
from archipel.kit.errors import NotFound
from archipel.kit.scope import Scope
from archipel.web.errors import DoorRoute
from archipel.web.once import REPEATABLE, once
from archipel.web.parts import Call, needs
from archipel.web.words import Body, Cursor, Listed, LongText, Text, cursor_after, iso_date, or_none, place_of, whole

router = APIRouter(route_class=DoorRoute, prefix="/identity", tags=["identity"])
Officer = Annotated[Call, needs("identity.manage")]
Key = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
OWN_ISSUERS = ("site:", "study:")
STATES = Literal["open", "later", "linked", "different"]


class RecordAnswer(BaseModel):
    """What one site says of a person. ``ins`` is shown for a qualified identity only; a birth date may lack its month and day."""

    key: str
    id: str
    issuer: str | None
    site_id: str
    site_name: str
    birth_family: str | None
    birth_first: str | None
    birth_given_names: list[str]
    used_family: str | None
    used_given: str | None
    birth_date: str | None
    sex: str | None
    birth_place_insee: str | None
    ins: str | None
    ins_oid: str | None
    status: str
    flags: list[str]
    source: str
    said_at: datetime
    replaced_by: str | None = Field(description="The key of the record that took its place (A40).")


class PersonAnswer(BaseModel):
    """A person: the record that speaks for her, and how many she has."""

    id: str
    best: RecordAnswer
    record_count: int


class DecisionAnswer(BaseModel):
    """A link, unlink, merge or undoing."""

    id: str
    kind: str
    automatic: bool
    record_key: str
    target_key: str | None
    actor: str
    at: datetime
    made_at: datetime
    undoes: str | None
    undone: bool
    comment: str


class PersonDetail(PersonAnswer):
    """With all records, the best first, and what was decided about them, the newest first."""

    records: list[RecordAnswer]
    decisions: list[DecisionAnswer]


class Compared(BaseModel):
    """A trait of both records; ``same`` is null where one of them does not say it."""

    trait: str
    low: str
    high: str
    same: bool | None


class ProposalAnswer(BaseModel):
    """Two records that may be of one person. ``reasons`` are slugs that clients translate."""

    id: str
    state: str
    score: int
    reasons: list[str]
    low: RecordAnswer
    high: RecordAnswer
    low_person: PersonAnswer
    high_person: PersonAnswer
    traits: list[Compared]
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision_id: str | None


class VerdictBody(Body):
    """What is decided of a proposal."""

    verdict: Verdict
    comment: LongText = ""


class Reason(Body):
    """Why, in the officer's words."""

    comment: LongText = ""


@router.get("/persons", summary="Find persons")
def find_persons(
    call: Officer,
    q: Annotated[Text, Query(description="Names in any order, a birth date in any form, an identifier or a matricule.")],
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Listed[PersonAnswer]:
    """Persons that meet all that was typed; words are beginnings of names."""
    with call.database.read() as tx:
        names = _site_names(tx)
        found = identity.find(tx, _scope(tx, call), q, limit=limit)
    return whole([_person(one, names) for one in found])


@router.get("/persons/{person_id}", summary="One person with her records")
def read_person(person_id: Key, call: Officer) -> PersonDetail:
    """All records and decisions; opening it is written into the audit trail."""
    with call.database.read() as tx:
        answer = _detail(tx, call, person_id)
    if call.parts.opened.is_new(call.database.clock.now(), "person", call.actor.id, person_id):
        with call.database.write() as tx:
            audit.record(tx, call.actor, "identity.open", object_id=person_id, door="web")
    return answer


@router.get("/proposals", summary="The work list")
def list_proposals(
    call: Officer,
    state: Annotated[STATES, Query(description="open, later, linked or different.")] = "open",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[Cursor, Query()] = "",
) -> Listed[ProposalAnswer]:
    """Pairs of records that may be of one person, the likeliest first."""
    _, place = place_of(cursor, "proposals")
    after = (int(place[0]), str(place[1])) if len(place) == 2 else None
    with call.database.read() as tx:
        site_ids, names = sharing.visible_site_ids(tx, call.actor), _site_names(tx)
        found = identity.proposals(tx, site_ids=site_ids, state=state, after=after, limit=limit)
        total = identity.count_proposals(tx, site_ids=site_ids, state=state)
        pairs = identity.pairs_of(tx, found)
    more = cursor_after("proposals", (found[-1].score, found[-1].id)) if len(found) == limit else None
    return Listed(items=[_pair(one, names) for one in pairs], total=total, next_cursor=more)


@router.get("/proposals/{proposal_id}", summary="One proposal")
def read_proposal(proposal_id: Key, call: Officer) -> ProposalAnswer:
    """Both records beside each other."""
    with call.database.read() as tx:
        return _proposal(tx, call, proposal_id)


@router.post("/proposals/{proposal_id}/decision", summary="Decide about a proposal", openapi_extra=REPEATABLE)
def decide(proposal_id: Key, body: VerdictBody, call: Officer) -> ProposalAnswer:
    """Link both persons, note that they differ, or leave it for later. A link can be undone."""

    def act(tx: Tx) -> ProposalAnswer:
        site_ids = sharing.visible_site_ids(tx, call.actor)
        identity.decide(tx, call.actor, proposal_id, body.verdict, site_ids=site_ids, comment=body.comment)
        return _proposal(tx, call, proposal_id)

    return once(call, body, ProposalAnswer, act)


@router.post("/decisions/{decision_id}/undoing", summary="Undo a decision", openapi_extra=REPEATABLE)
def undo(decision_id: Key, body: Reason, call: Officer) -> DecisionAnswer:
    """It counts no more; undoing the undoing lets it count again."""

    def act(tx: Tx) -> DecisionAnswer:
        _require_sites(tx, call, [identity.decision_with(tx, decision_id).record_key])
        return _decision(identity.undo(tx, call.actor, decision_id, comment=body.comment))

    return once(call, body, DecisionAnswer, act)


@router.post("/records/{record_key}/unlinking", summary="Take a record from its person", openapi_extra=REPEATABLE)
def unlink(record_key: Key, body: Reason, call: Officer) -> DecisionAnswer:
    """The record becomes a person of its own, with those that it replaced; nothing links it back by itself."""

    def act(tx: Tx) -> DecisionAnswer:
        _require_sites(tx, call, [record_key])
        return _decision(identity.unlink(tx, call.actor, record_key, comment=body.comment))

    return once(call, body, DecisionAnswer, act)


def _scope(tx: Tx, call: Call) -> Scope:
    return Scope.of_sites(sharing.visible_site_ids(tx, call.actor), f"identity:account:{call.actor.id}")


def _require_sites(tx: Tx, call: Call, record_keys: Sequence[str]) -> None:
    """NotFound when a record is of a site that the officer does not see."""
    seen = set(sharing.visible_site_ids(tx, call.actor))
    if any(identity.record_with(tx, key).site_id not in seen for key in record_keys):
        raise NotFound("There is no record or decision with this id.", code="no-record", field="record_key")


def _site_names(tx: Tx) -> dict[str, str]:
    return {site.id: site.name for site in directory.sites(tx)}


def _detail(tx: Tx, call: Call, person_id: str) -> PersonDetail:
    person, names = identity.person_with(tx, person_id), _site_names(tx)
    if not {record.site_id for record in person.records} & set(sharing.visible_site_ids(tx, call.actor)):
        raise NotFound(f"There is no person {person_id}.", code="no-person", field="person_id")
    return PersonDetail(
        **vars(_person(person, names)),
        records=[_record(one, names) for one in identity.records_of(tx, person_id)],
        decisions=[_decision(one) for one in identity.decisions_of(tx, person_id)],
    )


def _proposal(tx: Tx, call: Call, proposal_id: str) -> ProposalAnswer:
    pair = identity.pair_with(tx, proposal_id, site_ids=sharing.visible_site_ids(tx, call.actor))
    return _pair(pair, _site_names(tx))


def _person(one: identity.Person, names: dict[str, str]) -> PersonAnswer:
    return PersonAnswer(id=one.id, best=_record(one.best, names), record_count=len(one.records))


def _record(r: identity.Record, names: dict[str, str]) -> RecordAnswer:
    t = r.traits
    return RecordAnswer(
        key=r.key, id=r.id.value, issuer=None if r.id.issuer.startswith(OWN_ISSUERS) else r.id.issuer, site_id=r.site_id,
        site_name=names.get(r.site_id, r.site_id), birth_family=or_none(t.birth_family), birth_first=or_none(t.birth_first),
        birth_given_names=list(t.birth_given_names), used_family=or_none(t.used_family), used_given=or_none(t.used_given),
        birth_date=_date(t.birth_date), sex=or_none(t.sex), birth_place_insee=or_none(t.birth_place_insee),
        ins=r.ins.value if r.ins else None, ins_oid=r.ins.oid if r.ins else None, status=r.status.value, flags=sorted(r.flags),
        source=r.source, said_at=r.said_at, replaced_by=or_none(r.joined_to),
    )  # fmt: skip


def _date(text: str) -> str | None:
    """ISO 8601; as far as it is known."""
    return iso_date(text) or "-".join(part for part in (text[:4], text[4:6], text[6:]) if part.strip("0")) or None


def _pair(pair: identity.Pair, names: dict[str, str]) -> ProposalAnswer:
    p = pair.proposal
    return ProposalAnswer(
        id=p.id, state=p.state.value, score=p.score, reasons=list(p.reasons), low=_record(pair.low, names), high=_record(pair.high, names),
        low_person=_person(pair.low_person, names), high_person=_person(pair.high_person, names),
        traits=[Compared(trait=one.trait, low=one.low, high=one.high, same=one.is_same) for one in pair.traits], created_at=p.created_at,
        decided_at=p.decided_at, decided_by=or_none(p.decided_by), decision_id=or_none(p.decision_id),
    )  # fmt: skip


def _decision(d: identity.Decision) -> DecisionAnswer:
    return DecisionAnswer(
        id=d.id, kind=d.kind.value, automatic=d.is_automatic, record_key=d.record_key, target_key=or_none(d.target_key), actor=d.actor_id,
        at=d.at, made_at=d.made_at, undoes=or_none(d.undoes), undone=d.is_undone, comment=d.comment,
    )  # fmt: skip
