"""Storage commitment: results on the same association, on a new one, and what they say."""

from __future__ import annotations

import queue
import time
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from archipel import archive, dimse
from archipel.kit.errors import Unavailable
from archipel.kit.jobs import JobRunner, recent
from archipel.kit.scope import Scope
from archipel.kit.settings import DicomSettings
from tests import make
from tests.dimse.peers import CT, EXPLICIT, IMPLICIT, MR, call, store, until
from tests.dimse.region import Region

COMMITMENT, INSTANCE = str(StorageCommitmentPushModel), str(StorageCommitmentPushModelInstance)


def request(references: list[tuple[str, str]], transaction_uid: str = "1.2.826.99.1") -> Dataset:
    ds = Dataset()
    if transaction_uid:
        ds.TransactionUID = transaction_uid
    ds.ReferencedSOPSequence = []
    for class_uid, instance_uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, instance_uid
        ds.ReferencedSOPSequence.append(item)
    return ds


def pairs(result: Dataset, keyword: str = "ReferencedSOPSequence") -> list[tuple[str, str]]:
    return [(item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in result.get(keyword, [])]


def commit_here(region: Region, asked: Dataset, *, ae_title: str = "MODALITY") -> tuple[int, int, Dataset]:
    """Ask and stay: status of the action, event type and result on the same association."""
    events: queue.Queue[tuple[int, Dataset]] = queue.Queue()

    def on_event(event: Any) -> tuple[int, None]:
        events.put((event.request.EventTypeID, event.event_information))
        return 0, None

    association = call(region, [(COMMITMENT, [EXPLICIT])], ae_title=ae_title, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_event)])
    status, _ = association.send_n_action(asked, 1, COMMITMENT, INSTANCE)
    event_type, result = events.get(timeout=10)
    association.release()
    return status.Status, event_type, result


def test_the_result_is_promised_before_the_request_is_answered(region: Region) -> None:
    (ds,) = make.ct_study(instances=1)
    store(region, [ds])
    promised: list[list[str]] = []

    def states() -> list[str]:
        with region.database.read() as tx:
            return [job["state"] for job in recent(tx)]

    def on_event(event: Any) -> tuple[int, None]:
        promised.append(states())
        return 0, None

    association = call(region, [(COMMITMENT, [EXPLICIT])], evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_event)])
    status, _ = association.send_n_action(request([(str(ds.SOPClassUID), str(ds.SOPInstanceUID))]), 1, COMMITMENT, INSTANCE)
    assert status.Status == 0 and states() == ["waiting"]
    until(lambda: states() == ["done"])  # it arrived here, so the job will not report it again
    assert promised == [["waiting"]]
    association.release()


def test_result_on_the_same_association(region: Region) -> None:
    study = make.ct_study(instances=3)
    store(region, study)
    references = [(str(ds.SOPClassUID), str(ds.SOPInstanceUID)) for ds in study]
    status, event_type, result = commit_here(region, request(references))
    assert (status, event_type, result.TransactionUID) == (0, 1, "1.2.826.99.1")
    assert pairs(result) == references
    assert result.RetrieveAETitle == region.aet
    assert "FailedSOPSequence" not in result
    until(lambda: jobs(region) == [])


def test_failures_are_listed_with_their_reasons(region: Region) -> None:
    study = make.ct_study(instances=2)
    store(region, study)
    good, other = study
    asked = request([(CT, good.SOPInstanceUID), (MR, other.SOPInstanceUID), (CT, "1.2.3.4")])
    status, event_type, result = commit_here(region, asked)
    assert (status, event_type) == (0, 2)
    assert pairs(result) == [(CT, good.SOPInstanceUID)]
    assert [
        (*pair, item.FailureReason) for pair, item in zip(pairs(result, "FailedSOPSequence"), result.FailedSOPSequence, strict=True)
    ] == [
        (MR, other.SOPInstanceUID, 0x0119),
        (CT, "1.2.3.4", 0x0112),
    ]


