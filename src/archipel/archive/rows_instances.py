"""SQL of instances, whether their series is open or sealed: what readers ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select

from archipel.archive import rows_sealed
from archipel.archive.model import InstanceRef
from archipel.archive.rows import chunks, instance, patient, series, study
from archipel.archive.rows_sealed import sealed
from archipel.kit.database import Tx
from archipel.kit.scope import Scope

_OPEN = instance.join(study, study.c.study_uid == instance.c.study_uid).join(
    series, (series.c.study_uid == instance.c.study_uid) & (series.c.series_uid == instance.c.series_uid)
)
_SEALED = sealed.join(study, study.c.study_uid == sealed.c.study_uid).join(
    series, (series.c.study_uid == sealed.c.study_uid) & (series.c.series_uid == sealed.c.series_uid)
)
_ABOVE = (study.c.site_id.label("of_site"), series.c.modality, series.c.number.label("series_number"))
_PLACED = [instance.c[name] for name in rows_sealed.COLUMNS if name not in ("attributes", "site_id")]


def refs(
    tx: Tx,
    scope: Scope,
    *,
    study_uids: Sequence[str] = (),
    series_uids: Sequence[str] = (),
    sop_instance_uids: Sequence[str] = (),
    patient_keys: Sequence[tuple[str, str]] = (),
    sop_class_uid: str = "",
    rejection_id: str = "",
    include_rejected: bool = False,
) -> list[InstanceRef]:
    """The visible instances that meet all that is given, by study, series and instance number."""
    visible = [scope.condition(study.c.site_id)]
    if patient_keys:
        visible.append(study.c.patient_id.in_([p for p, _ in patient_keys]))
        issuers = [i for _, i in patient_keys if i]
        visible += [study.c.issuer.in_(issuers)] if issuers else []
    uids = frozenset(sop_instance_uids)

    def wanted(row: Any) -> bool:
        return (
            (not uids or row.sop_instance_uid in uids)
            and (not sop_class_uid or row.sop_class_uid == sop_class_uid)
            and (row.rejection_id == rejection_id if rejection_id else include_rejected or not row.rejection_id)
        )

    named = {"study_uids": study_uids, "series_uids": series_uids, "sop_instance_uids": sop_instance_uids}
    found = [one for one in (*_open(tx, visible, **named), *_sealed(tx, visible, **named)) if wanted(one[0])]
    found.sort(key=_place)
    return [_ref(row, site_id, modality) for row, site_id, modality, _ in found]


def _open(
    tx: Tx,
    visible: list[ColumnElement[bool]],
    study_uids: Sequence[str],
    series_uids: Sequence[str],
    sop_instance_uids: Sequence[str],
) -> Iterator[tuple[Any, str, str, int | None]]:
    """Rows of instances that are not sealed, each with the site of its study, and the modality and number of its series."""
    statement = select(*_PLACED, *_ABOVE).select_from(_OPEN).where(*visible)
    lists = ((instance.c.study_uid, study_uids), (instance.c.series_uid, series_uids), (instance.c.sop_instance_uid, sop_instance_uids))
    for column, values in lists:
        if values:
            statement = statement.where(column.in_(values))
    for row in tx.execute(statement):
        yield row, row.of_site, row.modality, row.series_number


def _sealed(
    tx: Tx,
    visible: list[ColumnElement[bool]],
    study_uids: Sequence[str],
    series_uids: Sequence[str],
    sop_instance_uids: Sequence[str],
) -> Iterator[tuple[Any, str, str, int | None]]:
    """The same of sealed series, all instances of those that may hold one that is meant."""
    s = sealed.c
    statement = select(s.id, s.study_uid, s.series_uid, s.blob_key, *_ABOVE).select_from(_SEALED).where(*visible)
    if study_uids or series_uids or sop_instance_uids:
        some = rows_sealed.heads(tx, study_uids=study_uids, series_uids=series_uids, sop_instance_uids=sop_instance_uids)
        if not some:
            return
        statement = statement.where(s.id.in_([head.id for head in some]))
    heads = list(tx.execute(statement))
    for head, one in zip(heads, rows_sealed.load(tx, heads), strict=True):
        for row in one.named(sop_instance_uids):
            yield row, head.of_site, head.modality, head.series_number


def _place(found: tuple[Any, str, str, int | None]) -> tuple[Any, ...]:
    """Where an instance stands among others: what has no number comes last."""
    row, _, _, of_series = found
    return (row.study_uid, of_series is None, of_series, row.series_uid, row.number is None, row.number, row.sop_instance_uid)


def _ref(row: Any, site_id: str, modality: str) -> InstanceRef:
    return InstanceRef(
        row.study_uid, row.series_uid, row.sop_instance_uid, row.sop_class_uid, row.transfer_syntax_uid, row.blob_key, row.offset,
        row.length_bytes, row.dataset_offset, row.pixel_data_offset, row.frame_count, row.digest, site_id, modality, row.number,
        row.source_ae, row.packed,
    )  # fmt: skip


def known(tx: Tx, uids: Iterable[str]) -> dict[str, Any]:
    """The rows of those instances that are stored, by SOP Instance UID."""
    wanted = list(uids)
    found: dict[str, Any] = {}
    for some in chunks(wanted):
        statement = select(instance).where(instance.c.sop_instance_uid.in_(some))
        found.update((row.sop_instance_uid, row) for row in tx.execute(statement))
    return found | rows_sealed.known(tx, (uid for uid in wanted if uid not in found))


def archived_attributes(tx: Tx, sop_instance_uid: str) -> dict[str, str]:
    """All indexed attributes of a stored instance, of every level."""
    row = known(tx, [sop_instance_uid]).get(sop_instance_uid)
    if row is None:
        return {}
    s = series.c
    above = select(study.c.attributes, s.attributes).join_from(study, series, s.study_uid == study.c.study_uid)
    of_study, of_series = tx.execute(above.where(study.c.study_uid == row.study_uid, s.series_uid == row.series_uid)).one()
    return {**of_study, **of_series, **row.attributes}


def studies_with_class(tx: Tx, sop_class_uid: str) -> list[str]:
    """Studies that hold an instance of a class."""
    return sorted(set(tx.execute(select(series.c.study_uid).where(has_class(sop_class_uid))).scalars()))


def refs_of_class(tx: Tx, study_uid: str, sop_class_uid: str) -> list[InstanceRef]:
    """A study's instances of one class, rejected ones too."""
    of_class = select(series.c.series_uid).where(series.c.study_uid == study_uid, has_class(sop_class_uid))
    found = list(tx.execute(of_class).scalars())
    if not found:
        return []
    everything = Scope.system("archive.instances")
    return refs(tx, everything, study_uids=[study_uid], series_uids=found, sop_class_uid=sop_class_uid, include_rejected=True)


