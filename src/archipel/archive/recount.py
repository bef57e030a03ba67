"""Recount: counts, sizes and visibility of a study from its instances, after something other than receiving changed them."""

from __future__ import annotations

from archipel.archive import rows, rows_sealed
from archipel.kit.database import Tx


def recount(tx: Tx, study_uid: str) -> None:
    """Bring a study's and its series' numbers in line with the instance rows. What is rejected is not counted; its bytes are.

    The study is locked first, so that what is being received into it is either counted here or adds to what we write.
    """
    rows.studies_by_uid(tx, [study_uid], lock=True)
    _write(tx, study_uid, rows.count_visible(tx, study_uid), *rows.classes_and_modalities(tx, study_uid))


def recount_all(tx: Tx, study_uid: str) -> None:
    """The same for a study of which series are sealed, which reads all its manifests."""
    rows.studies_by_uid(tx, [study_uid], lock=True)
    _, modalities = rows.classes_and_modalities(tx, study_uid)
    by_series: dict[str, tuple[int, int, int]] = {}
    classes: dict[str, set[str]] = {}
    sealed = (row for one in rows_sealed.of_study(tx, study_uid) for row in one.rows)
    for row in (*sealed, *rows_sealed.open_rows(tx, study_uid)):
        count, size_bytes, shown = by_series.get(row.series_uid, (0, 0, 0))
        by_series[row.series_uid] = count + 1, size_bytes + row.length_bytes, shown + (not row.rejection_id)
        classes.setdefault(row.series_uid, set()).add(row.sop_class_uid)
    _write(tx, study_uid, by_series, classes, modalities)


def _write(
    tx: Tx, study_uid: str, by_series: dict[str, tuple[int, int, int]], classes: dict[str, set[str]], modalities: dict[str, str]
) -> None:
    shown_total, size_total, series_total = 0, 0, 0
    for series_uid, (_, size_bytes, shown) in by_series.items():
        rows.change_series(
            tx, (study_uid, series_uid), instance_count=shown, size_bytes=size_bytes, hidden=shown == 0,
            sop_classes=" ".join(sorted(classes[series_uid])),
        )  # fmt: skip
        shown_total, size_total, series_total = shown_total + shown, size_total + size_bytes, series_total + (shown > 0)
    seen = [modalities[uid] for uid, (_, _, shown) in by_series.items() if shown or not shown_total]
    rows.change_study(
        tx, study_uid, instance_count=shown_total, size_bytes=size_total, series_count=series_total, hidden=shown_total == 0,
        modalities=rows.joined(seen),
    )  # fmt: skip
