"""Values that a database dislikes do not stop an exam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from archipel import archive
from archipel.archive.receive import receive
from tests import make
from tests.archive.room import EVERYTHING, Room, by_fate, dataset_of

SCRIPTS = ("MÜLLER^ÉLODIE", "山田^太郎=やまだ^たろう", "Иванова^Мария", "עמר^דנה", "كريم^ليلى", "김^희중", "𝒵𝓸𝓮^🙂")


@pytest.mark.parametrize("name", SCRIPTS)
def test_names_of_every_script_are_kept(room: Room, name: str) -> None:
    (ds,) = make.ct_study(instances=1, PatientName=name)
    assert room.fates(ds) == ["stored"]
    assert room.exam(ds.StudyInstanceUID).patient_name == name
    with room.database.read() as tx:
        page = archive.find(tx, EVERYTHING, archive.Query(archive.Level.STUDY, {"00100010": name.split("=")[0]}))
    assert [row["0020000D"]["Value"][0] for row in page.rows] == [ds.StudyInstanceUID]


def raw(ds: Any, **values: bytes) -> bytes:
    """A Part 10 file in which a value of letters is replaced by bytes of the same length."""
    data = make.part10(ds)
    for old, new in values.items():
        assert data.count(old.encode()) == 1
        assert len(old) == len(new)
        data = data.replace(old.encode(), new)
    return data


@pytest.mark.parametrize(
    "value",
    [b"A\0BCDEFG", b"\xed\xa0\x80ABCDE", b"\xff\xfe\xfd\xfcABCD", b"A\x1b$BCDEF", b"A\x01\x02\x03\x04\x05\x06\x07", b"%_\\%_\\'\""],
)
def test_bytes_that_are_no_text_do_not_stop_an_exam(room: Room, value: bytes) -> None:
    (ds,) = make.ct_study(instances=1, StudyDescription="XQXQXQXQ", PatientID="YWYWYWYW")
    data = raw(ds, XQXQXQXQ=value, YWYWYWYW=value)
    assert room.fates(data) == ["stored"]
    assert room.dataset(ds.SOPInstanceUID) == dataset_of(data)


@pytest.mark.parametrize(
    "keyword", ["StudyDescription", "SeriesDescription", "PatientID", "AccessionNumber", "PatientName", "IssuerOfPatientID"]
)
@pytest.mark.parametrize("value", ["x" * 5000, "ﷺ" * 200, "ß" * 290, "é" * 300, "🙂" * 299])
def test_values_that_are_too_long_do_not_stop_an_exam(room: Room, keyword: str, value: str) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (ds,) = make.ct_study(instances=1, **{keyword: value})
        data = make.part10(ds)
    assert sorted(room.fates(data, data)) == ["already_stored", "stored"]
    assert room.dataset(ds.SOPInstanceUID) == dataset_of(data)


def test_numbers_and_dates_of_nonsense_do_not_stop_an_exam(room: Room) -> None:
    (ds,) = make.ct_study(instances=1, StudyDate="20260101", StudyTime="101112")
    ds.SeriesNumber, ds.InstanceNumber = 11111111, 22222222
    data = raw(ds, **{"11111111": b"-9e99999", "22222222": b"ABCDEFGH"}).replace(b"20260101", b"20269999").replace(b"101112", b"999999")
    assert room.fates(data) == ["stored"]
    (ref,) = room.refs(sop_instance_uid=ds.SOPInstanceUID)
    assert ref.number is None
    assert room.exam(ds.StudyInstanceUID).study_date == ""


def test_many_modalities_of_nonsense_do_not_stop_an_exam(room: Room) -> None:
    study_uid = make.uid()
    for start in range(0, 40, 20):
        batch = [make.ct_study(instances=1, StudyInstanceUID=study_uid, Modality=f"NONSENSE{n:08d}")[0] for n in range(start, start + 20)]
        assert by_fate(room.send(*batch)) == {"stored": 20}
    assert room.exam(study_uid).instance_count == 40


def test_a_bad_instance_does_not_take_its_neighbours_down(make_room: Callable[..., Room]) -> None:
    room = make_room(group_wait_ms=300)
    study = make.ct_study(instances=4)
    broken = make.part10(make.ct_study(instances=1)[0])[:700]
    no_uid = make.ct_study(instances=1)[0]
    del no_uid.StudyInstanceUID
    outcomes = room.send(study[0], broken, study[1], make.part10(no_uid), *study[2:])
    assert by_fate(outcomes) == {"stored": 4, "refused": 2}
    assert [o.error.code for o in outcomes if o.error] == ["unreadable", "missing-uid"]
    assert room.totals()["instances"] == 4


def test_a_row_that_the_database_refuses_is_refused_alone(room: Room) -> None:
    """A value of which cleaning does not think, here a site id too long for its column on PostgreSQL, costs only its own instance."""
    from dataclasses import replace

    if room.database.dialect != "postgresql":
        pytest.skip("SQLite holds texts of any length")
    study = make.ct_study(instances=3)
    placed = [room.place(ds) for ds in study]
    source = replace(placed[1].arrival.incoming.source, site_id="s" * 100)
    bad = replace(placed[1], arrival=replace(placed[1].arrival, incoming=replace(placed[1].arrival.incoming, source=source)))
    issuers = room.issuers() | {"s" * 100: "x"}
    outcomes = room.database.transact(lambda tx: receive(tx, [placed[0], bad, placed[2]], issuers))
    assert [o.fate.value for o in outcomes] == ["stored", "refused", "stored"]
    assert outcomes[1].error is not None
    assert outcomes[1].error.code == "unreadable"
    assert room.totals()["instances"] == 2
    room.check_counts()
