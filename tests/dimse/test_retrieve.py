"""C-MOVE and C-GET against pynetdicom, DCMTK and destinations that fail."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pynetdicom import AE, evt
from pynetdicom.dsutils import decode

from archipel.dicom import part10, sop_classes
from archipel.dicom.pixels import PixelWorkers
from archipel.kit.errors import Unavailable
from archipel.kit.scratch import Scratch
from tests import make
from tests.dimse.peers import CT, EXPLICIT, IMPLICIT, MR, call, ours, store, until
from tests.dimse.region import Region
from tests.servers import free_port

STUDY_MOVE, STUDY_GET, PATIENT_MOVE = sop_classes.STUDY_MOVE, sop_classes.STUDY_GET, sop_classes.PATIENT_MOVE
J2K = "1.2.840.10008.1.2.4.90"


def identifier(level: str, **keys: Any) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    return ds


class Destination:
    """A storage acceptor of pynetdicom that keeps raw datasets."""

    def __init__(self, contexts: Sequence[tuple[str, Sequence[str]]], statuses: Sequence[int] = (), delay_s: float = 0) -> None:
        self.got: dict[str, bytes] = {}
        self.originators: set[tuple[str, int]] = set()
        self.associations = 0
        self._statuses, self._delay_s = list(statuses), delay_s
        self.hold = threading.Event()
        self.hold.set()
        ae = AE("DEST")
        for uid, syntaxes in contexts:
            ae.add_supported_context(uid, list(syntaxes))
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ESTABLISHED, self._established)]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port: int = self.server.server_address[1]

    def _established(self, _: Any) -> None:
        self.associations += 1

    def _store(self, event: Any) -> int:
        self.hold.wait(10)
        request = event.request
        self.originators.add((request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID))
        status = self._statuses.pop(0) if self._statuses else 0
        if status in (0, 0xB000):
            self.got[request.AffectedSOPInstanceUID] = request.DataSet.getvalue()
        if status < 0:
            event.assoc.abort()
        return max(0, status)


@contextmanager
def destination(region: Region, contexts: Sequence[tuple[str, Sequence[str]]], **options: Any) -> Iterator[Destination]:
    made = Destination(contexts, **options)
    region.device("DEST", made.port)
    try:
        yield made
    finally:
        made.server.shutdown()


def move(
    region: Region, asked: Dataset, *, model: str = STUDY_MOVE, to: str = "DEST", message_id: int = 1
) -> list[tuple[Dataset, Dataset | None]]:
    association = call(region, [(model, [EXPLICIT])])
    answers = list(association.send_c_move(asked, to, model, msg_id=message_id))
    association.release()
    return answers


def counts(status: Dataset) -> tuple[int | None, int, int, int]:
    return (
        status.get("NumberOfRemainingSuboperations"),
        status.NumberOfCompletedSuboperations,
        status.NumberOfFailedSuboperations,
        status.NumberOfWarningSuboperations,
    )


def test_move_sends_a_study_as_stored(region: Region) -> None:
    study = make.ct_study(series=2, instances=4)
    store(region, study)
    with destination(region, [(CT, [EXPLICIT, IMPLICIT])]) as dest:
        answers = move(region, identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID), message_id=77)
    final = answers[-1][0]
    assert (final.Status, counts(final)) == (0, (None, 8, 0, 0))
    assert dest.got == {ds.SOPInstanceUID: region.dataset(ds.SOPInstanceUID) for ds in study}
    assert dest.originators == {("MODALITY", 77)}
    assert dest.associations == 1


def test_move_at_every_level_and_with_lists_of_uids(region: Region) -> None:
    study = make.ct_study(series=2, instances=3, PatientID="PX")
    store(region, study)
    whole, first = {ds.SOPInstanceUID for ds in study}, study[0]
    cases = [
        (PATIENT_MOVE, identifier("PATIENT", PatientID="PX"), whole),
        (STUDY_MOVE, identifier("SERIES", StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID),
         {ds.SOPInstanceUID for ds in study[:3]}),
        (STUDY_MOVE, identifier("IMAGE", StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID,
                                SOPInstanceUID=[study[0].SOPInstanceUID, study[2].SOPInstanceUID]),
         {study[0].SOPInstanceUID, study[2].SOPInstanceUID}),
        (STUDY_MOVE, identifier("STUDY", StudyInstanceUID=[first.StudyInstanceUID, "1.2.3"]), whole),
    ]  # fmt: skip
    for model, asked, expected in cases:
        with destination(region, [(CT, [EXPLICIT])]) as dest:
            assert move(region, asked, model=model)[-1][0].Status == 0
        assert set(dest.got) == expected


def test_nothing_found_is_a_success_of_zero(region: Region) -> None:
    with destination(region, [(CT, [EXPLICIT])]) as dest:
        final = move(region, identifier("STUDY", StudyInstanceUID="1.2.3"))[-1][0]
    assert (final.Status, counts(final)) == (0, (None, 0, 0, 0))
    assert dest.associations == 0


@pytest.mark.parametrize("title", ["NOWHERE", "INACTIVE"])
def test_unknown_destination(region: Region, title: str) -> None:
    region.device("INACTIVE", active=False)
    answers = move(region, identifier("STUDY", StudyInstanceUID="1.2.3"), to=title)
    assert answers[-1][0].Status == 0xA801


@pytest.mark.parametrize(
    "asked",
    [
        identifier("STUDY"),
        identifier("STUDY", StudyInstanceUID="*"),
        identifier("PATIENT", PatientID="P"),
        identifier("IMAGE", PatientID="P"),
    ],
)
def test_an_identifier_without_its_unique_key_is_a_mismatch(region: Region, asked: Dataset) -> None:
    with destination(region, [(CT, [EXPLICIT])]):
        assert move(region, asked)[-1][0].Status == 0xA900


def test_failures_and_warnings_of_the_destination_are_counted_and_listed(region: Region) -> None:
    study = make.ct_study(instances=4)
    store(region, study)
    with destination(region, [(CT, [EXPLICIT])], statuses=[0, 0xA700, 0xB000, 0]) as dest:
        final, failed = move(region, identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID))[-1]
    assert (final.Status, counts(final)) == (0xB000, (None, 2, 1, 1))
    assert failed is not None
    assert {failed.FailedSOPInstanceUIDList} == {ds.SOPInstanceUID for ds in study} - set(dest.got)


def test_all_failed_is_a_failure(region: Region) -> None:
    study = make.ct_study(instances=2)
    store(region, study)
    with destination(region, [(CT, [EXPLICIT])], statuses=[0xA700, 0xC000]):
        final, failed = move(region, identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID))[-1]
    assert (final.Status, counts(final)) == (0xA702, (None, 0, 2, 0))
    assert failed is not None
    assert set(failed.FailedSOPInstanceUIDList) == {ds.SOPInstanceUID for ds in study}


def test_a_class_that_the_destination_does_not_take_fails_alone(region: Region) -> None:
    ct = make.ct_study(instances=2)
    mr = make.mr_study(instances=1, StudyInstanceUID=ct[0].StudyInstanceUID)
    store(region, [*ct, *mr])
    with destination(region, [(CT, [EXPLICIT])]) as dest:
        final, failed = move(region, identifier("STUDY", StudyInstanceUID=ct[0].StudyInstanceUID))[-1]
    assert (final.Status, counts(final)) == (0xB000, (None, 2, 1, 0))
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == mr[0].SOPInstanceUID
    assert "does not take" in final.ErrorComment
    assert set(dest.got) == {ds.SOPInstanceUID for ds in ct}


def test_a_destination_that_is_not_there_fails_all(region: Region) -> None:
    study = make.ct_study(instances=2)
    store(region, study)
    region.device("DEST", free_port())
    final, failed = move(region, identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID))[-1]
    assert (final.Status, counts(final)) == (0xA702, (None, 0, 2, 0))
    assert "cannot be reached" in final.ErrorComment
    assert failed is not None
    assert len(failed.FailedSOPInstanceUIDList) == 2


def test_a_destination_that_breaks_off_is_called_again_for_the_rest(region: Region) -> None:
    study = make.ct_study(instances=4)
    store(region, study)
    with destination(region, [(CT, [EXPLICIT])], statuses=[0, -1, 0, 0]) as dest:
        final, failed = move(region, identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID))[-1]
    assert (final.Status, counts(final)) == (0xB000, (None, 3, 1, 0))
    assert failed is not None
    assert len(dest.got) == 3
    assert dest.associations == 2


def test_a_move_is_cancelled_between_two_instances(region: Region) -> None:
    study = make.ct_study(instances=30)
    store(region, study)
    with destination(region, [(CT, [EXPLICIT])]) as dest:
        association = call(region, [(STUDY_MOVE, [EXPLICIT])])
        dest.hold.clear()
        answers = association.send_c_move(identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID), "DEST", STUDY_MOVE, msg_id=5)
        first = next(answers)
        association.send_c_cancel(5, query_model=STUDY_MOVE)
        until(lambda: dest.associations == 1)
        threading.Timer(0.8, dest.hold.set).start()
        rest = list(answers)
        association.release()
    assert first[0].Status == 0xFF00
    final = rest[-1][0]
    assert final.Status == 0xFE00
    remaining, completed, failed, warned = counts(final)
    assert remaining is not None
    assert remaining > 0
    assert remaining + completed + failed + warned == 30


def test_when_the_asker_leaves_the_sending_stops(region: Region) -> None:
    study = make.ct_study(instances=30)
    store(region, study)
    with destination(region, [(CT, [EXPLICIT])]) as dest:
        dest.hold.clear()
        association = call(region, [(STUDY_MOVE, [EXPLICIT])])
        answers = association.send_c_move(identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID), "DEST", STUDY_MOVE)
        next(answers)
        association.abort()
        until(lambda: region.door.associations() == [])
        dest.hold.set()
        until(lambda: len(dest.server.active_associations) == 0)
        assert len(dest.got) < 30


class Transcoder:
    """Stands for the pixel workers: the dataset file that it is told to give, or the failure."""

    def __init__(self, data: bytes | None) -> None:
        self.data = data
        self.asked: list[tuple[str, str]] = []

    def transcode(self, source: Scratch, from_: str, to: str, out_path: Scratch) -> int:
        assert source.stat().st_size > 0
        self.asked.append((from_, to))
        if self.data is None:
            raise Unavailable("The image cannot be decoded", code="decode")
        with out_path.open("xb") as file:
            return file.write(self.data)


def stored_j2k(region: Region) -> tuple[Dataset, bytes]:
    path = Path(str(get_testdata_file("MR_small_jp2klossless.dcm")))
    ds = dcmread(path)
    with path.open("rb") as file:
        meta = part10.split(file)
        file.seek(meta.dataset_offset)
        data = file.read()
    with ours(region, [(ds.SOPClassUID, [J2K])]) as association:
        assert association.store(ds.SOPClassUID, ds.SOPInstanceUID, J2K, [data]).status == 0
    return ds, data


def test_what_the_destination_takes_as_stored_is_not_transcoded(make_region: Callable[..., Region]) -> None:
    pixels = Transcoder(None)
    region = make_region(pixels=pixels)
    region.device("MODALITY")
    ds, data = stored_j2k(region)
    with destination(region, [(MR, [J2K, EXPLICIT])]) as dest:
        assert move(region, identifier("STUDY", StudyInstanceUID=ds.StudyInstanceUID))[-1][0].Status == 0
    assert dest.got == {ds.SOPInstanceUID: data}
    assert pixels.asked == []


@pytest.mark.parametrize(("takes", "to"), [([EXPLICIT, IMPLICIT], EXPLICIT), ([IMPLICIT], IMPLICIT)])
def test_what_it_does_not_take_goes_through_the_transcoder_and_leaves_no_file(
    make_region: Callable[..., Region], takes: list[str], to: str
) -> None:
    pixels = Transcoder(b"transcoded")
    region = make_region(pixels=pixels)
    region.device("MODALITY")
    ds, _ = stored_j2k(region)
    with destination(region, [(MR, takes)]) as dest:
        assert move(region, identifier("STUDY", StudyInstanceUID=ds.StudyInstanceUID))[-1][0].Status == 0
    assert dest.got == {ds.SOPInstanceUID: b"transcoded"}
    assert pixels.asked == [(J2K, to)]
    assert region.spool_files() == []


def test_a_transcoder_that_fails_costs_that_instance_and_says_why(make_region: Callable[..., Region]) -> None:
    region = make_region(pixels=Transcoder(None))
    region.device("MODALITY")
    ds, _ = stored_j2k(region)
    (other,) = make.mr_study(instances=1, StudyInstanceUID=ds.StudyInstanceUID)
    store(region, [other])
    with destination(region, [(MR, [EXPLICIT])]) as dest:
        final, failed = move(region, identifier("STUDY", StudyInstanceUID=ds.StudyInstanceUID))[-1]
    assert (final.Status, counts(final)) == (0xB000, (None, 1, 1, 0))
    assert final.ErrorComment == "The image cannot be decoded"
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == ds.SOPInstanceUID
    assert set(dest.got) == {other.SOPInstanceUID}


@pytest.fixture
def workers() -> Iterator[PixelWorkers]:
    made = PixelWorkers(processes=1, memory_bytes_max=1 << 30, seconds_max=60)
    yield made
    made.close()


@pytest.mark.parametrize("takes", [EXPLICIT, IMPLICIT])
def test_real_pixels_are_the_same_after_transcoding(make_region: Callable[..., Region], workers: PixelWorkers, takes: str) -> None:
    region = make_region(pixels=workers)
    region.device("MODALITY")
    ds, _ = stored_j2k(region)
    with destination(region, [(MR, [takes])]) as dest:
        assert move(region, identifier("STUDY", StudyInstanceUID=ds.StudyInstanceUID))[-1][0].Status == 0
    got = decode(io.BytesIO(dest.got[ds.SOPInstanceUID]), takes == IMPLICIT, True)
    plain = dcmread(str(get_testdata_file("MR_small.dcm")))  # the same image, never compressed
    assert got.PixelData == plain.PixelData
    assert region.spool_files() == []


# --- C-GET --------------------------------------------------------------------------------------------------------------------------
