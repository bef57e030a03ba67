"""C-ECHO and C-STORE: DCMTK, pynetdicom and real objects."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file
from pynetdicom.dsutils import encode

from archipel.dicom import message, part10, pdu
from archipel.dicom.header import read_header
from archipel.kit.errors import ArchipelError
from tests import make
from tests.dimse.peers import BIG, CT, DEFLATED, EXPLICIT, IMPLICIT, MR, Raw, call, ours, send, store, until
from tests.dimse.region import Region
from tests.servers import Dcmtk


def test_echo_of_dcmtk(region: Region, dcmtk: Dcmtk) -> None:
    dcmtk.run("echoscu", "-aet", "MODALITY", "-aec", region.aet, "127.0.0.1", region.port)


def test_storescu_stores_a_study_as_sent(region: Region, dcmtk: Dcmtk, tmp_path: Path) -> None:
    study = make.ct_study(series=2, instances=5, size=64)
    paths = make.files(study, tmp_path)
    dcmtk.run("storescu", "-aet", "MODALITY", "-aec", region.aet, "127.0.0.1", region.port, *paths)
    assert region.stored() == {ds.SOPInstanceUID for ds in study}
    for path in paths:
        assert path.read_bytes().endswith(region.dataset(path.stem))


def test_storescu_that_proposes_its_whole_list_of_classes_is_served(region: Region, dcmtk: Dcmtk, tmp_path: Path) -> None:
    objects = [*make.ct_study(instances=1), *make.mr_study(instances=1), make.cr_image()]
    paths = make.files(objects, tmp_path)
    dcmtk.run("storescu", "-aet", "MODALITY", "-aec", region.aet, "127.0.0.1", region.port, *paths)
    assert region.stored() == {ds.SOPInstanceUID for ds in objects}


def test_pynetdicom_stores(region: Region) -> None:
    study = make.ct_study(instances=3)
    association = call(region, [(CT, [EXPLICIT])])
    statuses = [send(association, ds).Status for ds in study]
    association.release()
    assert statuses == [0, 0, 0]
    assert region.stored() == {ds.SOPInstanceUID for ds in study}


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_the_dataset_is_kept_byte_for_byte_in_the_syntax_it_came_in(region: Region, syntax: str) -> None:
    (ds,) = make.ct_study(instances=1)
    ds.PixelData = bytes(len(ds.PixelData))
    data = encode(ds, syntax == IMPLICIT, syntax != BIG, syntax == DEFLATED) or b""
    with ours(region, [(CT, [syntax])]) as association:
        assert association.store(CT, ds.SOPInstanceUID, syntax, [data]).status == 0
    assert region.dataset(ds.SOPInstanceUID) == data + b"\0" * (len(data) % 2)


def test_an_instance_larger_than_memory_goes_through_a_file_and_leaves_none(make_region: Callable[..., Region]) -> None:
    region = make_region(memory_bytes_each=65_536)
    region.device("MODALITY")
    store(region, make.ct_study(instances=2, size=512))
    assert len(region.stored()) == 2
    assert region.spool_files() == []


def test_an_instance_past_the_limit_is_refused_and_the_association_goes_on(make_region: Callable[..., Region]) -> None:
    region = make_region(object_bytes_max=100_000)
    region.device("MODALITY")
    (large,), (small,) = make.ct_study(instances=1, size=512), make.ct_study(instances=1)
    with ours(region, [(CT, [EXPLICIT])]) as association:
        answer = association.store(CT, large.SOPInstanceUID, EXPLICIT, [encode(large, False, True) or b""])
        assert (answer.status, answer.comment) == (0xA700, "The instance is larger than the archive takes")
        assert association.store(CT, small.SOPInstanceUID, EXPLICIT, [encode(small, False, True) or b""]).status == 0
    assert region.stored() == {small.SOPInstanceUID}
    assert region.spool_files() == []


def test_the_same_again_is_success_and_another_content_is_kept_aside(region: Region) -> None:
    (ds,) = make.ct_study(instances=1)
    association = call(region, [(CT, [EXPLICIT])])
    again = [send(association, ds).Status for _ in range(2)]
    ds.SeriesDescription = "other content"
    other = send(association, ds)
    association.release()
    assert again == [0, 0]
    assert other.Status == 0xB000
    assert "kept aside" in other.ErrorComment


REFUSED = [
    ({"StudyInstanceUID": None}, {}, 0xC002),
    ({"SOPClassUID": MR}, {}, 0xA900),
    ({}, {"sop_instance_uid": "1.2.3.4.5"}, 0xA900),
    ({}, {"sop_instance_uid": "no uid"}, 0x0117),
    ({}, {"sop_instance_uid": "1." * 40 + "1"}, 0x0117),
]


@pytest.mark.parametrize(("change", "command", "status"), REFUSED)
def test_what_cannot_be_stored_is_refused_with_its_reason(
    region: Region, change: dict[str, Any], command: dict[str, str], status: int
) -> None:
    (ds,) = make.ct_study(instances=1)
    uid = command.get("sop_instance_uid", ds.SOPInstanceUID)
    for keyword, value in change.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    with ours(region, [(CT, [EXPLICIT])]) as association:
        answer = association.store(CT, uid, EXPLICIT, [encode(ds, False, True) or b""])
        assert answer.status == status
        assert answer.comment
    assert region.stored() == set()


@pytest.mark.parametrize("data", [b"", b"not a dataset at all", b"\0" * 4000, b"\xff" * 501])
def test_rubbish_is_answered_and_the_association_goes_on(region: Region, data: bytes) -> None:
    (ds,) = make.ct_study(instances=1)
    with ours(region, [(CT, [EXPLICIT])]) as association:
        assert association.store(CT, ds.SOPInstanceUID, EXPLICIT, [data]).status >> 8 in (0xC0, 0xA9)
        assert association.store(CT, ds.SOPInstanceUID, EXPLICIT, [encode(ds, False, True) or b""]).status == 0


def test_a_command_for_another_class_than_its_context_is_a_mismatch(region: Region) -> None:
    with ours(region, [(CT, [EXPLICIT]), (MR, [EXPLICIT])]) as association:
        association.contexts[1], association.contexts[3] = association.contexts[3], association.contexts[1]
        answer = association.store(MR, "1.2.3", EXPLICIT, [b""])
    assert answer.status == 0xA900


def test_a_peer_that_vanishes_within_an_instance_leaves_nothing(make_region: Callable[..., Region]) -> None:
    region = make_region(memory_bytes_each=65_536)
    region.device("MODALITY")
    with Raw(region) as raw:
        assert isinstance(raw.associate([pdu.ProposedContext(1, CT, (EXPLICIT,))]), pdu.AssociateAccept)
        raw.store_command()
        fragments = message.Fragments(1, 65_536)
        for data in fragments.add(bytes(400_000)):
            raw.send(data)
        until(lambda: len(region.spool_files()) == 1)
    until(lambda: region.spool_files() == [] and region.door.associations() == [])
    assert region.spool.used_bytes == 0


def test_four_associations_at_once_store_everything(region: Region) -> None:
    studies = [make.ct_study(instances=10, PatientID=f"P{n}", AccessionNumber=f"A{n}") for n in range(4)]
    failures: list[BaseException] = []

    def run(study: list[Any]) -> None:
        try:
            store(region, study)
        except (AssertionError, ArchipelError) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(study,)) for study in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(region.stored()) == 40


def test_compressed_pixels_are_kept_as_sent(region: Region, dcmtk: Dcmtk, tmp_path: Path) -> None:
    path = Path(str(get_testdata_file("SC_rgb_jpeg_dcmtk.dcm")))
    dcmtk.run("storescu", "-xy", "-aet", "MODALITY", "-aec", region.aet, "127.0.0.1", region.port, path)
    (uid,) = region.stored()
    data = region.dataset(uid)
    assert path.read_bytes().endswith(data)


def test_real_objects_of_many_makers_are_stored_as_sent(region: Region, shared_data: Path) -> None:
    with (shared_data / "dicom" / "index.csv").open() as file:
        names = [row[next(iter(row))] for row in csv.DictReader(file)]
    tried = stored = 0
    for name in names[:: max(1, len(names) // 60)]:
        path = shared_data / "dicom" / name
        try:
            with path.open("rb") as source:
                meta = part10.split(source)
                source.seek(meta.dataset_offset)
                data = source.read()
            if len(data) > 20 << 20:
                continue
            values = read_header(io.BytesIO(data), meta.transfer_syntax_uid).values
        except (ArchipelError, OSError):
            continue
        sop_class, sop_instance = values["00080016"][0], values["00080018"][0]
        tried += 1
        with ours(region, [(sop_class, [meta.transfer_syntax_uid])]) as association:
            answer = association.store(sop_class, sop_instance, meta.transfer_syntax_uid, [data])
        assert answer.status in (0, 0xB000), (name, hex(answer.status), answer.comment)
        if answer.status == 0:
            stored += 1
            assert region.dataset(sop_instance) == data + b"\0" * (len(data) % 2)
    assert stored >= tried * 0.8 > 10
