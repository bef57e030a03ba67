"""Traffic for a running server: sound work that must succeed, and damaged work that may do anything but harm."""

from __future__ import annotations

import io
import random
import socket
import zipfile
from collections.abc import Callable

import httpx
from pydicom.dataset import Dataset

from archipel.dicom import sop_classes
from tests import make
from tests.dimse.test_fuzz import conversation
from tests.faults.watch import CT, EXPLICIT, RELATED, Served, dataset, part10, related
from tests.fuzzing import damaged

Act = Callable[[Served, httpx.Client, random.Random], None]
HOSTILE_WORDS = ["*", "?" * 50, "\\" * 20, "%", "_", "'; DROP TABLE archive_study; --", "\0", "\ud7ff", "^" * 300, "20260101-", "-", "1.2.*", "é" * 99, "[a-z]", "😀", "0" * 5000]  # fmt: skip


def store(served: Served, client: httpx.Client, chance: random.Random) -> None:
    """Three images by C-STORE, then found by C-FIND."""
    study = make.ct_study(instances=3, size=chance.choice((16, 64, 256)))
    with served.association((CT, [EXPLICIT]), (sop_classes.STUDY_FIND, [EXPLICIT])) as association:
        for ds in study:
            answer = association.store(CT, ds.SOPInstanceUID, EXPLICIT, [dataset(ds)])
            assert answer.status == 0, f"{answer.status:04X} {answer.comment}"
        asked = Dataset()
        asked.QueryRetrieveLevel, asked.StudyInstanceUID, asked.PatientName = "STUDY", study[0].StudyInstanceUID, ""
        *rows, final = association.find(sop_classes.STUDY_FIND, dataset(asked), EXPLICIT)
        assert final.status == 0 and len(rows) == 1


def stow(served: Served, client: httpx.Client, chance: random.Random) -> None:
    """Four images by STOW-RS, then seen in every way that a viewer asks."""
    study = make.ct_study(instances=4, size=64)
    body = related(part10(dataset(ds), sop_instance_uid=ds.SOPInstanceUID) for ds in study)
    answer = client.post("/dicom-web/studies", content=body, headers=RELATED)
    assert answer.status_code == 200, answer.text
    uid = study[0].StudyInstanceUID
    one = f"/dicom-web/studies/{uid}/series/{study[0].SeriesInstanceUID}/instances/{study[0].SOPInstanceUID}"
    for path, accept in {
        f"/dicom-web/studies/{uid}/metadata": "application/dicom+json", f"{one}/frames/1": 'multipart/related; type="application/octet-stream"',
        f"{one}/rendered": "image/jpeg", f"{one}/thumbnail": "image/jpeg", one: 'multipart/related; type="application/dicom"',
        f"/api/v1/exams/{uid}/archive.zip": "*/*",
    }.items():  # fmt: skip
        got = client.get(path, headers={"Accept": accept})
        assert got.status_code == 200, (path, got.status_code, got.text[:300])


def damaged_stow(served: Served, client: httpx.Client, chance: random.Random) -> None:
    """A body of STOW-RS with something wrong in it."""
    study = make.ct_study(instances=2)
    body = related(part10(dataset(ds), sop_instance_uid=ds.SOPInstanceUID) for ds in study)
    answer = client.post("/dicom-web/studies", content=damaged(body, chance), headers=RELATED)
    assert answer.status_code in (200, 202, 400, 409, 413, 415), (answer.status_code, answer.text[:500])


def damaged_upload(served: Served, client: httpx.Client, chance: random.Random) -> None:
    """A form, a file or an archive with something wrong in it."""
    (ds,) = make.ct_study(instances=1)
    file = part10(dataset(ds), sop_instance_uid=ds.SOPInstanceUID)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.dcm", file)
        archive.writestr("c.pdf", b"%PDF-1.4 nothing")
    content = chance.choice([file, packed.getvalue()])
    if chance.random() < 0.5:
        content = damaged(content, chance)
    form = b'--p\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + content + b"\r\n--p--\r\n"
    if chance.random() < 0.5:
        form = damaged(form, chance)
    answer = client.post("/api/v1/uploads", content=form, headers={"Content-Type": "multipart/form-data; boundary=p"})
    assert answer.status_code in (200, 400, 404, 413, 429), (answer.status_code, answer.text[:500])


def damaged_dataset(served: Served, client: httpx.Client, chance: random.Random) -> None:
    """A dataset with something wrong in it by C-STORE; what is stored of it can be asked for."""
    (ds,) = make.ct_study(instances=1)
    with served.association() as association:
        answer = association.store(CT, ds.SOPInstanceUID, EXPLICIT, [damaged(dataset(ds), chance, 3)])
    assert answer.status in (0, 0xB000, 0x0117, 0xA700, 0xA900) or answer.status >> 12 == 0xC, f"{answer.status:04X}"
    for row in client.get("/dicom-web/instances", params={"SOPInstanceUID": ds.SOPInstanceUID}).json() if not answer.status else ():
        url = f"/dicom-web/studies/{row['0020000D']['Value'][0]}/series/{row['0020000E']['Value'][0]}/instances/{ds.SOPInstanceUID}"
        for path, accept in (
            (f"{url}/metadata", "application/dicom+json"),
            (f"{url}/rendered", "image/png"),
            (f"{url}/frames/1", "*/*"),
            (url, "*/*"),
        ):
            got = client.get(path, headers={"Accept": accept})
            assert got.status_code < 500, (path, got.status_code, got.text[:500])


def damaged_association(served: Served, client: httpx.Client, chance: random.Random) -> None:
    """A conversation with something wrong in it, from a peer that may go at any time."""
    with socket.create_connection(("127.0.0.1", served.platform.dicom_port), timeout=10) as wire:
        try:
            wire.sendall(damaged(b"".join(conversation()), chance, 3))
            if chance.random() < 0.5:
                wire.shutdown(socket.SHUT_WR)
                while wire.recv(65536):
                    pass
        except OSError:
            pass


def odd_questions(served: Served, client: httpx.Client, chance: random.Random) -> None:
    """Searches with values that nobody expects."""
    path = chance.choice(["/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances", "/api/v1/exams"])
    names = ["PatientName", "PatientID", "StudyDate", "StudyInstanceUID", "00100020", "00400275.00401001", "includefield", "limit", "offset",
             "fuzzymatching", "ModalitiesInStudy", "search", "sort", "cursor", "date_from", "StudyTime", "NumberOfSeriesRelatedInstances"]  # fmt: skip
    params = {chance.choice(names): chance.choice(HOSTILE_WORDS) for _ in range(chance.randrange(1, 4))}
    answer = client.get(path, params=params)
    assert answer.status_code in (200, 204, 400, 413, 414, 431), (params, answer.status_code, answer.text[:500])


SOUND: tuple[Act, ...] = (store, stow)
DAMAGED: tuple[Act, ...] = (damaged_stow, damaged_upload, damaged_dataset, damaged_association, odd_questions)
