"""C-FIND against pynetdicom and findscu: levels, hierarchy, matching, character sets, limits, cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from archipel import audit
from archipel.dicom import message, pdu, scu, sop_classes
from tests import make
from tests.dimse.peers import EXPLICIT, IMPLICIT, Raw, call, store, until
from tests.dimse.region import Region
from tests.servers import Dcmtk

STUDY, PATIENT, PATIENT_STUDY = sop_classes.STUDY_FIND, sop_classes.PATIENT_FIND, sop_classes.PATIENT_STUDY_FIND


def identifier(level: str, **keys: Any) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    return ds


def ask(
    region: Region, asked: Dataset, *, model: str = STUDY, syntax: str = EXPLICIT, options: bytes = b"", ae_title: str = "MODALITY"
) -> tuple[list[Dataset], list[int], Dataset]:
    """Rows, their statuses, and the final status."""
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = model, options or b"\0"
    association = call(region, [(model, [syntax])], ext_neg=[extended] if options else [], ae_title=ae_title)
    assert association.is_established
    answers = list(association.send_c_find(asked, model))
    association.release()
    rows = [row for _, row in answers if row is not None]
    return rows, [status.Status for status, row in answers if row is not None], answers[-1][0]


@pytest.fixture
def filled(region: Region) -> dict[str, Any]:
    ct = make.ct_study(series=2, instances=3, PatientID="P1", PatientName="MÜLLER^ÉLODIE", AccessionNumber="A1", StudyDate="20260110")
    mr = make.mr_study(series=1, instances=2, PatientID="P2", PatientName="DURAND^PAUL", AccessionNumber="A2", StudyDate="20260215")
    store(region, [*ct, *mr])
    return {"region": region, "ct": ct, "mr": mr}


def test_study_level_returns_what_was_asked_and_its_unique_key(filled: dict[str, Any]) -> None:
    rows, statuses, final = ask(filled["region"], identifier("STUDY", PatientName="", PatientID="P1", ModalitiesInStudy="", StudyDate=""))
    (row,) = rows
    assert (statuses, final.Status) == ([0xFF00], 0)
    assert row.StudyInstanceUID == filled["ct"][0].StudyInstanceUID
    assert (row.PatientID, row.StudyDate, row.ModalitiesInStudy) == ("P1", "20260110", "CT")
    assert (row.QueryRetrieveLevel, row.RetrieveAETitle) == ("STUDY", "ARCHIPEL")
    assert "AccessionNumber" not in row


def test_a_query_is_in_the_audit_trail_without_its_keys(filled: dict[str, Any]) -> None:
    ask(filled["region"], identifier("STUDY", PatientName="MULLER*"))
    with filled["region"].database.read() as tx:
        (record, *_) = audit.search(tx, action="archive.query")
    assert (record.actor.id, record.detail) == ("MODALITY", {"door": "dimse", "level": "STUDY"})


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize(
    ("character_set", "expected"),
    [("ISO_IR 100", "ISO_IR 100"), ("ISO_IR 192", "ISO_IR 192"), ("", "ISO_IR 192"), ("ISO_IR 144", "ISO_IR 192")],
)
def test_text_comes_in_the_asker_s_character_set_if_it_can(filled: dict[str, Any], syntax: str, character_set: str, expected: str) -> None:
    asked = identifier("STUDY", PatientName="", PatientID="P1")
    if character_set:
        asked.SpecificCharacterSet = character_set
    (row,), _, _ = ask(filled["region"], asked, syntax=syntax)
    assert row.SpecificCharacterSet == expected
    assert row.PatientName == "MÜLLER^ÉLODIE"


@pytest.mark.parametrize("name", ["müller^élodie", "MULLER^ELODIE", "mull*", "*ELODIE", "M?LLER^*"])
def test_names_match_without_case_and_accents(filled: dict[str, Any], name: str) -> None:
    asked = identifier("STUDY", PatientName=name)
    asked.SpecificCharacterSet = "ISO_IR 192"
    rows, _, _ = ask(filled["region"], asked)
    assert [row.StudyInstanceUID for row in rows] == [filled["ct"][0].StudyInstanceUID]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"StudyDate": "20260101-20260131"}, ["ct"]),
        ({"StudyDate": "20260201-"}, ["mr"]),
        ({"StudyDate": "-20261231"}, ["ct", "mr"]),
        ({"AccessionNumber": "A?"}, ["ct", "mr"]),
        ({"AccessionNumber": "A1*"}, ["ct"]),
        ({"ModalitiesInStudy": "MR"}, ["mr"]),
        ({"PatientID": "P%"}, []),
        ({"PatientID": "_1"}, []),
        ({"AccessionNumber": "25/1807'; --"}, []),
    ],
)
def test_matching(filled: dict[str, Any], keys: dict[str, str], expected: list[str]) -> None:
    rows, _, final = ask(filled["region"], identifier("STUDY", StudyInstanceUID="", **keys))
    assert final.Status == 0
    assert {row.StudyInstanceUID for row in rows} == {filled[name][0].StudyInstanceUID for name in expected}


def test_lists_of_uids_match_each(filled: dict[str, Any]) -> None:
    uids = [filled["ct"][0].StudyInstanceUID, filled["mr"][0].StudyInstanceUID, "1.2.3"]
    rows, _, _ = ask(filled["region"], identifier("STUDY", StudyInstanceUID=uids))
    assert {row.StudyInstanceUID for row in rows} == set(uids[:2])


def test_series_and_image_level_by_hierarchy(filled: dict[str, Any]) -> None:
    ct = filled["ct"]
    rows, _, _ = ask(filled["region"], identifier("SERIES", StudyInstanceUID=ct[0].StudyInstanceUID, SeriesNumber="", Modality=""))
    assert sorted((int(row.SeriesNumber), row.Modality, row.SeriesInstanceUID) for row in rows) == [
        (1, "CT", ct[0].SeriesInstanceUID),
        (2, "CT", ct[3].SeriesInstanceUID),
    ]
    keys = {"StudyInstanceUID": ct[0].StudyInstanceUID, "SeriesInstanceUID": ct[3].SeriesInstanceUID, "InstanceNumber": ""}
    rows, _, _ = ask(filled["region"], identifier("IMAGE", **keys))
    assert {row.SOPInstanceUID for row in rows} == {ds.SOPInstanceUID for ds in ct[3:]}


def test_patient_level_and_root(filled: dict[str, Any]) -> None:
    rows, _, final = ask(filled["region"], identifier("PATIENT", PatientName="", PatientID=""), model=PATIENT)
    assert ({row.PatientID for row in rows}, final.Status) == ({"P1", "P2"}, 0)
    rows, _, _ = ask(filled["region"], identifier("STUDY", PatientID="P2", StudyInstanceUID=""), model=PATIENT)
    assert [row.StudyInstanceUID for row in rows] == [filled["mr"][0].StudyInstanceUID]
    rows, _, _ = ask(filled["region"], identifier("PATIENT", PatientID="P2"), model=PATIENT_STUDY)
    assert [row.PatientID for row in rows] == ["P2"]


MISMATCHES = [
    (STUDY, identifier("PATIENT", PatientID="")),
    (PATIENT_STUDY, identifier("SERIES", StudyInstanceUID="1.2")),
    (STUDY, identifier("NONSENSE", StudyInstanceUID="")),
    (STUDY, identifier("SERIES", SeriesInstanceUID="")),
    (STUDY, identifier("IMAGE", StudyInstanceUID="1.2", SOPInstanceUID="")),
    (STUDY, identifier("SERIES", StudyInstanceUID=["1.2", "1.3"])),
    (PATIENT, identifier("STUDY", StudyInstanceUID="")),
]


@pytest.mark.parametrize(("model", "asked"), MISMATCHES)
def test_an_identifier_that_does_not_fit_the_model_is_a_mismatch(region: Region, model: str, asked: Dataset) -> None:
    rows, _, final = ask(region, asked, model=model)
    assert (rows, final.Status) == ([], 0xA900)
    assert final.ErrorComment


@pytest.mark.parametrize("options", [b"", b"\x00\x00\x01"], ids=["each value", "each word"])
def test_a_key_of_too_many_values_is_a_mismatch_that_says_so(filled: dict[str, Any], options: bytes) -> None:
    names = "\\".join(f"NAME{n} X*" for n in range(600))
    rows, _, final = ask(filled["region"], identifier("STUDY", PatientName=names), options=options)
    assert rows == [] and final.Status == 0xA900
    assert final.ErrorComment == "PatientName has at most 100 values in a search."
    uids = [filled["ct"][0].StudyInstanceUID, *(f"1.2.3.{n}" for n in range(2000))]
    assert len(ask(filled["region"], identifier("STUDY", StudyInstanceUID=uids))[0]) == 1


def test_relational_queries_once_negotiated(filled: dict[str, Any]) -> None:
    rows, _, final = ask(filled["region"], identifier("SERIES", PatientID="P1", SeriesInstanceUID=""), options=b"\x01")
    assert (len(rows), final.Status) == (2, 0)
    rows, _, _ = ask(filled["region"], identifier("IMAGE", SOPInstanceUID=filled["mr"][1].SOPInstanceUID), options=b"\x01")
    assert [row.SOPInstanceUID for row in rows] == [filled["mr"][1].SOPInstanceUID]


def test_fuzzy_names_once_negotiated(filled: dict[str, Any]) -> None:
    assert ask(filled["region"], identifier("STUDY", PatientName="paul durand"))[0] == []
    rows, _, _ = ask(filled["region"], identifier("STUDY", PatientName="paul durand"), options=b"\x00\x00\x01")
    assert [row.StudyInstanceUID for row in rows] == [filled["mr"][0].StudyInstanceUID]


def test_keys_that_are_not_kept_are_told_by_the_status(filled: dict[str, Any]) -> None:
    _, statuses, final = ask(filled["region"], identifier("STUDY", PatientID="P1", PerformedLocation=""))
    assert (statuses, final.Status) == ([0xFF01], 0)
    _, statuses, _ = ask(filled["region"], identifier("STUDY", PatientID="P1", StudyDescription=""))
    assert statuses == [0xFF00]


def test_sequence_matching(region: Region) -> None:
    (one,), (other,) = make.ct_study(instances=1), make.ct_study(instances=1)
    for ds, number in ((one, "R1"), (other, "R2")):
        item = Dataset()
        item.RequestedProcedureID, item.ScheduledProcedureStepID = number, f"S{number}"
        ds.RequestAttributesSequence = [item]
    store(region, [one, other])
    asked = identifier("SERIES", StudyInstanceUID=one.StudyInstanceUID, SeriesInstanceUID="")
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = "R1", ""
    asked.RequestAttributesSequence = [item]
    (row,), statuses, _ = ask(region, asked)
    assert row.RequestAttributesSequence[0].ScheduledProcedureStepID == "SR1"
    assert statuses == [0xFF00]
    item.RequestedProcedureID = "R2"
    assert ask(region, asked)[0] == []


def test_a_limit_that_is_reached_says_so(make_region: Callable[..., Region]) -> None:
    region = make_region(find_rows_max=5, find_page_rows=2)
    region.device("MODALITY")
    (first, *_) = study = make.ct_study(instances=8)
    store(region, study)
    asked = identifier("IMAGE", StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID, SOPInstanceUID="")
    rows, _, final = ask(region, asked)
    assert len({row.SOPInstanceUID for row in rows}) == len(rows) == 5
    assert final.Status == 0xB001
    assert "first 5" in final.ErrorComment


def test_pages_add_up_to_everything(make_region: Callable[..., Region]) -> None:
    region = make_region(find_page_rows=3)
    region.device("MODALITY")
    (first, *_) = study = make.ct_study(instances=10)
    store(region, study)
    asked = identifier("IMAGE", StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID, SOPInstanceUID="")
    rows, _, final = ask(region, asked)
    assert (sorted(row.SOPInstanceUID for row in rows), final.Status) == (sorted(ds.SOPInstanceUID for ds in study), 0)


def test_cancel_ends_a_query(make_region: Callable[..., Region]) -> None:
    region = make_region(find_page_rows=1)
    region.device("MODALITY")
    (first, *_) = study = make.ct_study(instances=60)
    store(region, study)
    asked = identifier("IMAGE", StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID, SOPInstanceUID="")
    with Raw(region) as raw:
        raw.associate([pdu.ProposedContext(1, STUDY, (EXPLICIT,))])
        request = message.Command(message.C_FIND_RQ, message_id=7, affected_class_uid=STUDY, priority=0, has_dataset=True)
        cancel = message.Command(message.C_CANCEL_RQ, responded_to=7)
        data = message.command_pdus(1, request, 16378) + b"".join(message.dataset_pdus(1, [encode(asked, False, True) or b""], 16378))
        raw.send(data + message.command_pdus(1, cancel, 16378))
        statuses = []
        while not statuses or statuses[-1] == 0xFF00:
            body = raw.read()
            assert isinstance(body, bytes)
            statuses += [message.decode_command(bytes(v.data)).status for v in pdu.values(memoryview(body)) if v.is_command]
    assert statuses[-1] == 0xFE00
    assert len(statuses) < 60
    until(lambda: region.door.associations() == [])


def test_a_device_finds_its_own_site_s_exams_only(region: Region) -> None:
    region.site("north")
    region.device("NORTH_CT", site_id="north")
    store(region, make.ct_study(instances=1, PatientID="SOUTH"))
    store(region, make.ct_study(instances=1, PatientID="NORTH"), ae_title="NORTH_CT")
    assert [row.PatientID for row in ask(region, identifier("STUDY", PatientID=""))[0]] == ["SOUTH"]
    assert [row.PatientID for row in ask(region, identifier("STUDY", PatientID=""), ae_title="NORTH_CT")[0]] == ["NORTH"]


def test_findscu_of_dcmtk(filled: dict[str, Any], dcmtk: Dcmtk) -> None:
    region = filled["region"]
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=P2", "-k", "StudyInstanceUID", "-k", "NumberOfStudyRelatedInstances")
    done = dcmtk.run("findscu", "-S", "-aet", "MODALITY", "-aec", region.aet, *keys, "127.0.0.1", region.port)
    text = done.stdout + done.stderr
    assert filled["mr"][0].StudyInstanceUID in text
    assert filled["ct"][0].StudyInstanceUID not in text


@pytest.mark.parametrize("data", [b"", b"\x08\0\x52\0CS\xff\xff", b"\xff" * 300, b"\0" * 64])
def test_an_identifier_that_cannot_be_read_is_answered(region: Region, data: bytes) -> None:
    with scu.Association(scu.Peer("127.0.0.1", region.port, region.aet, "MODALITY"), [(STUDY, [EXPLICIT])]) as association:
        for _ in range(2):
            (final,) = association.find(STUDY, data, EXPLICIT)
            assert final.status in (0xA900, 0xC000)


def test_a_value_that_its_vr_cannot_hold_is_answered(region: Region) -> None:
    rows, _, final = ask(region, identifier("STUDY", StudyInstanceUID="", AccessionNumber="x"))
    assert (rows, final.Status) == ([], 0)
    asked = identifier("STUDY", StudyInstanceUID="")
    asked.add_new("StudyDate", "LO", "yesterday")
    rows, _, final = ask(region, asked, syntax=IMPLICIT)
    assert (rows, final.Status) == ([], 0xC000)
    assert final.ErrorComment
