"""SQL of doubt: which instances name another person than their study does, or come from another site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Index, String, Table, delete, func, select

from archipel.archive import rows
from archipel.archive.model import Flag
from archipel.archive.rows import chunks, insert_new, instance, words
from archipel.archive.rows_review import conflict, rejection
from archipel.kit.database import Tx
from archipel.kit.rows import metadata

# An instance that does not agree with its study or patient, and the conflict that says what it names. All others agree.
doubted = Table(
    "archive_doubted",
    metadata,
    Column("sop_instance_uid", words(64), primary_key=True),
    Column("study_uid", words(64), nullable=False),
    Column("conflict_id", String(32), nullable=False),
    Index(None, "study_uid"),
)

KINDS = [flag.value for flag in Flag]


def doubts(tx: Tx, study_uid: str) -> list[Any]:
    """Every doubt about whose exam a study is, open or not, the first first."""
    c = conflict.c
    return list(tx.execute(select(conflict).where(c.study_uid == study_uid, c.kind.in_(KINDS)).order_by(c.found_at, c.id)))


def show_flags(tx: Tx, study_uid: str) -> None:
    """Give a study the flags of the doubts that are open; it must be locked."""
    c = conflict.c
    statement = select(c.kind).where(c.study_uid == study_uid, c.state == "open", c.kind.in_(KINDS)).distinct()
    rows.change_study(tx, study_uid, flags=" ".join(sorted(tx.execute(statement).scalars())))


def mark(tx: Tx, marks: Sequence[tuple[str, str, str]]) -> None:
    """Note of instances which doubt they bear: (sop_instance_uid, study_uid, conflict_id)."""
    insert_new(tx, doubted, [dict(zip(("sop_instance_uid", "study_uid", "conflict_id"), one, strict=True)) for one in marks])


def unmark(tx: Tx, sop_instance_uids: Iterable[str]) -> None:
    """Forget the doubts that instances bear."""
    for some in chunks(sop_instance_uids):
        tx.execute(delete(doubted).where(doubted.c.sop_instance_uid.in_(some)))


def unmark_all(tx: Tx, study_uid: str, conflict_ids: Iterable[str]) -> None:
    """Forget which instances of a study bear these doubts."""
    for some in chunks(conflict_ids):
        tx.execute(delete(doubted).where(doubted.c.study_uid == study_uid, doubted.c.conflict_id.in_(some)))


def borne_by(tx: Tx, sop_instance_uid: str) -> Any | None:
    """The doubt that an instance bears."""
    joined = select(conflict).join(doubted, doubted.c.conflict_id == conflict.c.id)
    return tx.execute(joined.where(doubted.c.sop_instance_uid == sop_instance_uid)).first()


def borne(tx: Tx, study_uid: str) -> tuple[set[str], set[str]]:
    """The doubts that instances of a study bear, and the sites that they come from. The study must not be sealed.

    The instance that a doubt was first found in bears it without a mark too: an earlier version beside this one makes none.
    """
    i, c = instance.c, conflict.c
    marked = tx.execute(select(doubted.c.conflict_id).where(doubted.c.study_uid == study_uid).distinct()).scalars()
    at_first = select(c.id).join(instance, (i.sop_instance_uid == c.sop_instance_uid) & (i.digest == c.digest))
    first = tx.execute(at_first.where(c.study_uid == study_uid, c.kind.in_(KINDS))).scalars()
    sites = tx.execute(select(i.site_id).where(i.study_uid == study_uid).distinct()).scalars()
    return {*marked, *first}, set(sites)


def shown(tx: Tx, study_uid: str) -> set[str]:
    """The doubts about the patient that the instances shown of a study bear, '' for none. The study must not be sealed.

    A rejection note is not asked: it stays where it was sent, beside what replaces the instances that it hides.
    """
    i, c = instance.c, conflict.c
    notes = select(rejection.c.note_uid).where(rejection.c.study_uid == study_uid)
    statement = (
        select(func.coalesce(c.id, ""))
        .select_from(instance)
        .outerjoin(doubted, doubted.c.sop_instance_uid == i.sop_instance_uid)
        .outerjoin(conflict, (c.id == doubted.c.conflict_id) & (c.kind == Flag.PATIENT_MISMATCH.value))
        .where(i.study_uid == study_uid, i.rejection_id == "", i.sop_instance_uid.not_in(notes))
        .distinct()
    )
    return set(tx.execute(statement).scalars())


def without(tx: Tx, study_uid: str) -> list[Any]:
    """The instances of a study that bear no doubt about the patient. The study must not be sealed."""
    i, c = instance.c, conflict.c
    of_patient = select(doubted.c.sop_instance_uid).join(conflict, c.id == doubted.c.conflict_id)
    marked = of_patient.where(doubted.c.study_uid == study_uid, c.kind == Flag.PATIENT_MISMATCH.value)
    columns = (i.sop_instance_uid, i.digest, i.source_ae)
    statement = select(*columns).where(i.study_uid == study_uid, i.sop_instance_uid.not_in(marked))
    return list(tx.execute(statement.order_by(i.received_at, i.sop_instance_uid)))


def rejection_count(tx: Tx, study_uid: str) -> int:
    """Number of rejections of a study, taken back or not."""
    return int(tx.execute(select(func.count()).select_from(rejection).where(rejection.c.study_uid == study_uid)).scalar_one())
