"""WADO-RS files, metadata, bulk data and frames against a real socket (PS3.18 10.4)."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from tests import make
from tests.dicom.samples import kept
from tests.dicomweb.answers import parts
from tests.dicomweb.region import Region
from tests.servers import wait_until

STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.fixture(scope="module")
def ct(region: Region) -> list[Dataset]:
    """A CT of two series, three images each."""
    made = make.ct_study(series=2, instances=3, size=64)
    region.put(made)
    return made


def url_of(ds: Dataset, level: str = "instance") -> str:
    """The address of an instance, its series or its study."""
    url = f"/studies/{ds.StudyInstanceUID}"
    if level != "study":
        url += f"/series/{ds.SeriesInstanceUID}"
    return url + f"/instances/{ds.SOPInstanceUID}" if level == "instance" else url


def dataset_of(part10: bytes) -> bytes:
    """The dataset of a Part 10 file: what follows the group length of its file meta says."""
    at = part10.index(b"DICM") + 4
    return part10[at + 12 + int.from_bytes(part10[at + 8 : at + 12], "little") :]


def test_study_series_and_instance_come_byte_for_byte(region: Region, ct: list[Dataset]) -> None:
    sent = {ds.SOPInstanceUID: dataset_of(make.part10(ds)) for ds in ct}
    with region.client(Accept=STORED) as client:
        for level, count in (("study", 6), ("series", 3), ("instance", 1)):
            answer = client.get(url_of(ct[0], level))
            assert answer.status_code == 200
            assert int(answer.headers["content-length"]) == len(answer.content)
            found = parts(answer)
            assert len(found) == count
            for part in found:
                assert part.media == "application/dicom"
                assert part.transfer_syntax_uid == "1.2.840.10008.1.2.1"
                assert part.location.startswith(region.url)
                uid = part.location.rpartition("/")[2]
                assert dataset_of(part.content) == sent[uid]


def test_one_file_with_ranges_and_a_tag(region: Region, ct: list[Dataset]) -> None:
    with region.client(Accept="application/dicom; transfer-syntax=*") as client:
        whole = client.get(url_of(ct[0]))
        assert whole.headers["content-type"].startswith("application/dicom")
        etag = whole.headers["etag"]
        assert client.get(url_of(ct[0]), headers={"If-None-Match": etag}).status_code == 304
        part = client.get(url_of(ct[0]), headers={"Range": "bytes=100-199"})
        assert part.status_code == 206
        assert part.content == whole.content[100:200]
        assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
        assert client.get(url_of(ct[0]), headers={"Range": "bytes=-50"}).content == whole.content[-50:]
        assert client.get(url_of(ct[0]), headers={"Range": "bytes=9999999-"}).status_code == 416
        assert client.get(url_of(ct[0]), headers={"Range": f"bytes=1-{10**18}"}).content == whole.content[1:]
        for beyond in (f"bytes=0-{'9' * 5000}", f"bytes={'9' * 5000}-", f"bytes=-{'9' * 5000}", "bytes=5-2"):
            assert client.get(url_of(ct[0]), headers={"Range": beyond}).content == whole.content
        assert client.get(url_of(ct[0]), headers={"Range": "bytes=0-9", "If-Range": '"old"'}).status_code == 200
        assert client.get(url_of(ct[0]), headers={"Range": "bytes=5-1"}).status_code == 200
        assert client.get(url_of(ct[0]), headers={"Range": "lines=1-2"}).status_code == 200


def test_a_study_as_zip(region: Region, ct: list[Dataset]) -> None:
    with region.client(Accept="application/zip") as client:
        answer = client.get(url_of(ct[0], "study"))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert file.testzip() is None
        assert len(file.namelist()) == 6
        assert {pydicom.dcmread(io.BytesIO(file.read(name))).SOPInstanceUID for name in file.namelist()} == {ds.SOPInstanceUID for ds in ct}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/1.2.3", 404),
        ("/studies/1.2.3/series/4.5/instances/6", 404),
        ("/studies/1.2.3/metadata", 404),
        ("/studies/not-a-uid", 400),
        ("/studies/1.2.3/rendered", 404),
        ("/studies/1.2.3/series/1/instances/2/frames/x", 400),
        ("/studies/1.2.3/series/1/instances/2/frames/1", 404),
        ("/nothing", 404),
    ],
)
def test_what_is_not_there(region: Region, path: str, status: int) -> None:
    with region.client() as client:
        assert client.get(path).status_code == status


def test_metadata_is_what_pydicom_reads(region: Region, ct: list[Dataset]) -> None:
    with region.client(Accept="application/dicom+json") as client:
        for level, count in (("study", 6), ("series", 3), ("instance", 1)):
            rows = client.get(url_of(ct[0], level) + "/metadata").json()
            assert len(rows) == count
        read = Dataset.from_json(rows[0], bulk_data_uri_handler=lambda uri: uri)
        for element in ct[0]:
            if element.keyword != "PixelData":
                assert read[element.tag].value == element.value, element.keyword
        uri = rows[0]["7FE00010"]["BulkDataURI"]
        assert uri == f"{region.url}{url_of(ct[0])}/bulkdata/7FE00010"
        assert client.get(uri, headers={"Accept": "application/octet-stream"}).content == ct[0].PixelData


def test_metadata_is_zipped_tagged_and_not_computed_twice(region: Region, ct: list[Dataset]) -> None:
    url = url_of(ct[0], "study") + "/metadata"
    with region.client(Accept="application/dicom+json") as client:
        plain = client.get(url, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        zipped = client.get(url, headers={"Accept-Encoding": "gzip"})
        assert zipped.headers["content-encoding"] == "gzip"
        assert zipped.json() == plain.json()
        assert client.get(url, headers={"If-None-Match": plain.headers["etag"]}).status_code == 304
        with client.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert gzip.decompress(raw) == plain.content
        more = make.ct_study(instances=1, StudyInstanceUID=ct[0].StudyInstanceUID, size=4)
        region.put(more)
        assert client.get(url, headers={"If-None-Match": plain.headers["etag"]}).status_code == 200


def test_metadata_as_xml(region: Region, ct: list[Dataset]) -> None:
    from archipel.dicom import xmlmodel

    url = url_of(ct[0]) + "/metadata"
    with region.client() as client:
        row = client.get(url, headers={"Accept": "application/dicom+json"}).json()[0]
        found = parts(client.get(url, headers={"Accept": 'multipart/related; type="application/dicom+xml"'}))
    assert [part.media for part in found] == ["application/dicom+xml"]
    assert xmlmodel.from_xml(found[0].content) == row


def test_bulk_data_by_path_and_by_range(region: Region) -> None:
    ds = make.ct_study(instances=1)[0]
    item = Dataset()
    item.EncapsulatedDocument = bytes(range(256)) * 20
    block = ds.private_block(0x0009, "ARCHIPEL TESTS", create=True)
    block.add_new(1, "OB", b"\1\2\3\4" * 1000)
    ds.ReferencedImageSequence = [item]
    region.put([ds])
    with region.client() as client:
        row = client.get(url_of(ds) + "/metadata", headers={"Accept": "application/json"}).json()[0]
        nested = row["00081140"]["Value"][0]["00420011"]["BulkDataURI"]
        assert nested.endswith("/bulkdata/00081140.0.00420011")
        assert client.get(nested, headers={"Accept": "application/octet-stream"}).content == item.EncapsulatedDocument
        private = client.get(row["00091001"]["BulkDataURI"], headers={"Accept": 'multipart/related; type="application/octet-stream"'})
        assert parts(private)[0].content == b"\1\2\3\4" * 1000
        part = client.get(nested, headers={"Accept": "*/*", "Range": "bytes=256-265"})
        assert part.status_code == 206
        assert parts(part)[0].content == bytes(range(10))
        for path in ("00081140.1.00420011", "00081140", "zz", "00081140.0", "7FE00010/x"):
            assert client.get(url_of(ds) + f"/bulkdata/{path}").status_code == 404, path
        assert client.get(nested, headers={"Accept": "image/png"}).status_code == 406


def test_frames_of_uncompressed_pixels(region: Region) -> None:
    ds = make.with_pixels(make.instance("1.2.840.10008.5.1.4.1.1.7.3", "OT"), rows=7, columns=9, frames=5)
    region.put([ds])
    frames = [ds.PixelData[n * 126 : (n + 1) * 126] for n in range(5)]
    with region.client(Accept='multipart/related; type="application/octet-stream"') as client:
        found = parts(client.get(url_of(ds) + "/frames/4,1"))
        assert [part.content for part in found] == [frames[3], frames[0]]
        assert found[0].media == "application/octet-stream"
        assert found[0].location.endswith("/frames/4")
        one = client.get(url_of(ds) + "/frames/2", headers={"Accept": "application/octet-stream"})
        assert one.content == frames[1]
        assert one.headers["content-type"].startswith("application/octet-stream")
        assert client.get(url_of(ds) + "/frames/2", headers={"If-None-Match": one.headers["etag"]}).status_code == 304
        assert client.get(url_of(ds) + "/frames/1,2", headers={"Accept": "application/octet-stream"}).status_code == 406
        for numbers, status in (("6", 404), ("0", 400), ("1,,2", 400), ("-1", 400), ("1e3", 400), (",".join(["1"] * 10_001), 400)):
            assert client.get(url_of(ds) + f"/frames/{numbers}").status_code == status, numbers


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "image_dfl.dcm", "MR_small_bigendian.dcm"])
def test_frames_that_are_not_bytes_of_what_is_stored(region: Region, name: str) -> None:
    """Single bits, deflated datasets, big-endian words."""
    path = kept(name)
    ds = pydicom.dcmread(path)
    region.put([path])
    array = ds.pixel_array
    count = int(ds.get("NumberOfFrames", 1))
    array = array.reshape(count, *array.shape[-(2 if ds.SamplesPerPixel == 1 else 3) :])
    with region.client(Accept='multipart/related; type="application/octet-stream"') as client:
        found = parts(client.get(url_of(ds) + f"/frames/{','.join(str(n + 1) for n in range(count))}"))
    for number, part in enumerate(found):
        if ds.BitsAllocated == 1:
            bits = np.unpackbits(np.frombuffer(part.content, np.uint8), bitorder="little")[: array[number].size]
            assert np.array_equal(bits.reshape(array[number].shape), array[number])
        else:
            data = np.frombuffer(part.content, array.dtype.newbyteorder("<"))[: array[number].size]
            assert np.array_equal(data.reshape(array[number].shape), array[number]), name


def test_frames_of_single_bits_that_share_bytes(region: Region) -> None:
    bits = np.random.default_rng(5).integers(0, 2, (3, 5, 5), dtype=np.uint8)
    ds = make.instance("1.2.840.10008.5.1.4.1.1.66.4", "SEG")
    ds.Rows = ds.Columns = 5
    ds.NumberOfFrames, ds.SamplesPerPixel, ds.PhotometricInterpretation = 3, 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = ds.PixelRepresentation = 0
    ds.PixelData = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    region.put([ds])
    with region.client(Accept='multipart/related; type="application/octet-stream"') as client:
        found = parts(client.get(url_of(ds) + "/frames/1,2,3"))
    for number, part in enumerate(found):
        got = np.unpackbits(np.frombuffer(part.content, np.uint8), bitorder="little")[:25].reshape(5, 5)
        assert np.array_equal(got, bits[number])


def test_a_large_multiframe_is_decoded_frame_by_frame(region: Region, tmp_path: Path) -> None:
    from pydicom.dataset import FileMetaDataset

    ds = make.with_pixels(make.instance("1.2.840.10008.5.1.4.1.1.7.3", "OT"), rows=512, columns=512, frames=30)
    noise = np.random.default_rng(3).integers(0, 4096, (30, 512, 512), dtype=np.uint16)
    ds.PixelData = noise.tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    assert len(ds.PixelData) > 5 << 20
    path = tmp_path / "large.dcm"
    ds.save_as(path, enforce_file_format=True)
    region.put([path])
    with region.client() as client:
        native = client.get(url_of(ds) + "/frames/17", headers={"Accept": "application/octet-stream"})
        assert np.array_equal(np.frombuffer(native.content, "<u2").reshape(512, 512), noise[16])
        stored = client.get(url_of(ds) + "/frames/17", headers={"Accept": "image/dicom-rle"})
        assert stored.headers["content-type"] == "image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5"
        assert 400_000 < len(stored.content) < 600_000
        rendered = client.get(url_of(ds) + "/frames/17/rendered", headers={"Accept": "image/png"})
        assert rendered.status_code == 200, rendered.text
    assert list(region.spool.folder.iterdir()) == []


def test_a_client_that_leaves_takes_its_files_with_it(region: Region) -> None:
    """Converted studies and zips that nobody reads on: nothing stays in the spool."""
    study = make.mr_study(instances=60, size=256)
    region.put(study)
    j2k = f'multipart/related; type="application/dicom"; transfer-syntax={pydicom.uid.JPEGLSLossless}'
    for accept in (j2k, "application/zip", STORED):
        for _ in range(3):
            with region.client(Accept=accept) as client, client.stream("GET", url_of(study[0], "study")) as answer:
                assert answer.status_code == 200
                assert next(answer.iter_raw(1000))
    wait_until(lambda: not list(region.spool.folder.iterdir()), seconds=20)
    with region.client(Accept=j2k) as client:
        assert len(parts(client.get(url_of(study[0], "study")))) == 60


def test_a_study_in_which_one_cannot_be_converted(region: Region) -> None:
    """Named syntax: the rest comes with 206. No syntax named: all come, that one as it is stored."""
    images = make.ct_study(instances=2, size=16)
    odd = make.ct_study(instances=1, size=16, StudyInstanceUID=images[0].StudyInstanceUID)[0]
    file = make.part10(odd).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0")
    region.put([*images, file])
    with region.client() as client:
        named = client.get(
            url_of(odd, "study"),
            headers={"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={pydicom.uid.RLELossless}'},
        )
        assert named.status_code == 206
        assert "1 instances" in named.headers["warning"]
        assert len(parts(named)) == 2
        everything = client.get(url_of(odd, "study"), headers={"Accept": 'multipart/related; type="application/dicom"'})
        assert everything.status_code == 200
        assert sorted(part.transfer_syntax_uid for part in parts(everything))[-1] == "1.2.840.10008.9.9.9"
        alone = client.get(url_of(odd), headers={"Accept": f"application/dicom; transfer-syntax={pydicom.uid.RLELossless}"})
        assert alone.status_code == 406


def test_every_retrieval_is_in_the_trail(region: Region, ct: list[Dataset]) -> None:
    from archipel import audit

    study = make.ct_study(instances=2, size=4)
    region.put(study)
    with region.client() as client:
        client.get(url_of(study[0], "study"))
        for number in range(5):
            client.get(url_of(study[number % 2]) + "/frames/1")
            client.get(url_of(study[number % 2]) + "/metadata")
    with region.database.read() as tx:
        records = [r for r in audit.trace(tx, study[0].StudyInstanceUID) if r.action == "archive.retrieve"]
    assert sorted(str(r.detail["what"]) for r in records) == ["frames", "instances"]
    assert [r.detail["instance_count"] for r in records if r.detail["what"] == "instances"] == [2]


def test_blobs_that_are_gone_are_a_failure_of_ours(region: Region) -> None:
    ds = make.ct_study(instances=1)[0]
    region.put([ds])
    from archipel import archive
    from archipel.kit.scope import Scope

    with region.database.read() as tx:
        ref = archive.locate(tx, Scope.system("test"), sop_instance_uid=ds.SOPInstanceUID)[0]
    region.blobs.delete(ref.blob_key)
    with region.client(Accept=STORED) as client:
        answer = client.get(url_of(ds))
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "blob-missing"


def test_on_each_back_end(region_on: Region) -> None:
    made = make.ct_study(series=1, instances=3, size=32)
    region_on.put([*made, kept("JPEG2000.dcm")])
    with region_on.client() as client:
        found = parts(client.get(url_of(made[0], "study"), headers={"Accept": STORED}))
        assert [dataset_of(part.content) for part in found] == [dataset_of(make.part10(ds)) for ds in made]
        assert parts(client.get(url_of(made[0]) + "/frames/1"))[0].content == made[0].PixelData
        j2k = pydicom.dcmread(kept("JPEG2000.dcm"))
        assert client.get(url_of(j2k) + "/rendered", headers={"Accept": "image/jpeg"}).content[:2] == b"\xff\xd8"
        assert client.get(url_of(j2k) + "/frames/1", headers={"Accept": "image/jp2"}).content[:4] == b"\xff\x4f\xff\x51"
