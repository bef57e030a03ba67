"""SQL of instances, whether their series is open or sealed: what readers ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select

from archipel.archive import rows_sealed
from archipel.archive.model import InstanceRef
from archipel.archive.rows import chunks, instance, patient, series, study
from archipel.archive.rows_sealed import InstanceRow, sealed
from archipel.kit.database import Tx
from archipel.kit.scope import Scope

_OPEN = instance.join(study, study.c.study_uid == instance.c.study_uid).join(
    series, (series.c.study_uid == instance.c.study_uid) & (series.c.series_uid == instance.c.series_uid)
)
_SEALED = sealed.join(study, study.c.study_uid == sealed.c.study_uid).join(
    series, (series.c.study_uid == sealed.c.study_uid) & (series.c.series_uid == sealed.c.series_uid)
)
# As InstanceRef has them, then the number of the series.
_REF = (
    instance.c.study_uid, instance.c.series_uid, instance.c.sop_instance_uid, instance.c.sop_class_uid, instance.c.transfer_syntax_uid,
    instance.c.blob_key, instance.c.offset, instance.c.length_bytes, instance.c.dataset_offset, instance.c.pixel_data_offset,
    instance.c.frame_count, instance.c.digest, study.c.site_id, series.c.modality, instance.c.number, instance.c.source_ae,
    instance.c.packed, series.c.number,
)  # fmt: skip
_ORDER = (
    instance.c.study_uid, series.c.number.nulls_last(), instance.c.series_uid, instance.c.number.nulls_last(), instance.c.sop_instance_uid,
)  # fmt: skip
_Found = tuple[InstanceRef, int | None]


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
    named = {"study_uids": study_uids, "series_uids": series_uids, "sop_instance_uids": sop_instance_uids}
    wanted = {} if include_rejected and not rejection_id else {"rejection_id": rejection_id}
    wanted |= {"sop_class_uid": sop_class_uid} if sop_class_uid else {}
    opened = _open(tx, visible, wanted, named)
    sealed_too = _sealed(tx, visible, wanted, named)
    if sealed_too:
        opened = sorted(opened + sealed_too, key=_place)
    return [ref for ref, _ in opened]


def _open(tx: Tx, visible: list[ColumnElement[bool]], wanted: dict[str, str], named: dict[str, Sequence[str]]) -> list[_Found]:
    """Instances that are not sealed, each with the number of its series, in order."""
    statement = select(*_REF).select_from(_OPEN).where(*visible, *(instance.c[name] == value for name, value in wanted.items()))
    for name, values in named.items():
        if values:
            statement = statement.where(instance.c[name.removesuffix("s")].in_(values))
    return [(InstanceRef(*row[:-1]), row[-1]) for row in map(tuple, tx.execute(statement.order_by(*_ORDER)))]


def _sealed(tx: Tx, visible: list[ColumnElement[bool]], wanted: dict[str, str], named: dict[str, Sequence[str]]) -> list[_Found]:
    """The same of sealed series."""
    s = sealed.c
    above = (study.c.site_id, series.c.modality, series.c.number)
    statement = select(s.id, s.study_uid, s.series_uid, s.blob_key, *above).select_from(_SEALED).where(*visible)
    if any(named.values()):
        some = rows_sealed.heads(tx, **named)
        if not some:
            return []
        statement = statement.where(s.id.in_([head.id for head in some]))
    heads = list(tx.execute(statement))
    return [
        (_ref(row, head.site_id, head.modality), head.number)
        for head, one in zip(heads, rows_sealed.load(tx, heads), strict=True)
        for row in one.named(named["sop_instance_uids"])
        if all(getattr(row, name) == value for name, value in wanted.items())
    ]


def _place(found: _Found) -> tuple[Any, ...]:
    """Where an instance stands among others: what has no number comes last."""
    ref, of_series = found
    return (ref.study_uid, of_series is None, of_series, ref.series_uid, ref.number is None, ref.number, ref.sop_instance_uid)


def _ref(row: InstanceRow, site_id: str, modality: str) -> InstanceRef:
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
