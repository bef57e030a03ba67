"""Uploads: each file's fate, documents with their exam, and forms that are none."""

from __future__ import annotations

import io
import socket
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from PIL import Image

from archipel import archive, audit, directory
from archipel.kit.scope import Scope
from tests import make
from tests.web.door import Door, running

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n"
    b"xref\n0 3\n0000000000 65535 f \ntrailer<</Root 1 0 R/Size 3>>\nstartxref\n101\n%%EOF\n"
)


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def fates(answer: httpx.Response) -> list[tuple[str, str, str | None]]:
    return [(r["name"], r["fate"], r["reason"]) for r in rows(answer)]


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return target.getvalue()


def nothing_left(door: Door) -> bool:
    return door.spool.used_bytes == 0 and list(door.spool.folder.iterdir()) == []


def test_files_are_stored_once_and_other_content_is_kept_aside(door_on: Door) -> None:
    door, ds = door_on, make.ct_study(instances=1)[0]
    client = door.client("technician")
    file = {"file": ("a.dcm", make.part10(ds))}
    (row,) = rows(client.post("/uploads", files=file))
    assert row == {
        "name": "a.dcm", "fate": "stored", "study_uid": str(ds.StudyInstanceUID), "sop_instance_uid": str(ds.SOPInstanceUID), "reason": None,
        "public": None,
    }  # fmt: skip
    assert fates(client.post("/uploads", files=file)) == [("a.dcm", "already_stored", None)]
    ds.SeriesDescription = "changed"
    assert fates(client.post("/uploads", files={"file": ("b.dcm", make.part10(ds))})) == [("b.dcm", "kept_aside", "other-content")]
    assert [e["study_uid"] for e in client.get("/exams").json()["items"]] == [str(ds.StudyInstanceUID)]
    with door.database.read() as tx:
        entries = audit.trace(tx, str(ds.StudyInstanceUID))
    assert any(e.actor.id == "technician" for e in entries)
    assert nothing_left(door)


def test_a_zip_gives_a_row_for_each_member(door: Door) -> None:
    objects = make.ct_study(instances=3)
    members = {f"DICOM/IM{n}": make.part10(ds) for n, ds in enumerate(objects)}
    members |= {
        "../../evil": b"x",
        "README.TXT": b"hello",
        "__MACOSX/._x": b"junk",
        "inner.zip": zipped({"again": make.part10(objects[0])}),
    }
    found = fates(door.client("technician").post("/uploads", files={"file": ("cd.zip", zipped(members))}))
    assert found == [
        ("cd.zip/DICOM/IM0", "stored", None), ("cd.zip/DICOM/IM1", "stored", None), ("cd.zip/DICOM/IM2", "stored", None),
        ("cd.zip/../../evil", "refused", "not-dicom"), ("cd.zip/README.TXT", "refused", "not-dicom"),
        ("cd.zip/__MACOSX/._x", "skipped", "ignored"), ("cd.zip/inner.zip/again", "already_stored", None),
    ]  # fmt: skip
    assert nothing_left(door)


def test_several_files_of_all_kinds_in_one_form(door: Door) -> None:
    good, broken = make.part10(make.cr_image()), make.part10(make.cr_image())[:400]
    no_uid = make.cr_image()
    del no_uid.StudyInstanceUID
    files = [
        ("file", ("good", good)), ("file", ("broken", broken)), ("file", ("empty", b"")), ("file", ("text", b"hello")),
        ("file", ("no uid", make.part10(no_uid))), ("file", ("paper.pdf", PDF)),
    ]  # fmt: skip
    found = fates(door.client("technician").post("/uploads", files=files))
    assert [(name, fate) for name, fate, _ in found] == [
        ("good", "stored"), ("broken", "refused"), ("empty", "refused"), ("text", "refused"), ("no uid", "refused"), ("paper.pdf", "refused")
    ]  # fmt: skip
    assert [reason for *_, reason in found[2:]] == ["empty", "not-dicom", "missing-uid", "no-target"]


