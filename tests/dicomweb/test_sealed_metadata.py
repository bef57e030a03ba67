"""Metadata of sealed series come from what sealing has kept, and say what they say of open ones."""

from __future__ import annotations

import contextlib
import gzip
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydicom.dataset import Dataset

from archipel import archive
from archipel.archive import headers, rows_sealed, sealed_object
from archipel.archive.seal import seal_series
from archipel.kit.cipher import Cipher
from archipel.kit.encrypted import EncryptedBlobs
from archipel.kit.errors import Invalid
from archipel.kit.scope import Scope
from tests import make
from tests.archive.room import SYSTEM
from tests.dicom.samples import all_files
from tests.dicomweb.region import Region
from tests.dicomweb.test_retrieve import url_of

JSON = "application/dicom+json"


def study_of(*, series: int = 2, instances: int = 3) -> list[Dataset]:
    """A study with bulk data in sequences, private binary, names beyond ASCII, and a value that looks like a mark of ours."""
    made = make.ct_study(series=series, instances=instances, size=8, PatientName="TESTÉ^ÄÖ")
    for ds in made:
        item = Dataset()
        item.EncapsulatedDocument = bytes(range(256)) * 20
        ds.ReferencedImageSequence = [item]
        ds.private_block(0x0009, "ARCHIPEL TESTS", create=True).add_new(1, "OB", b"\1\2\3\4" * 1000)
        ds.StudyDescription = '"BulkDataURI":"/studies/'
    return made


def refs_of(region: Region, ds: Dataset) -> list[archive.InstanceRef]:
    with region.database.read() as tx:
        return archive.locate(tx, Scope.system("tests"), study_uid=str(ds.StudyInstanceUID))


def kept(region: Region, ds: Dataset) -> headers.KeptHeaders | None:
    """What is kept of the series of an instance."""
    return archive.headers_of(region.blobs, [ref for ref in refs_of(region, ds) if ref.series_uid == ds.SeriesInstanceUID])


def got(region: Region, url: str, **more: str) -> tuple[httpx.Response, bytes]:
    """The answer, and its body as it was sent."""
    with region.client(Accept=JSON, **more) as client, client.stream("GET", url + "/metadata") as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize("root", ["", "https://pacs.example/dicom-web"])
def test_open_and_sealed_say_the_same_by_every_name(region: Region, root: str) -> None:
    made = study_of()
    region.put(made)
    urls = [url_of(made[0], level) for level in ("study", "series", "instance")]
    names: list[dict[str, str]] = [{}, {"Host": "archive.example:8443"}, {"Host": 'a"b.example'}]
    asked = [(url, name | {"Accept-Encoding": coding}) for url in urls for name in names for coding in ("gzip", "identity")]
    before = [got(region, url, **more) for url, more in asked]
    region.seal(root)
    assert kept(region, made[0]) is not None
    region.forget()
    for (url, more), (old, body) in zip(asked, before, strict=True):
        new, now = got(region, url, **more)
        plain, expected = (gzip.decompress(one) if more["Accept-Encoding"] == "gzip" else one for one in (now, body))
        assert plain == expected, f"{url} {more}"
        assert json.loads(plain)[0]["7FE00010"]["BulkDataURI"].endswith("/bulkdata/7FE00010")
        assert new.headers["etag"] == old.headers["etag"]
        assert new.headers.get("content-encoding") == old.headers.get("content-encoding")
        assert got(region, url, **more, **{"If-None-Match": old.headers["etag"]})[0].status_code == 304


def test_what_was_deflated_at_sealing_is_sent_as_it_is(region: Region) -> None:
    made = study_of()
    region.put(made)
    region.seal(region.url)
    for ds in (made[0], made[-1]):
        found = kept(region, ds)
        assert found is not None
        assert found.piece(region.url) is found.kept
        for level in ("series", "study"):
            answer, body = got(region, url_of(ds, level), **{"Accept-Encoding": "gzip"})
            assert answer.status_code == 200
            assert found.kept.blocks in body


def test_who_may_not_see_all_sees_the_rest(region: Region) -> None:
    """Rejected, late, and one series open beside a sealed one."""
    made = study_of(instances=4)
    region.put(made)
    region.seal()
    url = url_of(made[0], "study")
    with region.database.write() as tx:
        uid = str(made[1].SOPInstanceUID)
        archive.reject(tx, SYSTEM, Scope.system("tests"), str(made[0].StudyInstanceUID), code="113001", sop_instance_uids=[uid])
    shown = [str(ds.SOPInstanceUID) for ds in made if ds is not made[1]]
    for again in (True, False):  # opened by the rejection, and sealed again
        rows = json.loads(got(region, url, **{"Accept-Encoding": "identity"})[1])
        assert [row["00080018"]["Value"][0] for row in rows] == shown
        assert got(region, url_of(made[1]))[0].status_code == 404
        if again:
            region.seal()
        region.forget()
    assert kept(region, made[0]) is None
    assert kept(region, made[-1]) is not None
    late = study_of(series=1, instances=1)[0]
    late.StudyInstanceUID, late.SeriesInstanceUID, late.InstanceNumber = made[0].StudyInstanceUID, made[0].SeriesInstanceUID, 99
    late.PatientID, late.PatientName = made[0].PatientID, made[0].PatientName
    region.put([late])
    rows = json.loads(got(region, url_of(late, "series"), **{"Accept-Encoding": "identity"})[1])
    assert len(rows) == 4
    assert rows[-1]["00080018"]["Value"][0] == late.SOPInstanceUID