def has_class(sop_class_uid: str) -> ColumnElement[bool]:
    """The condition that a series holds an instance of a class."""
    return (" " + series.c.sop_classes + " ").contains(f" {sop_class_uid} ", autoescape=True)


def opened(tx: Tx, after: str, limit: int) -> list[Any]:
    """Rows that are not sealed in the order of their UIDs, behind one."""
    i = instance.c
    statement = select(*(i[name] for name in rows_sealed.COLUMNS)).where(i.sop_instance_uid > after)
    return list(tx.execute(statement.order_by(i.sop_instance_uid).limit(limit)))


def blob_keys(tx: Tx) -> set[str]:
    """All blob keys that instances refer to."""
    return set(tx.execute(select(instance.c.blob_key).distinct()).scalars()) | rows_sealed.blob_keys(tx)


def totals(tx: Tx) -> dict[str, int]:
    """Number of patients, studies, series and instances."""
    tables = (("patients", patient), ("studies", study), ("series", series), ("instances", instance))
    found = {name: int(tx.execute(select(func.count()).select_from(table)).scalar_one()) for name, table in tables}
    of_sealed = tx.execute(select(func.coalesce(func.sum(sealed.c.instance_count), 0))).scalar_one()
    return {**found, "instances": found["instances"] + int(of_sealed)}
