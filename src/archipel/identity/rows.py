"""Tables of the register of persons, and the SQL of records."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.types import TypeEngine

from archipel.identity.fold import blocks
from archipel.identity.model import Ins, LocalId, Person, Record, Status, Traits
from archipel.kit.clock import from_text, to_text
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared, among
from archipel.kit.rows import Sequence64, insert_new, metadata

# Any constant does: whoever changes the register does so alone, so that two messages cannot both miss the other.
IDENTITY_LOCK = 0x4944454E


def words(length: int) -> TypeEngine[str]:
    """Text that sorts by code point on both databases, so that order and prefix ranges mean the same."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


person = Table(
    "identity_person",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("demo", Boolean, nullable=False),
    Column("created_at", words(27), nullable=False),
)

record = Table(
    "identity_record",
    metadata,
    Column("key", words(32), primary_key=True),
    Column("value", words(300), nullable=False),
    Column("issuer", words(300), nullable=False),
    Column("site_id", words(64), nullable=False),
    Column("demo", Boolean, nullable=False),
    Column("person_id", words(32), nullable=False),
    Column("own_person_id", words(32), nullable=False),
    Column("joined_to", words(32), nullable=False),
    Column("fills", Boolean, nullable=False),
    Column("status", words(12), nullable=False),
    Column("flags", words(200), nullable=False),
    Column("ins_value", words(15), nullable=False),
    Column("ins_number", words(13), nullable=False),
    Column("ins_oid", words(40), nullable=False),
    Column("birth_family", words(300), nullable=False),
    Column("birth_first", words(300), nullable=False),
    Column("birth_given_names", Text, nullable=False),
    Column("used_family", words(300), nullable=False),
    Column("used_given", words(300), nullable=False),
    Column("birth_date", words(8), nullable=False),
    Column("sex", words(1), nullable=False),
    Column("birth_place_insee", words(10), nullable=False),
    Column("family_folded", words(300), nullable=False),
    Column("used_folded", words(300), nullable=False),
    Column("first_folded", words(300), nullable=False),
    Column("block_date", words(8), nullable=False),
    Column("block_names", words(20), nullable=False),
    Column("block_used", words(20), nullable=False),
    Column("block_first_year", words(20), nullable=False),
    Column("block_day_family", words(20), nullable=False),
    Column("block_day_first", words(20), nullable=False),
    Column("source", words(40), nullable=False),
    Column("said_at", words(27), nullable=False),
    Column("created_at", words(27), nullable=False),
    Column("updated_at", words(27), nullable=False),
    UniqueConstraint("value", "issuer"),
    Index(None, "person_id"),
    Index(None, "ins_number"),
    Index(None, "block_date"),
    Index(None, "block_names"),
    Index(None, "block_used"),
    Index(None, "block_first_year"),
    Index(None, "block_day_family"),
    Index(None, "block_day_first"),
    Index(None, "family_folded", "first_folded"),
    Index(None, "used_folded", "first_folded"),
    Index(None, "first_folded", "family_folded"),
)

decision = Table(
    "identity_decision",
    metadata,
    Column("number", Sequence64, primary_key=True, autoincrement=True),
    Column("id", words(32), nullable=False, unique=True),
    Column("kind", words(10), nullable=False),
    Column("is_automatic", Boolean, nullable=False),
    Column("record_key", words(32), nullable=False),
    Column("target_key", words(32), nullable=False),
    Column("site_id", words(64), nullable=False),
    Column("source", words(40), nullable=False),
    Column("actor_id", words(64), nullable=False),
    Column("at", words(27), nullable=False),
    Column("made_at", words(27), nullable=False),
    Column("moved", Text, nullable=False),
    Column("undoes", words(32), nullable=False),
    Column("is_undone", Boolean, nullable=False),
    Column("comment", Text, nullable=False),
    Index(None, "record_key"),
    Index(None, "target_key"),
    Index(None, "made_at"),
)

proposal = Table(
    "identity_proposal",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("low_key", words(32), nullable=False),
    Column("high_key", words(32), nullable=False),
    Column("low_site_id", words(64), nullable=False),
    Column("high_site_id", words(64), nullable=False),
    Column("demo", Boolean, nullable=False),
    Column("score", Integer, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("state", words(10), nullable=False),
    Column("created_at", words(27), nullable=False),
    Column("decided_at", words(27), nullable=False),
    Column("decided_by", words(64), nullable=False),
    Column("decision_id", words(32), nullable=False),
    UniqueConstraint("low_key", "high_key"),
    Index(None, "high_key"),
    Index(None, "state", "score", "id"),
)

_BY_ID = Prepared(lambda _: select(record).where(record.c.value == bindparam("value"), record.c.issuer == bindparam("issuer")))
_BY_KEY = Prepared(lambda dialect: select(record).where(among(dialect, record.c.key, "keys")))
_OF_PERSONS = Prepared(lambda dialect: select(record).where(among(dialect, record.c.person_id, "ids")).order_by(record.c.key))
_BY_INS = Prepared(lambda _: select(record).where(record.c.ins_number == bindparam("number"), record.c.demo == bindparam("demo")))


def lock(tx: Tx) -> None:
    """Let nobody else change the register until this transaction ends. SQLite has one writer anyhow."""
    if tx.dialect == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(IDENTITY_LOCK)))


