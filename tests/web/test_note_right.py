"""A rejection note that is uploaded acts only for who may reject: its role, and what its token was given for."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx
from pydicom.dataset import Dataset

from archipel import archive
from archipel.kit.scope import Scope
from tests import make
from tests.web.door import Door
from tests.web.test_token_scope import limited


def note(door: Door, rejected: list[Dataset]) -> bytes:
    """A note that names these instances."""
    with door.database.read() as tx:
        refs = archive.locate(tx, Scope.system("tests"), study_uid=str(rejected[0].StudyInstanceUID))
    patient = {k: str(getattr(rejected[0], k)) for k in ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")}
    at = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    return make.part10(archive.make_note(refs, code="113001", patient=patient, at=at, note_uid=make.uid()))


def send(client: httpx.Client, data: bytes) -> None:
    answer = client.post("/uploads", files={"file": ("note.dcm", data)})
    assert answer.json()["items"][0]["fate"] == "stored", answer.text


def test_a_note_by_a_token_that_only_stores_hides_nothing(door_on: Door) -> None:
    one, other = make.ct_study(instances=2), make.ct_study(instances=2)
    door_on.store(*one, *other)
    everything = door_on.client("administrator")

    def images(study: list[Dataset]) -> int:
        return sum(s["instance_count"] for s in everything.get(f"/exams/{study[0].StudyInstanceUID}").json()["series"] if s["modality"] == "CT")

    send(limited(door_on, "technician", ["store"]), note(door_on, one))
    send(door_on.client("technician"), note(door_on, other))
    until = time.monotonic() + 20
    while images(other) and time.monotonic() < until:  # notes are carried out in the order in which they came
        time.sleep(0.05)
    assert (images(one), images(other)) == (2, 0)
    trace = everything.get(f"/exams/{one[0].StudyInstanceUID}/trace").json()["items"]
    assert [(entry["action"], entry["outcome"], entry["detail"]["reason"]) for entry in trace if entry["action"] == "archive.reject"] == [
        ("archive.reject", "refused", "no-right")
    ]
