"""SQL of what people review: conflicts and rejections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint, delete, func, insert, select, update

from archipel.archive.model import ConflictKind
from archipel.archive.rows import Values, chunks, insert_new, instance, words
from archipel.kit.database import Tx
from archipel.kit.rows import metadata
from archipel.kit.scope import Scope

conflict = Table(
    "archive_conflict",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(30), nullable=False),
    Column("state", String(10), nullable=False),
    Column("study_uid", String(64), nullable=False),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("site_id", String(64), nullable=False),
    Column("source_ae", String(16), nullable=False),
    Column("archived", Values, nullable=False),
    Column("received", Values, nullable=False),
    Column("kept", Values, nullable=False),
    Column("found_at", String(27), nullable=False),
    Column("action", String(30), nullable=False),
    Column("comment", Text, nullable=False),
    Column("resolved_by", String(64), nullable=False),
    Column("resolved_at", String(27), nullable=False),
    UniqueConstraint("kind", "study_uid", "sop_instance_uid", "digest"),
    Index(None, "state", "found_at"),
    Index(None, "sop_instance_uid"),
    Index(None, "study_uid"),
)

rejection = Table(
    "archive_rejection",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("study_uid", String(64), nullable=False),
    Column("site_id", String(64), nullable=False),
    Column("code", String(16), nullable=False),
    Column("comment", Text, nullable=False),
    Column("note_uid", String(64), nullable=False),
    Column("instance_count", Integer, nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", String(27), nullable=False),
    Column("revoked_by", String(64), nullable=False),
    Column("revoked_at", String(27), nullable=False),
    Index(None, "study_uid"),
    UniqueConstraint("study_uid", "note_uid"),
)

# Key object selections whose sender may not reject: what they ask for is not done. A sender of the same site who may sends them again.
note_refused = Table(
    "archive_note_refused",
    metadata,
    Column("sop_instance_uid", words(64), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("site_id", words(64), nullable=False),
)


def refuse_note(tx: Tx, sop_instance_uid: str, digest: str, site_id: str) -> None:
    """Remember that a note has no effect."""
    insert_new(tx, note_refused, [{"sop_instance_uid": sop_instance_uid, "digest": digest, "site_id": site_id}])


def allow_note(tx: Tx, sop_instance_uid: str, digests: Iterable[str], site_id: str) -> bool:
    """Forget that a note of a site has no effect; whether it had none."""
    n = note_refused.c
    where = (n.sop_instance_uid == sop_instance_uid, n.digest.in_(list(digests)), n.site_id == site_id)
    return bool(tx.execute(delete(note_refused).where(*where)).rowcount)


def refused_notes(tx: Tx, uids: Iterable[str]) -> set[tuple[str, str]]:
    """(SOP Instance UID, digest) of those notes that have no effect."""
    n = note_refused.c
    found: set[tuple[str, str]] = set()
    for some in chunks(uids):
        found |= {(uid, digest) for uid, digest in tx.execute(select(n.sop_instance_uid, n.digest).where(n.sop_instance_uid.in_(some)))}
    return found


def add_conflict(tx: Tx, values: dict[str, Any]) -> str:
    """Insert a conflict; its id, or that of the same one when it is known."""
    c = conflict.c
    same = select(c.id).where(*(c[name] == values[name] for name in ("kind", "study_uid", "sop_instance_uid", "digest")))
    known = tx.execute(same).scalar()
    if known is None:
        insert_new(tx, conflict, [values])
    return str(known or values["id"])


def conflicts(
    tx: Tx,
    scope: Scope,
    *,
    state: str = "",
    study_uid: str = "",
    conflict_id: str = "",
    limit: int = 200,
    offset: int = 0,
    lock: bool = False,
    pressing_first: bool = False,
) -> list[Any]:
    """Conflicts that the scope shows, newest first, narrowed by what is not empty; ``lock`` keeps them for this transaction.

    ``pressing_first``: before all others those that are open, and of these first the doubts about whose exam it is.
    """
    c = conflict.c
    pressing = ((c.state != "open").cast(Integer), (c.kind == ConflictKind.DUPLICATE_INSTANCE.value).cast(Integer))
    statement = _narrowed(select(conflict), scope, state, study_uid, conflict_id)
    statement = statement.with_for_update() if lock else statement
    order = (*(pressing if pressing_first else ()), c.found_at.desc(), c.id)
    return list(tx.execute(statement.order_by(*order).limit(limit).offset(offset)))


def archived_attributes(tx: Tx, sop_instance_uid: str) -> dict[str, str] | None:
    """What is known from other conflicts of the content that is archived under a UID: an exchange brings its own attributes."""
    c = conflict.c
    statement = select(c.archived).where(c.sop_instance_uid == sop_instance_uid, c.kind == ConflictKind.DUPLICATE_INSTANCE.value)
    found: dict[str, str] | None = tx.execute(statement.limit(1)).scalar()
    return found


def change_archived(tx: Tx, sop_instance_uid: str, archived: dict[str, str]) -> None:
    """Say in every conflict about contents under a UID what is archived under it now."""
    c = conflict.c
    statement = update(conflict).where(c.sop_instance_uid == sop_instance_uid, c.kind == ConflictKind.DUPLICATE_INSTANCE.value)
    tx.execute(statement.values(archived=archived))


def count_conflicts(tx: Tx, scope: Scope, *, state: str = "", study_uid: str = "") -> int:
    """How many there are."""
    return int(tx.execute(_narrowed(select(func.count()).select_from(conflict), scope, state, study_uid, "")).scalar_one())


def _narrowed(statement: Any, scope: Scope, state: str, study_uid: str, conflict_id: str) -> Any:
    statement = statement.where(scope.condition(conflict.c.site_id))
    for column, value in ((conflict.c.state, state), (conflict.c.study_uid, study_uid), (conflict.c.id, conflict_id)):
        if value:
            statement = statement.where(column == value)
    return statement


def change_conflict(tx: Tx, conflict_id: str, **values: Any) -> None:
    """Set columns of a conflict."""
    tx.execute(update(conflict).where(conflict.c.id == conflict_id).values(**values))


def kept_keys(tx: Tx) -> set[str]:
    """Blob keys of contents that were kept aside."""
    return {kept["blob_key"] for kept in tx.execute(select(conflict.c.kept)).scalars() if kept.get("blob_key")}


def kept_places(tx: Tx, after: str, limit: int) -> list[Any]:
    """Contents that were kept aside, in the order of their conflicts, for scrubbing: (id, sop_instance_uid, study_uid, kept)."""
    c = conflict.c
    statement = select(c.id, c.sop_instance_uid, c.study_uid, c.kept).where(c.kind == ConflictKind.DUPLICATE_INSTANCE.value, c.id > after)
    return list(tx.execute(statement.order_by(c.id).limit(limit)))


def kept_digests(tx: Tx, uids: Iterable[str]) -> set[tuple[str, str]]:
    """(SOP Instance UID, digest) of the contents that are kept aside under these UIDs."""
    c = conflict.c
    found: set[tuple[str, str]] = set()
    for some in chunks(uids):
        statement = select(c.sop_instance_uid, c.kept).where(c.kind == ConflictKind.DUPLICATE_INSTANCE.value)
        found |= {(uid, kept["digest"]) for uid, kept in tx.execute(statement.where(c.sop_instance_uid.in_(some)))}
    return found


def hidden_count(tx: Tx, rejection_id: str) -> int:
    """Number of instances under a rejection."""
    return int(tx.execute(select(func.count()).select_from(instance).where(instance.c.rejection_id == rejection_id)).scalar_one())


def set_rejection_count(tx: Tx, rejection_id: str, count: int) -> None:
    """Set the number of instances that a rejection hides."""
    tx.execute(update(rejection).where(rejection.c.id == rejection_id).values(instance_count=count))


def swap_instance(tx: Tx, sop_instance_uid: str, values: dict[str, Any]) -> None:
    """Replace the columns of an instance row."""
    tx.execute(update(instance).where(instance.c.sop_instance_uid == sop_instance_uid).values(**values))


def add_rejection(tx: Tx, values: dict[str, Any]) -> None:
    """Insert a rejection."""
    tx.execute(insert(rejection).values(**values))


def rejections(tx: Tx, study_uid: str) -> list[Any]:
    """The rejections of a study that stand, newest first."""
    r = rejection.c
    return list(tx.execute(select(rejection).where(r.study_uid == study_uid, r.revoked_at == "").order_by(r.at.desc())))


def rejection_of_note(tx: Tx, study_uid: str, note_uid: str) -> Any | None:
    """The rejection that a note made, standing or revoked."""
    r = rejection.c
    return tx.execute(select(rejection).where(r.study_uid == study_uid, r.note_uid == note_uid)).first()


def rejection_with_id(tx: Tx, rejection_id: str) -> Any | None:
    """One rejection, standing or revoked."""
    return tx.execute(select(rejection).where(rejection.c.id == rejection_id)).first()


def revoke(tx: Tx, rejection_id: str, by: str, at: str) -> None:
    """Mark a rejection as taken back and show its instances again."""
    tx.execute(update(rejection).where(rejection.c.id == rejection_id).values(revoked_by=by, revoked_at=at))
    tx.execute(update(instance).where(instance.c.rejection_id == rejection_id).values(rejection_id=""))


def hide_instances(tx: Tx, rejection_id: str, study_uid: str, series_uid: str, uids: Iterable[str]) -> int:
    """Put instances under a rejection; all of the study or series when ``uids`` is empty. Those under another stay there."""
    i = instance.c
    base = update(instance).where(i.study_uid == study_uid, i.rejection_id == "")
    if series_uid:
        base = base.where(i.series_uid == series_uid)
    listed = list(uids)
    if not listed:
        return int(tx.execute(base.values(rejection_id=rejection_id)).rowcount)
    return sum(tx.execute(base.where(i.sop_instance_uid.in_(some)).values(rejection_id=rejection_id)).rowcount for some in chunks(listed))