def stored(door: Door, sop_instance_uid: str) -> pydicom.Dataset:
    with door.database.read() as tx:
        (ref,) = archive.locate(tx, Scope.system("test"), sop_instance_uid=sop_instance_uid)
    return pydicom.dcmread(io.BytesIO(b"".join(archive.part10(door.blobs, ref))))


def test_documents_join_the_exam_that_the_form_names(door: Door) -> None:
    ds = make.cr_image(PatientName="DURAND^Zoé", PatientID="D-77", StudyID="S7")
    door.store(ds)
    client, picture = door.client("technician"), io.BytesIO()
    Image.new("RGB", (32, 20), "red").save(picture, "JPEG")
    data = {"study_uid": str(ds.StudyInstanceUID), "description": "Consent form"}
    (pdf,) = rows(client.post("/uploads", data=data, files={"file": ("paper.pdf", PDF)}))
    (jpeg,) = rows(client.post("/uploads", data=data, files={"file": ("photo.jpg", picture.getvalue())}))
    assert (pdf["fate"], jpeg["fate"]) == ("stored", "stored") and pdf["study_uid"] == jpeg["study_uid"] == str(ds.StudyInstanceUID)
    made = stored(door, pdf["sop_instance_uid"])
    assert (made.PatientID, str(made.PatientName), made.AccessionNumber) == (ds.PatientID, "DURAND^Zoé", ds.AccessionNumber)
    assert made.DocumentTitle == "Consent form" and made.EncapsulatedDocument.rstrip(b"\0") == PDF
    assert stored(door, jpeg["sop_instance_uid"]).pixel_array.shape == (20, 32, 3)
    exam = client.get(f"/exams/{ds.StudyInstanceUID}").json()
    assert exam["flags"] == [] and exam["conflicts"] == [] and exam["instance_count"] == 3
    assert fates(client.post("/uploads", data=data, files={"file": ("again.pdf", PDF)})) == [("again.pdf", "already_stored", None)]
    elsewhere = make.cr_image()
    door.store(elsewhere, site_id="south")
    refused = rows(client.post("/uploads", data={"study_uid": str(elsewhere.StudyInstanceUID)}, files={"file": ("p.pdf", PDF)}))
    assert [(r["fate"], r["reason"]) for r in refused] == [("refused", "no-study")]
    assert nothing_left(door)


