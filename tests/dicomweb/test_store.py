"""STOW-RS against a real socket: fates, statuses, hostile bodies (PS3.18 10.5)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from archipel import directory
from tests import make
from tests.dicomweb.region import SYSTEM, Region

BOUNDARY = "b7"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
OF_METADATA = 'multipart/related; type="application/dicom+{}"; boundary=b7'
AS_METADATA = "Content-Type: application/dicom+{}\r\n"
REFERENCED, FAILED, REASON, WARNING, COMMENT = "00081199", "00081198", "00081197", "00081196", "00000902"


def body(*files: bytes, headers: str = "Content-Type: application/dicom\r\n", boundary: str = BOUNDARY) -> bytes:
    """A multipart/related body of the files."""
    parts = [f"--{boundary}\r\n{headers}\r\n".encode() + file + b"\r\n" for file in files]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def stow(
    region: Region, content: bytes | Iterator[bytes], path: str = "/studies", content_type: str = RELATED, **headers: str
) -> httpx.Response:
    """One store request."""
    with region.client() as client:
        return client.post(path, content=content, headers={"Content-Type": content_type, "Accept": "application/dicom+json", **headers})


def items(answer: httpx.Response, sequence: str) -> list[dict]:
    """The items of a sequence of the answer."""
    return answer.json().get(sequence, {}).get("Value", [])


def test_instances_are_stored_byte_for_byte(region: Region) -> None:
    files = [make.part10(ds) for ds in make.ct_study(instances=5, size=64)]
    answer = stow(region, body(*files))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    stored = items(answer, REFERENCED)
    assert len(stored) == 5
    assert FAILED not in answer.json()
    with region.client(Accept="application/dicom; transfer-syntax=*") as client:
        for file, item in zip(files, stored, strict=True):
            back = client.get(item["00081190"]["Value"][0]).content
            assert back[back.index(b"\x08\0\x05\0") :] == file[file.index(b"\x08\0\x05\0") :]
    assert answer.json()["00081190"]["Value"][0].startswith(region.url + "/studies/")


def test_the_same_bytes_again_are_a_success_and_other_bytes_are_kept_aside(region: Region) -> None:
    ds = make.ct_study(instances=1)[0]
    file = make.part10(ds)
    assert stow(region, body(file)).status_code == 200
    assert stow(region, body(file)).status_code == 200
    ds.SeriesDescription = "changed"
    answer = stow(region, body(make.part10(ds)))
    assert answer.status_code == 202
    assert items(answer, REFERENCED)[0][WARNING]["Value"] == [0xB000]
    assert "kept aside" in items(answer, REFERENCED)[0][COMMENT]["Value"][0]


def test_a_flagged_exam_is_a_plain_success(region: Region) -> None:
    first, second = make.ct_study(instances=2)
    second.PatientName = "OTHER^PERSON"
    answer = stow(region, body(make.part10(first), make.part10(second)))
    assert answer.status_code == 200
    assert len(items(answer, REFERENCED)) == 2


def test_good_and_bad_together_are_202_and_bad_alone_409(region: Region) -> None:
    good = make.part10(make.ct_study(instances=1)[0])
    answer = stow(region, body(good, b"this is no DICOM", good[:200]))
    assert answer.status_code == 202
    assert len(items(answer, REFERENCED)) == 1
    assert [item[REASON]["Value"][0] for item in items(answer, FAILED)] == [0xC000, 0xC000]
    assert "not DICOM" in items(answer, FAILED)[0][COMMENT]["Value"][0]
    assert stow(region, body(b"this is no DICOM")).status_code == 409


def test_another_study_than_the_address_names_fails(region: Region) -> None:
    ds = make.ct_study(instances=1)[0]
    answer = stow(region, body(make.part10(ds)), path="/studies/1.2.3")
    assert answer.status_code == 409
    item = items(answer, FAILED)[0]
    assert item[REASON]["Value"] == [0xA900]
    assert item["00081155"]["Value"] == [ds.SOPInstanceUID]
    assert stow(region, body(make.part10(ds)), path=f"/studies/{ds.StudyInstanceUID}").status_code == 200


def test_one_file_as_the_body(region: Region) -> None:
    ds = make.ct_study(instances=1)[0]
    answer = stow(region, make.part10(ds), content_type="application/dicom")
    assert answer.status_code == 200
    assert items(answer, REFERENCED)[0]["00081155"]["Value"] == [ds.SOPInstanceUID]


def test_the_answer_as_xml(region: Region) -> None:
    answer = stow(region, body(make.part10(make.ct_study(instances=1)[0])), Accept="application/dicom+xml")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+xml"
    assert b"ReferencedSOPSequence" in answer.content


def test_chunked_bodies_of_any_pieces(region: Region) -> None:
    files = [make.part10(ds) for ds in make.ct_study(instances=3, size=32)]
    whole = body(*files)
    answer = stow(region, (whole[at : at + 777] for at in range(0, len(whole), 777)))
    assert answer.status_code == 200
    assert len(items(answer, REFERENCED)) == 3


@pytest.mark.parametrize(
    ("content_type", "content", "status"),
    [
        ('multipart/related; type="application/dicom"', b"--x\r\n\r\n", 400),
        ('multipart/related; type="application/dicom"; boundary=""', b"--x\r\n\r\n", 400),
        (RELATED, b"", 400),
        (RELATED, body(), 400),
        (RELATED, b"--other\r\n\r\nx\r\n--other--\r\n", 400),
        (RELATED, b"no delimiter at all", 400),
        (RELATED, body(b"x")[:-9], 400),
        (RELATED, body(b"x", headers="X-Long: " + "y" * 20_000 + "\r\n"), 400),
        (RELATED, body(b"x", headers="".join(f"X-{n}: y\r\n" for n in range(100))), 400),
        (RELATED, body(b"x", headers="No colon here\r\n"), 400),
        (f'multipart/related; type="text/plain"; boundary={BOUNDARY}', body(b"x"), 415),
        (f"multipart/form-data; boundary={BOUNDARY}", body(b"x"), 415),
        ("text/plain", b"x", 415),
        ("", b"x", 415),
        ("nonsense", b"x", 400),
        (f'multipart/related; type="application/dicom"; boundary={"b" * 5000}', b"x", 400),
        (OF_METADATA.format("json"), body(b"{", headers=AS_METADATA.format("json")), 400),
        (OF_METADATA.format("json"), body(b"[1]", headers=AS_METADATA.format("json")), 400),
        (OF_METADATA.format("xml"), body(b"<x/>", headers=AS_METADATA.format("xml")), 400),
        (OF_METADATA.format("json"), body(b"[{}]", headers=AS_METADATA.format("json")), 409),
    ],
)  # fmt: skip
def test_what_is_no_store_request(region: Region, content_type: str, content: bytes, status: int) -> None:
    answer = stow(region, content, content_type=content_type)
    assert answer.status_code == status, answer.text
    if status != 409:
        assert answer.json()["error"]["public"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_encoded_bodies_are_refused(region: Region, encoding: str) -> None:
    assert stow(region, b"x" * 100, **{"Content-Encoding": encoding}).status_code == 415


def test_what_came_before_the_cut_is_stored_and_said(region: Region) -> None:
    first, second = (make.part10(ds) for ds in make.ct_study(instances=2, size=64))
    whole = body(first, second)
    answer = stow(region, whole[: len(whole) - 500])
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "truncated"
    assert "1 instances that came before are stored" in answer.json()["error"]["public"]
    assert region.spool.used_bytes == 0
    assert list(region.spool.folder.iterdir()) == []


def test_a_sender_that_vanishes_leaves_what_it_sent_whole(region: Region) -> None:
    ds = make.ct_study(instances=1)[0]
    content = body(make.part10(ds))[: -len(BOUNDARY) - 6] + f"--{BOUNDARY}\r\n\r\n".encode() + b"x" * 300_000
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {region.token}\r\n"
        f"Content-Type: {RELATED}\r\nContent-Length: {len(content) + 5_000_000}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", region.port)) as peer:
        peer.sendall(head.encode() + content)
    from tests.servers import wait_until

    with region.client(Accept="application/dicom+json") as client:
        wait_until(lambda: client.get(f"/instances?SOPInstanceUID={ds.SOPInstanceUID}").json(), seconds=10)
    wait_until(lambda: region.spool.used_bytes == 0 and not list(region.spool.folder.iterdir()), seconds=10)


def test_a_body_longer_than_declared(region: Region) -> None:
    content = body(make.part10(make.ct_study(instances=1)[0]))
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {region.token}\r\n"
        f"Content-Type: {RELATED}\r\nContent-Length: {len(content) - 3}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", region.port), timeout=10) as peer:
        peer.sendall(head.encode() + content)
        assert peer.recv(100).startswith(b"HTTP/1.1 ")


def test_ten_thousand_tiny_parts(region: Region) -> None:
    answer = stow(region, body(*([b"tiny"] * 10_000)))
    assert answer.status_code == 409
    assert len(items(answer, FAILED)) == 10_000


def test_the_boundary_within_a_dataset_and_a_nested_multipart(region: Region) -> None:
    ds = make.ct_study(instances=1)[0]
    ds.ImageComments = f"--{BOUNDARY} and {BOUNDARY}-- and \r\n--{BOUNDARY[:-1]}"
    file = make.part10(ds)
    assert stow(region, body(file)).status_code == 200
    nested = body(file, boundary="inner")
    answer = stow(region, body(nested, headers='Content-Type: multipart/related; boundary="inner"\r\n'))
    assert answer.status_code == 409
    assert items(answer, FAILED)[0][REASON]["Value"] == [0xC000]


def test_larger_than_allowed(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.dicomweb.region import running
    from tests.servers import Backend

    folder = tmp_path_factory.mktemp("small")
    backend = Backend("sqlite-files", f"sqlite:///{folder / 'archipel.db'}", f"file://{folder / 'blobs'}")
    with running(folder, backend, body_bytes_max=1 << 20) as small:
        assert stow(small, b"x" * (2 << 20)).status_code == 413
        answer = stow(small, (b"x" * 100_000 for _ in range(12)), content_type="application/dicom")
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too-large"


def test_who_may_not_store(region: Region) -> None:
    token = region.token_of("doctor", "requesting_doctor")
    with region.client(token) as client:
        answer = client.post("/studies", content=b"x", headers={"Content-Type": "nonsense"})
    assert answer.status_code == 403


def test_nothing_is_deleted_here(region: Region) -> None:
    with region.client() as client:
        answer = client.delete("/studies/1.2.3")
    assert answer.status_code == 405
    assert "Reject" in answer.json()["error"]["public"]


def test_metadata_and_bulk_data_make_an_instance(region: Region) -> None:
    ds = make.ct_study(instances=1, size=16)[0]
    pixels = ds.PixelData
    row = json.loads(ds.to_json(bulk_data_element_handler=lambda element: "urn:pixels", bulk_data_threshold=100))
    content = (
        f"--{BOUNDARY}\r\nContent-Type: application/dicom+json\r\n\r\n".encode() + json.dumps([row]).encode()
        + f"\r\n--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Location: urn:pixels\r\n\r\n".encode()
        + pixels + f"\r\n--{BOUNDARY}--\r\n".encode()
    )  # fmt: skip
    answer = stow(region, content, content_type=f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}')
    assert answer.status_code == 200, answer.text
    import io

    import pydicom

    with region.client(Accept="application/dicom; transfer-syntax=*") as client:
        back = pydicom.dcmread(io.BytesIO(client.get(items(answer, REFERENCED)[0]["00081190"]["Value"][0]).content))
    assert back.PixelData == pixels
    assert back.PatientName == ds.PatientName
    assert back.ImagePositionPatient == ds.ImagePositionPatient


def test_metadata_with_a_jpeg(region: Region) -> None:
    import io

    import pydicom
    from PIL import Image

    picture = io.BytesIO()
    Image.new("RGB", (32, 16), (200, 30, 30)).save(picture, "JPEG")
    ds = make.instance("1.2.840.10008.5.1.4.1.1.7", "OT")
    row = {**json.loads(ds.to_json()), "7FE00010": {"vr": "OB", "BulkDataURI": "bulk/1"}}
    content = (
        f"--{BOUNDARY}\r\nContent-Type: application/dicom+json\r\n\r\n".encode() + json.dumps([row]).encode()
        + f"\r\n--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Location: bulk/1\r\n\r\n".encode()
        + picture.getvalue() + f"\r\n--{BOUNDARY}--\r\n".encode()
    )  # fmt: skip
    answer = stow(region, content, content_type=f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}')
    assert answer.status_code == 200, answer.text
    with region.client(Accept="application/dicom; transfer-syntax=*") as client:
        back = pydicom.dcmread(io.BytesIO(client.get(items(answer, REFERENCED)[0]["00081190"]["Value"][0]).content))
    assert back.file_meta.TransferSyntaxUID == pydicom.uid.JPEGBaseline8Bit
    assert abs(int(back.pixel_array[8, 16, 0]) - 200) < 12


def test_a_picture_that_dicom_has_no_syntax_for(region: Region) -> None:
    ds = make.instance("1.2.840.10008.5.1.4.1.1.7", "OT")
    row = {**json.loads(ds.to_json()), "7FE00010": {"vr": "OB", "BulkDataURI": "bulk/1"}}
    content = (
        f"--{BOUNDARY}\r\nContent-Type: application/dicom+json\r\n\r\n{json.dumps([row])}\r\n"
        f"--{BOUNDARY}\r\nContent-Type: image/png\r\nContent-Location: bulk/1\r\n\r\n\x89PNG\r\n--{BOUNDARY}--\r\n"
    )
    answer = stow(region, content.encode("latin-1"), content_type=OF_METADATA.format("json"))
    assert answer.status_code == 409
    assert "image/png" in items(answer, FAILED)[0][COMMENT]["Value"][0]


def test_a_document_by_metadata(region: Region) -> None:
    ds = make.instance("1.2.840.10008.5.1.4.1.1.104.1", "DOC")
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    row = {**json.loads(ds.to_json()), "00420011": {"vr": "OB", "BulkDataURI": "bulk/1"}}
    content = (
        f"--{BOUNDARY}\r\nContent-Type: application/dicom+json\r\n\r\n{json.dumps([row])}\r\n"
        f"--{BOUNDARY}\r\nContent-Type: application/pdf\r\nContent-Location: bulk/1\r\n\r\n%PDF-1.4 calm\r\n--{BOUNDARY}--\r\n"
    )
    answer = stow(region, content.encode("latin-1"), content_type=OF_METADATA.format("json"))
    assert answer.status_code == 200, answer.text
    with region.client() as client:
        url = items(answer, REFERENCED)[0]["00081190"]["Value"][0]
        assert client.get(url + "/rendered", headers={"Accept": "application/pdf"}).content.startswith(b"%PDF-1.4 calm")


def test_bulk_data_that_was_not_sent(region: Region) -> None:
    ds = make.instance("1.2.840.10008.5.1.4.1.1.7", "OT")
    row = {**json.loads(ds.to_json()), "7FE00010": {"vr": "OB", "BulkDataURI": "nowhere"}}
    content = body(json.dumps([row]).encode(), headers="Content-Type: application/dicom+json\r\n")
    answer = stow(region, content, content_type=f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}')
    assert answer.status_code == 409
    assert "nowhere" in items(answer, FAILED)[0][COMMENT]["Value"][0]


def test_on_each_back_end(region_on: Region) -> None:
    files = [make.part10(ds) for ds in make.ct_study(instances=40, size=32)]
    answer = stow(region_on, body(*files))
    assert answer.status_code == 200
    assert len(items(answer, REFERENCED)) == 40


def test_a_site_whose_archive_is_off_stores_nothing(region: Region) -> None:
    with region.database.write() as tx:
        directory.add_site(tx, SYSTEM, directory.Site("unserved", "Unserved", services=("dose",)))
    with region.client(region.token_of("unserved", "technician", "unserved")) as client:
        answer = client.post("/studies", content=body(make.part10(make.cr_image())), headers={"Content-Type": RELATED})
        assert (answer.status_code, client.get("/studies").json()) == (403, [])