def altered(region: Region, ds: Dataset, change: Any) -> None:
    """The object of a series with other bytes."""
    key = next(ref.blob_key for ref in refs_of(region, ds) if ref.series_uid == ds.SeriesInstanceUID)
    data = bytearray(region.blobs.read(key, 0, region.blobs.size(key)))
    data = change(data)
    region.blobs.delete(key)
    region.blobs.put(key, [bytes(data)])
    region.forget()


def without(data: bytearray) -> bytearray:
    """The object as versions wrote it that kept no headers."""
    end = len(data) - sealed_object.TAIL.size
    magic, form, length, offset, size, digest = sealed_object.TAIL.unpack(data[end:])
    assert length
    return data[: offset - length] + data[offset:end] + sealed_object.TAIL.pack(magic, form, 0, offset - length, size, digest)


def flipped(data: bytearray) -> bytearray:
    end = len(data) - sealed_object.TAIL.size
    _, _, length, offset, _, _ = sealed_object.TAIL.unpack(data[end:])
    data[offset - length // 2] ^= 1
    return data


def of_a_later_form(data: bytearray) -> bytearray:
    at = data.index(headers.MAGIC) + len(headers.MAGIC)
    data[at : at + 2] = (headers.FORM + 1).to_bytes(2, "big")
    return data


def endless(data: bytearray) -> bytearray:
    end = len(data) - sealed_object.TAIL.size
    data[end + 20 : end + 24] = b"\xff\xff\xff\xff"
    return data


@pytest.mark.parametrize("change", [without, flipped, of_a_later_form, endless])
def test_an_object_without_headers_that_can_be_used_is_read_itself(region: Region, change: Any) -> None:
    made = study_of(series=1)
    region.put(made)
    region.seal()
    url = url_of(made[0], "series")
    expected = got(region, url, **{"Accept-Encoding": "identity"})[1]
    altered(region, made[0], change)
    assert kept(region, made[0]) is None
    assert got(region, url, **{"Accept-Encoding": "identity"})[1] == expected
    key = refs_of(region, made[0])[0].blob_key
    assert len(sealed_object.read_manifest(region.blobs, key)["instances"]) == 3


def test_headers_are_of_exactly_these_instances(region: Region) -> None:
    made = study_of(series=1)
    region.put(made)
    region.seal()
    refs = refs_of(region, made[0])
    assert archive.headers_of(region.blobs, refs) is not None
    others = [refs[:2], refs[::-1], [*refs[:2], replace(refs[2], digest="0" * 64)], [*refs[:2], replace(refs[2], blob_key="sealed/00/x")]]
    assert [archive.headers_of(region.blobs, some) for some in others] == [None] * 4


def test_the_index_holds_none_of_it(region: Region) -> None:
    made = study_of(series=1)
    region.put(made)
    region.seal()
    with region.database.read() as tx:
        (one,) = rows_sealed.of_study(tx, str(made[0].StudyInstanceUID))
    assert "BulkDataURI" not in one.text.replace(made[0].StudyDescription, "")


def test_real_series_of_many_makers_say_the_same(region: Region) -> None:
    some = sorted(all_files(), key=lambda path: (path.stat().st_size, path))[:500]
    for path in some:
        with contextlib.suppress(Invalid):  # is no DICOM
            region.put([path])
    with region.database.read() as tx:
        exams, _, _ = archive.exams(tx, Scope.system("tests"), archive.Query(archive.Level.STUDY, limit=1000))
    assert len(exams) > 40
    before = {exam.study_uid: got(region, f"/studies/{exam.study_uid}", **{"Accept-Encoding": "identity"}) for exam in exams}
    region.seal()
    region.forget()
    from_object = 0
    for study_uid, (old, body) in before.items():
        new, now = got(region, f"/studies/{study_uid}", **{"Accept-Encoding": "identity"})
        assert (new.status_code, new.headers.get("etag")) == (old.status_code, old.headers.get("etag"))
        assert now == body, study_uid
        with region.database.read() as tx:
            refs = archive.locate(tx, Scope.system("tests"), study_uid=study_uid)
        for series_uid in {ref.series_uid for ref in refs}:
            from_object += archive.headers_of(region.blobs, [ref for ref in refs if ref.series_uid == series_uid]) is not None
    assert from_object > 40


def test_on_each_back_end_and_under_a_cipher(region_on: Region) -> None:
    made = study_of(series=1)
    region_on.put(made)
    expected = json.loads(got(region_on, url_of(made[0], "series"), **{"Accept-Encoding": "identity"})[1])
    blobs = EncryptedBlobs(region_on.blobs, Cipher({"k1": bytes(range(32))}))
    assert seal_series(region_on.database, blobs, str(made[0].StudyInstanceUID), str(made[0].SeriesInstanceUID), root=region_on.url)
    found = archive.headers_of(blobs, refs_of(region_on, made[0]))
    assert found is not None
    assert json.loads(b"[" + found.kept.inflated() + b"]") == expected
    ((key, size),) = region_on.blobs.list("sealed")
    assert headers.MAGIC not in region_on.blobs.read(key, 0, size)