def test_documents_of_a_patient_typed_in_make_an_exam(door: Door) -> None:
    data = {"patient_id": "NEW-1", "patient_name": "PETIT^Léa", "birth_date": "1999-12-31", "sex": "F", "description": "Letter"}
    client = door.client("technician")
    (row,) = rows(client.post("/uploads", data=data, files={"file": ("letter.pdf", PDF)}))
    assert row["fate"] == "stored"
    exam = client.get(f"/exams/{row['study_uid']}").json()
    assert exam["patient"] == {"name": "PETIT^Léa", "id": "NEW-1", "issuer": "NORTH", "birth_date": "1999-12-31", "sex": "F"}
    assert exam["description"] == "Letter" and exam["study_date"] == "2026-03-02" and exam["modalities"] == ["DOC"]
    for change, reason in (({"birth_date": "31/12/1999"}, "birth-date"), ({"sex": "X"}, "sex"), ({"patient_id": ""}, "no-target"),
                           ({"patient_name": "a\\b"}, "text")):  # fmt: skip
        assert fates(client.post("/uploads", data=data | change, files={"file": ("l.pdf", PDF)})) == [("l.pdf", "refused", reason)]
    fake = b"\x89PNG\r\n\x1a\n and no more"
    assert fates(client.post("/uploads", data=data, files={"file": ("f.png", fake)})) == [("f.png", "refused", "bad-content")]


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("text/plain", b"x", "content-type"), ("multipart/form-data", b"x", "content-type"), ("multipart/form-data; boundary=", b"", "content-type"),
        ("multipart/form-data; boundary=b", b"", "multipart"), ("multipart/form-data; boundary=b", b"no boundary", "multipart"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nDICM", "multipart"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n", "multipart"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", "no-file"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nx\r\n--b--\r\n", "no-file"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + b"y" * 5000 + b"\r\n--b--\r\n", "too-large"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X-H: y\r\n" * 50 + b"\r\nx\r\n--b--\r\n", "multipart"),
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused(door: Door, content_type: str, body: bytes, code: str) -> None:
    answer = door.client("technician").post("/uploads", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == (413 if code == "too-large" else 400) and answer.json()["error"]["code"] == code, answer.text
    assert nothing_left(door)


def test_a_body_past_the_limit_is_refused_as_it_streams(tmp_path: Path) -> None:
    with running(tmp_path, body_bytes_max=1 << 20) as door:
        client = door.client("technician")
        whole = client.post("/uploads", files={"file": ("a", bytes(2 << 20))})
        assert whole.status_code == 413

        def body() -> Any:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(40):
                yield bytes(64 << 10)
            yield b"\r\n--b--\r\n"

        streamed = client.post("/uploads", content=body(), headers={"Content-Type": "multipart/form-data; boundary=b"})
        assert streamed.status_code == 413 and nothing_left(door)


def test_a_sender_that_vanishes_leaves_nothing(door: Door) -> None:
    host, port = door.url.removeprefix("http://").split(":")
    head = (
        f"POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token('technician')}\r\nContent-Length: 10000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as peer:
        peer.sendall(head.encode() + bytes(1 << 20))
    until = time.monotonic() + 10
    while not nothing_left(door):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert door.client("technician").get("/exams").status_code == 200


@pytest.mark.parametrize("role", ["administrator", "archive_operator"])
def test_a_document_that_the_region_attaches_belongs_to_the_exams_site(door_on: Door, role: str) -> None:
    door_on.account("region", role, "south")
    client = door_on.client("region")
    (ds,) = make.ct_study(instances=1, IssuerOfPatientID=None)
    door_on.store(ds)  # of the north
    uid = str(ds.StudyInstanceUID)
    (row,) = rows(client.post("/uploads", data={"study_uid": uid, "description": "Consent"}, files={"file": ("p.pdf", PDF)}))
    assert (row["fate"], row["study_uid"]) == ("stored", uid)
    exam = client.get(f"/exams/{uid}").json()
    assert (exam["flags"], exam["conflicts"], exam["site"]["id"], exam["instance_count"]) == ([], [], "north", 2)
    received = [t for t in client.get(f"/exams/{uid}/trace").json().get("items", []) if t["action"] == "archive.receive"]
    assert role != "administrator" or received[0]["actor"] == "region"
    door_on.account("chief", "administrator", "south")
    assert door_on.client("chief").patch("/sites/north", json={"active": False}).status_code == 200
    (late,) = rows(client.post("/uploads", data={"study_uid": uid}, files={"file": ("q.pdf", PDF + b" ")}))
    assert (late["fate"], late["reason"]) == ("refused", "site-closed")


def test_the_training_region_and_real_sites_add_nothing_to_each_others_exams(door_on: Door) -> None:
    door_on.database.transact(lambda tx: directory.set_demo(tx, ["south"]))
    door_on.account("region", "archive_operator")  # of the north, and sees the training region too
    door_on.account("trainer", "technician", "south")
    first, second, real = make.ct_study(instances=2) + make.ct_study(instances=1)
    door_on.store(first, site_id="south")
    door_on.store(real)
    client, uid = door_on.client("region"), str(first.StudyInstanceUID)
    (document,) = rows(client.post("/uploads", data={"study_uid": uid}, files={"file": ("p.pdf", PDF)}))
    (image,) = rows(client.post("/uploads", files={"file": ("i.dcm", make.part10(second))}))
    joins = make.ct_study(instances=1)[0]
    joins.StudyInstanceUID = real.StudyInstanceUID
    (strange,) = rows(door_on.client("trainer").post("/uploads", files={"file": ("i.dcm", make.part10(joins))}))
    assert [(row["fate"], row["reason"]) for row in (document, image, strange)] == [("refused", "training-region")] * 3
    assert client.get(f"/exams/{uid}").json()["instance_count"] == 1
