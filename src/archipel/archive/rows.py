"""Tables of the archive, and the SQL of receiving and retrieving."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import JSON, TypeEngine

from archipel.kit.database import Tx
from archipel.kit.rows import insert_new as insert_new  # part of what this module offers
from archipel.kit.rows import metadata

Values = JSON().with_variant(JSONB(), "postgresql")


def words(length: int) -> TypeEngine[str]:
    """Text that sorts by code point on both databases, so that order and prefix ranges mean the same."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


patient = Table(
    "archive_patient",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("patient_id", words(300), nullable=False),
    Column("issuer", words(300), nullable=False),
    Column("name", words(300), nullable=False),
    Column("name_folded", words(300), nullable=False),
    Column("birth_date", words(8), nullable=False),
    Column("sex", words(16), nullable=False),
    Column("attributes", Values, nullable=False),
    Column("created_at", words(27), nullable=False),
    UniqueConstraint("patient_id", "issuer"),
    Index(None, "name_folded"),
)

study = Table(
    "archive_study",
    metadata,
    Column("study_uid", words(64), primary_key=True),
    Column("site_id", words(64), nullable=False),
    Column("patient_key", words(32), ForeignKey("archive_patient.id"), nullable=False),
    Column("patient_id", words(300), nullable=False),
    Column("issuer", words(300), nullable=False),
    Column("patient_name", words(300), nullable=False),
    Column("name_folded", words(300), nullable=False),
    Column("other_name_folded", words(600), nullable=False),
    Column("birth_date", words(8), nullable=False),
    Column("sex", words(16), nullable=False),
    Column("study_date", words(8), nullable=False),
    Column("study_time", words(13), nullable=False),
    Column("accession_number", words(300), nullable=False),
    Column("study_id", words(300), nullable=False),
    Column("description", words(300), nullable=False),
    Column("description_folded", words(300), nullable=False),
    Column("referring_folded", words(300), nullable=False),
    Column("attributes", Values, nullable=False),
    Column("modalities", words(300), nullable=False, default=""),
    Column("series_count", Integer, nullable=False, default=0),
    Column("instance_count", Integer, nullable=False, default=0),
    Column("size_bytes", BigInteger, nullable=False, default=0),
    Column("flags", words(200), nullable=False, default=""),
    Column("hidden", Boolean, nullable=False, default=False),
    Column("received_first_at", words(27), nullable=False),
    Column("received_last_at", words(27), nullable=False),
    Column("settled_at", words(27), nullable=False, default=""),
    Index(None, "study_date", "study_time", "study_uid"),
    Index(None, "site_id", "study_date", "study_time", "study_uid"),
    Index(None, "patient_key"),
    Index(None, "patient_id"),
    Index(None, "accession_number"),
    Index(None, "name_folded"),
    Index(None, "birth_date"),
    Index(None, "received_last_at"),
)

series = Table(
    "archive_series",
    metadata,
    Column("study_uid", words(64), ForeignKey("archive_study.study_uid"), primary_key=True),
    Column("series_uid", words(64), primary_key=True),
    Column("modality", words(16), nullable=False),
    Column("number", Integer, nullable=True),
    Column("description", words(300), nullable=False),
    Column("attributes", Values, nullable=False),
    Column("sop_classes", Text, nullable=False, default=""),
    Column("instance_count", Integer, nullable=False, default=0),
    Column("size_bytes", BigInteger, nullable=False, default=0),
    Column("hidden", Boolean, nullable=False, default=False),
    Column("received_first_at", words(27), nullable=False),
    Index(None, "series_uid"),
    Index(None, "modality", "study_uid"),
)