def to_record(row: Any) -> Record:
    """A row as a record."""
    traits = Traits(
        row.birth_family, row.birth_first, tuple(json.loads(row.birth_given_names)), row.used_family, row.used_given, row.birth_date,
        row.sex, row.birth_place_insee,
    )  # fmt: skip
    return Record(
        row.key, LocalId(row.value, row.issuer), row.site_id, bool(row.demo), row.person_id, row.own_person_id, traits,
        Ins(row.ins_value, row.ins_oid) if row.ins_value else None, Status(row.status), frozenset(row.flags.split()), row.source,
        from_text(row.said_at), row.joined_to, bool(row.fills),
    )  # fmt: skip


def _values(r: Record) -> dict[str, Any]:
    t = r.traits
    return {
        "value": r.id.value, "issuer": r.id.issuer, "site_id": r.site_id, "demo": r.demo, "person_id": r.person_id,
        "own_person_id": r.own_person_id, "joined_to": r.joined_to, "fills": r.fills, "status": r.status.value,
        "flags": " ".join(sorted(r.flags)), "ins_value": r.ins.value if r.ins else "", "ins_number": r.ins.number if r.ins else "",
        "ins_oid": r.ins.oid if r.ins else "", "birth_family": t.birth_family, "birth_first": t.birth_first,
        "birth_given_names": json.dumps(t.birth_given_names), "used_family": t.used_family, "used_given": t.used_given,
        "birth_date": t.birth_date, "sex": t.sex, "birth_place_insee": t.birth_place_insee, "source": r.source,
        "said_at": to_text(r.said_at), **blocks(r),
    }  # fmt: skip


def add(tx: Tx, records: Iterable[Record]) -> None:
    """Insert records, each with the person of its own that it starts with."""
    now = to_text(tx.now())
    every = list(records)
    insert_new(tx, person, [{"id": r.own_person_id, "demo": r.demo, "created_at": now} for r in every])
    if every:
        tx.execute(insert(record), [{"key": r.key, **_values(r), "created_at": now, "updated_at": now} for r in every])


def add_person(tx: Tx, person_id: str, *, demo: bool) -> None:
    """Insert a person without records; nothing when she is there."""
    insert_new(tx, person, [{"id": person_id, "demo": demo, "created_at": to_text(tx.now())}])


def put(tx: Tx, r: Record) -> None:
    """Replace what a record says."""
    tx.execute(update(record).where(record.c.key == r.key).values(**_values(r), updated_at=to_text(tx.now())))


def move(tx: Tx, placed: Sequence[tuple[str, str, str]]) -> None:
    """Give records their (key, person, record that they are joined to)."""
    if placed:
        c = record.c
        moved = update(record).where(c.key == bindparam("k")).values(person_id=bindparam("p"), joined_to=bindparam("j"))
        tx.execute(moved, [{"k": key, "p": person_id, "j": joined_to} for key, person_id, joined_to in placed])


def by_id(tx: Tx, local_id: LocalId) -> Record | None:
    """One record by its identifier."""
    row = next(iter(_BY_ID.all(tx, value=local_id.value, issuer=local_id.issuer)), None)
    return to_record(row) if row else None


def by_ids(tx: Tx, ids: Collection[LocalId]) -> list[Record]:
    """Records by their identifiers, those that there are."""
    found: list[Record] = []
    every = sorted({(one.value, one.issuer) for one in ids})
    for start in range(0, len(every), 400):
        some = every[start : start + 400]
        found += [to_record(row) for row in tx.execute(select(record).where(tuple_(record.c.value, record.c.issuer).in_(some)))]
    return found


def by_keys(tx: Tx, keys: Iterable[str]) -> dict[str, Record]:
    """Records by key."""
    wanted = sorted(set(keys))
    return {row.key: to_record(row) for row in _BY_KEY.all(tx, keys=wanted)} if wanted else {}


def by_ins(tx: Tx, number: str, *, demo: bool) -> list[Record]:
    """Records of qualified identities with this number, of whatever authority."""
    return [to_record(row) for row in _BY_INS.all(tx, number=number, demo=demo)]


def persons(tx: Tx, ids: Iterable[str]) -> dict[str, Person]:
    """Persons with their records; those without any are left out."""
    wanted = sorted(set(ids))
    found: dict[str, list[Record]] = {}
    for row in _OF_PERSONS.all(tx, ids=wanted) if wanted else ():
        found.setdefault(row.person_id, []).append(to_record(row))
    return {person_id: Person(person_id, records[0].demo, tuple(records)) for person_id, records in found.items()}