def test_what_is_indexed_without_its_bytes_is_not_committed(region: Region) -> None:
    (ds,) = make.ct_study(instances=1)
    store(region, [ds])
    with region.database.read() as tx:
        (ref,) = archive.locate(tx, Scope.system("tests"), sop_instance_uid=ds.SOPInstanceUID)
    region.blobs.delete(ref.blob_key)
    _, event_type, result = commit_here(region, request([(CT, ds.SOPInstanceUID)]))
    assert event_type == 2
    assert result.FailedSOPSequence[0].FailureReason == 0x0110


def test_what_a_device_added_to_another_site_s_study_is_committed_to_it(region: Region) -> None:
    region.site("north")
    region.device("NORTH_CT", site_id="north")
    first, second = make.ct_study(instances=2)
    store(region, [first])
    store(region, [second], ae_title="NORTH_CT")
    _, event_type, result = commit_here(region, request([(CT, first.SOPInstanceUID), (CT, second.SOPInstanceUID)]), ae_title="NORTH_CT")
    assert event_type == 2
    assert pairs(result) == [(CT, second.SOPInstanceUID)]


@pytest.mark.parametrize(
    ("asked", "action", "instance", "status"),
    [
        (request([("1.2", "1.3")]), 2, INSTANCE, 0x0123),
        (request([("1.2", "1.3")]), 1, "1.2.3", 0x0112),
        (request([]), 1, INSTANCE, 0x0115),
        (request([("1.2", "1.3")], ""), 1, INSTANCE, 0x0115),
    ],
)
def test_requests_that_make_no_sense(region: Region, asked: Dataset, action: int, instance: str, status: int) -> None:
    association = call(region, [(COMMITMENT, [EXPLICIT])])
    answer, _ = association.send_n_action(asked, action, COMMITMENT, instance)
    association.release()
    assert answer.Status == status


def jobs(region: Region) -> list[str]:
    """The names of jobs that are still to run."""
    with region.database.read() as tx:
        return [job["name"] for job in recent(tx) if job["state"] != "done"]


def runner(region: Region) -> JobRunner:
    act = dimse.commitment_job(region.database, DicomSettings(artim_s=5, stall_s=5))
    return JobRunner(region.database, {"dimse.commitment_result": act})


def test_result_on_a_new_association_when_the_asker_has_left(region: Region) -> None:
    events: list[tuple[str, int, Dataset]] = []

    def on_event(event: Any) -> tuple[int, None]:
        events.append((event.assoc.requestor.ae_title, event.request.EventTypeID, event.event_information))
        return 0, None

    ae = AE("MODALITY")
    ae.add_supported_context(COMMITMENT, [IMPLICIT], scu_role=True, scp_role=True)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_event)])
    try:
        region.device("MODALITY", server.server_address[1])
        (ds,) = make.ct_study(instances=1)
        store(region, [ds])
        association = call(region, [(COMMITMENT, [EXPLICIT])])
        status, _ = association.send_n_action(request([(CT, ds.SOPInstanceUID), (CT, "1.9")]), 1, COMMITMENT, INSTANCE)
        association.release()
        until(lambda: jobs(region) == ["dimse.commitment_result"])
        assert runner(region).run_one()
    finally:
        server.shutdown()
    assert status.Status == 0
    ((caller, event_type, result),) = events
    assert (caller, event_type, result.TransactionUID) == (region.aet, 2, "1.2.826.99.1")
    assert pairs(result) == [(CT, ds.SOPInstanceUID)]
    assert pairs(result, "FailedSOPSequence") == [(CT, "1.9")]


def test_a_device_that_does_not_answer_leaves_the_job_for_another_try(region: Region) -> None:
    result = {"ae_title": "MODALITY", "transaction_uid": "1.2", "committed": [("1.2", "1.3")], "failed": []}
    act = dimse.commitment_job(region.database, DicomSettings(artim_s=1, stall_s=1))
    started = time.monotonic()
    with pytest.raises(Unavailable):
        act(**result)
    assert time.monotonic() - started < 15