instance = Table(
    "archive_instance",
    metadata,
    Column("sop_instance_uid", words(64), primary_key=True),
    Column("study_uid", words(64), nullable=False),
    Column("series_uid", words(64), nullable=False),
    Column("sop_class_uid", words(64), nullable=False),
    Column("number", Integer, nullable=True),
    Column("transfer_syntax_uid", words(64), nullable=False),
    Column("blob_key", words(120), nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("length_bytes", BigInteger, nullable=False),
    Column("dataset_offset", Integer, nullable=False),
    Column("pixel_data_offset", BigInteger, nullable=True),
    Column("frame_count", Integer, nullable=False),
    Column("digest", words(64), nullable=False),
    Column("attributes", Values, nullable=False),
    Column("site_id", words(64), nullable=False),
    Column("source_ae", words(16), nullable=False),
    Column("rejection_id", words(32), nullable=False, default=""),
    Column("received_at", words(27), nullable=False),
    Column("packed", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False, default="", server_default=text("''")),
    Index(None, "study_uid", "series_uid", "number", "sop_instance_uid"),
    Index(None, "blob_key"),
)

quiet = Table(
    "archive_quiet",
    metadata,
    Column("study_uid", words(64), primary_key=True),
    Column("due_at", words(27), nullable=False),
    Index(None, "due_at"),
)

# A statement takes a bounded number of parameters (SQLite 32,766, PostgreSQL 65,535).
CHUNK = 500


def chunks(values: Iterable[str]) -> Iterable[list[str]]:
    """Split a list of keys into pieces that one statement takes."""
    whole = list(values)
    return (whole[i : i + CHUNK] for i in range(0, len(whole), CHUNK))


def joined(found: Iterable[str], length_max: int = 300) -> str:
    """Words of a set as one text that fits its column; those that have no room are left out."""
    text = ""
    for word in sorted(set(found)):
        if word and len(text) + len(word) < length_max:
            text = f"{text} {word}".strip()
    return text


def first_site(tx: Tx, patient_key: str, *, seen_from: str) -> str:
    """The site whose exam made a patient known: its attributes are the patient's. Of two at one instant not the one that asks."""
    s = study.c
    ordered = (s.received_first_at, (s.site_id == seen_from).cast(Integer), s.study_uid)
    statement = select(s.site_id).where(s.patient_key == patient_key).order_by(*ordered).limit(1)
    return str(tx.execute(statement).scalar() or "")


def studies_by_uid(tx: Tx, uids: Iterable[str], *, lock: bool = False) -> dict[str, Any]:
    """Studies by UID; ``lock`` keeps them for this transaction, in one order, so that two writers cannot deadlock."""
    found: dict[str, Any] = {}
    for some in chunks(sorted(set(uids))):
        statement = select(study).where(study.c.study_uid.in_(some)).order_by(study.c.study_uid)
        found.update((row.study_uid, row) for row in tx.execute(statement.with_for_update() if lock else statement))
    return found


def change_study(tx: Tx, study_uid: str, **values: Any) -> None:
    """Set columns of a study."""
    tx.execute(update(study).where(study.c.study_uid == study_uid).values(**values))


def change_series(tx: Tx, key: tuple[str, str], **values: Any) -> None:
    """Set columns of a series."""
    tx.execute(update(series).where(series.c.study_uid == key[0], series.c.series_uid == key[1]).values(**values))


def count_visible(tx: Tx, study_uid: str) -> dict[str, tuple[int, int, int]]:
    """Per series of a study: instances, bytes, and those of them that are not rejected."""
    i = instance.c
    shown = func.sum(func.coalesce((i.rejection_id == "").cast(Integer), 0))
    statement = select(i.series_uid, func.count(), func.sum(i.length_bytes), shown).where(i.study_uid == study_uid).group_by(i.series_uid)
    return {row[0]: (row[1], int(row[2]), int(row[3])) for row in tx.execute(statement)}


def classes_and_modalities(tx: Tx, study_uid: str) -> tuple[dict[str, set[str]], dict[str, str]]:
    """SOP classes of each series of a study, and the modality of each."""
    i, s = instance.c, series.c
    classes: dict[str, set[str]] = {}
    for uid, sop_class_uid in tx.execute(select(i.series_uid, i.sop_class_uid).where(i.study_uid == study_uid).distinct()):
        classes.setdefault(uid, set()).add(sop_class_uid)
    modalities = tx.execute(select(s.series_uid, s.modality).where(s.study_uid == study_uid))
    return classes, {uid: modality for uid, modality in modalities}


def set_quiet(tx: Tx, study_uids: Iterable[str], due_at: str) -> None:
    """Start the quiet time of studies again."""
    uids = sorted(set(study_uids))
    existing: set[str] = set()
    for some in chunks(uids):
        tx.execute(update(quiet).where(quiet.c.study_uid.in_(some)).values(due_at=due_at))
        existing |= set(tx.execute(select(quiet.c.study_uid).where(quiet.c.study_uid.in_(some))).scalars())
    insert_new(tx, quiet, [{"study_uid": uid, "due_at": due_at} for uid in uids if uid not in existing])


def take_due(tx: Tx, now: str, longest: str, limit: int) -> list[str]:
    """Studies whose quiet time is over, or ends later than any can (the clock was set back), locked for this transaction."""
    statement = select(quiet.c.study_uid).where((quiet.c.due_at <= now) | (quiet.c.due_at > longest)).order_by(quiet.c.due_at).limit(limit)
    return list(tx.execute(statement.with_for_update(skip_locked=True)).scalars())


def clear_quiet(tx: Tx, study_uids: Iterable[str]) -> None:
    """Forget the quiet time of studies that have settled."""
    for some in chunks(study_uids):
        tx.execute(quiet.delete().where(quiet.c.study_uid.in_(some)))


def unsettled(tx: Tx) -> list[Any]:
    """Studies that have not settled since they last grew: (study_uid, site_id, instance_count)."""
    s = study.c
    return list(tx.execute(select(s.study_uid, s.site_id, s.instance_count).where(s.settled_at == "")))
