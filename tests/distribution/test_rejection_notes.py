"""What is rejected here, or by a peer's note, is told to the devices that take such notes: by DCMTK's storescp as a witness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from archipel import archive, audit, directory, distribution
from archipel.directory import Device, Site
from archipel.kit import feed, jobs
from archipel.kit.actor import Actor
from archipel.kit.scope import Scope
from tests import make
from tests.archive.room import EVERYTHING, SYSTEM, Room
from tests.archive.test_rejection import note
from tests.distribution.peer import StoreScp
from tests.platform import Platform
from tests.servers import fetch, free_port, wait_until

PERSON = Actor("account", "dr.a", role="radiologist", site_id="a")
DEADLINE_H = 2
Start = Callable[..., StoreScp]


def device(room: Room, ae_title: str, port: int, site_id: str = "a", **more: Any) -> None:
    made = Device(ae_title, "127.0.0.1", port, site_id, **{"receives_rejections": True, **more})
    room.database.transact(lambda tx: directory.add_device(tx, SYSTEM, made))


def reject(room: Room, study_uid: str, code: str = "113001", **what: Any) -> archive.Rejection:
    return room.database.transact(lambda tx: archive.reject(tx, PERSON, EVERYTHING, study_uid, code=code, **what))


def follow(room: Room) -> None:
    """Let the archive and distribution catch up."""
    room.follow()
    for follower in distribution.followers(deadline_h=DEADLINE_H):
        while feed.advance(room.database, follower):
            pass


def run_jobs(room: Room) -> int:
    """Run what is due now; how many jobs ran."""
    act = distribution.note_job(room.database, room.blobs, distribution.Caller("ARCHIPEL"))
    runner = jobs.JobRunner(room.database, {"distribution.rejection_note": act})
    count = 0
    while runner.run_one():
        count += 1
    return count


def job_states(room: Room) -> list[str]:
    with room.database.read() as tx:
        return [job["state"] for job in jobs.recent(tx)]


def evidence(ds: Dataset) -> set[str]:
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    return {sop.ReferencedSOPInstanceUID for series in study.ReferencedSeriesSequence for sop in series.ReferencedSOPSequence}


@pytest.mark.parametrize("code", archive.REASONS)
def test_a_peer_receives_a_note_of_what_a_person_rejects(room: Room, store_scp: Start, code: str) -> None:
    peer = store_scp()
    device(room, "PEER", peer.port)
    study = make.ct_study(series=2, instances=2, IssuerOfPatientID="HOSP-X")
    room.send(*study)
    made = reject(room, study[0].StudyInstanceUID, code, series_uid=study[0].SeriesInstanceUID)
    follow(room)
    assert run_jobs(room) == 1
    (got,) = peer.got()
    (title,) = got.ConceptNameCodeSequence
    assert (title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning) == (code, "DCM", archive.REASONS[code])
    assert got.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.59"
    assert got.SOPInstanceUID == made.note_uid
    assert evidence(got) == {ds.SOPInstanceUID for ds in study[:2]}
    for keyword in ("StudyInstanceUID", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDate"):
        assert got[keyword].value == study[0][keyword].value
    with room.database.read() as tx:
        (sent,) = [r for r in audit.trace(tx, study[0].StudyInstanceUID) if r.action == "distribution.send_note"]
    assert sent.detail["destination"] == "PEER"
    follow(room)
    assert run_jobs(room) == 0


def test_who_is_told(room: Room, store_scp: Start) -> None:
    room.database.transact(lambda tx: directory.add_site(tx, SYSTEM, Site("closed", "Closed")))
    room.database.transact(lambda tx: directory.change_site(tx, SYSTEM, "closed", active=False))
    takers = {"OWN": store_scp(), "REGION": store_scp()}
    device(room, "OWN", takers["OWN"].port)
    device(room, "REGION", takers["REGION"].port, "b", receives_from_other_sites=True)
    others = {"QUIET": {"receives_rejections": False}, "OFF": {"active": False}, "OTHER": {"site_id": "b"}}
    others["CLOSED"] = {"site_id": "closed", "receives_from_other_sites": True}
    for ae_title, options in others.items():
        device(room, ae_title, free_port(), **options)
    study = make.ct_study(instances=1)
    room.send(*study)
    reject(room, study[0].StudyInstanceUID)
    follow(room)
    assert run_jobs(room) == len(takers)
    assert all(len(peer.got()) == 1 for peer in takers.values())
    assert set(job_states(room)) == {"done"}


def test_what_is_synthetic_and_what_is_real_never_cross(room: Room) -> None:
    room.database.transact(lambda tx: directory.add_site(tx, SYSTEM, Site("training", "Training")))
    room.database.transact(lambda tx: directory.set_demo(tx, ["training"]))
    device(room, "REGION", free_port(), "a", receives_from_other_sites=True)
    device(room, "TRAINING", free_port(), "training", receives_from_other_sites=True)
    real, synthetic = make.ct_study(instances=1), make.ct_study(instances=1)
    room.send(*real, site_id="b")
    room.send(*synthetic, site_id="training")
    for study in (real, synthetic):
        reject(room, study[0].StudyInstanceUID)
    follow(room)
    with room.database.read() as tx:
        told = {(r.study_uid, name) for name in ("REGION", "TRAINING") for r in pairs(tx, name)}
    assert told == {(real[0].StudyInstanceUID, "REGION"), (synthetic[0].StudyInstanceUID, "TRAINING")}


def pairs(tx: Any, ae_title: str) -> list[Any]:
    from archipel.distribution import rows

    return list(tx.execute(rows.note.select().where(rows.note.c.ae_title == ae_title)))


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_a_peers_note_goes_on_as_it_came_and_never_back(room: Room, store_scp: Start, syntax: str) -> None:
    sender, other = store_scp(), store_scp("+xi") if syntax == "implicit" else store_scp()
    device(room, "SENDER", sender.port)
    device(room, "OTHER", other.port)
    study = make.ct_study(instances=3)
    room.send(*study)
    sent = note(room, study[:2], code="113037")
    room.send(sent, ae_title="SENDER")
    follow(room)
    assert run_jobs(room) == 1
    (got,) = other.got()
    assert got == sent
    assert got.file_meta.TransferSyntaxUID == ("1.2.840.10008.1.2" if syntax == "implicit" else "1.2.840.10008.1.2.1")
    assert sender.got() == []
    room.send(sent, ae_title="OTHER")  # and what comes back is no news
    follow(room)
    assert run_jobs(room) == 0


def test_a_note_of_ours_that_comes_back_after_the_rejection_was_undone_hides_nothing(room: Room, store_scp: Start) -> None:
    peer = store_scp()
    device(room, "PEER", peer.port)
    study = make.ct_study(instances=2)
    room.send(*study)
    uid = study[0].StudyInstanceUID
    reject(room, uid)
    follow(room)
    run_jobs(room)
    room.database.transact(lambda tx: archive.revoke_rejections(tx, PERSON, EVERYTHING, uid))
    (got,) = peer.got()
    room.send(got, ae_title="PEER")
    follow(room)
    assert {ref.sop_instance_uid for ref in room.refs(study_uid=uid)} == {ds.SOPInstanceUID for ds in (*study, got)}


def test_a_peer_that_is_down_is_tried_again_and_the_note_arrives(room: Room, store_scp: Start) -> None:
    port = free_port()
    device(room, "PEER", port)
    study = make.ct_study(instances=1)
    room.send(*study)
    reject(room, study[0].StudyInstanceUID)
    follow(room)
    assert run_jobs(room) == 1
    assert job_states(room) == ["waiting"]
    assert run_jobs(room) == 0  # not at once
    peer = store_scp(port=port)
    room.clock.advance(60)  # type: ignore[attr-defined]
    assert run_jobs(room) == 1
    assert job_states(room) == ["done"]
    assert len(peer.got()) == 1


def of_device(**changes: Any) -> Callable[[Any], Any]:
    return lambda tx: directory.change_device(tx, SYSTEM, "PEER", **changes)


def of_site(**changes: Any) -> Callable[[Any], Any]:
    return lambda tx: directory.change_site(tx, SYSTEM, "a", **changes)


@pytest.mark.parametrize(
    ("pause", "resume"),
    [
        (of_device(active=False), of_device(active=True)),
        (of_site(active=False), of_site(active=True)),
        (of_device(receives_rejections=False), of_device(receives_rejections=True)),
        (of_device(site_id="b"), of_device(site_id="a")),
    ],
    ids=["device-off", "site-closed", "takes-no-notes", "moved"],
)
def test_a_peer_that_is_paused_is_told_when_it_is_back(
    room: Room, store_scp: Start, pause: Callable[[Any], Any], resume: Callable[[Any], Any]
) -> None:
    peer = store_scp()
    device(room, "PEER", peer.port)
    study = make.ct_study(instances=1)
    room.send(*study)
    made = reject(room, study[0].StudyInstanceUID)
    follow(room)
    room.database.transact(pause)
    assert run_jobs(room) == 1
    assert (job_states(room), peer.got()) == (["waiting"], [])
    room.database.transact(resume)
    room.clock.advance(60)  # type: ignore[attr-defined]
    assert run_jobs(room) == 1
    assert job_states(room) == ["done"]
    assert [got.SOPInstanceUID for got in peer.got()] == [made.note_uid]


def test_a_peer_that_stays_paused_ends_as_failed_and_one_that_is_removed_in_peace(room: Room, store_scp: Start) -> None:
    peer = store_scp()
    for ae_title in ("PAUSED", "REMOVED"):
        device(room, ae_title, peer.port)
    study = make.ct_study(instances=1)
    room.send(*study)
    reject(room, study[0].StudyInstanceUID)
    follow(room)
    room.database.transact(lambda tx: directory.change_device(tx, SYSTEM, "PAUSED", active=False))
    room.database.transact(lambda tx: directory.remove_device(tx, SYSTEM, "REMOVED"))
    for _ in range(4 * DEADLINE_H):
        run_jobs(room)
        room.clock.advance(31 * 60)  # type: ignore[attr-defined]
    with room.database.read() as tx:
        assert sorted((job["state"], "PAUSED" in job["error"]) for job in jobs.recent(tx)) == [("done", False), ("failed", True)]
    assert peer.got() == []


def test_a_peer_that_stays_down_ends_as_failed_with_its_reason(room: Room) -> None:
    device(room, "PEER", free_port())
    study = make.ct_study(instances=1)
    room.send(*study)
    reject(room, study[0].StudyInstanceUID)
    follow(room)
    tries = 0
    for _ in range(4 * DEADLINE_H):
        tries += run_jobs(room)
        room.clock.advance(31 * 60)  # type: ignore[attr-defined]
    assert 3 < tries < 20
    with room.database.read() as tx:
        (job,) = jobs.recent(tx)
    assert job["state"] == "failed"
    assert "PEER" in job["error"]


def test_a_peer_that_takes_no_key_objects_or_refuses_them_is_a_failure(room: Room, tmp_path: Path) -> None:
    from tests.dimse.test_retrieve import Destination

    ct = "1.2.840.10008.5.1.4.1.1.2"
    no_class = Destination([(ct, ["1.2.840.10008.1.2"])])
    refuses = Destination([(archive.KEY_OBJECT_SELECTION, ["1.2.840.10008.1.2"])], statuses=[0xA700])
    try:
        device(room, "DEST", no_class.port)
        device(room, "DEST2", refuses.port)
        study = make.ct_study(instances=1)
        room.send(*study)
        reject(room, study[0].StudyInstanceUID)
        follow(room)
        run_jobs(room)
        with room.database.read() as tx:
            errors = " ".join(job["error"] for job in jobs.recent(tx))
        assert "does not take objects of the class 1.2.840.10008.5.1.4.1.1.88.59" in errors
        assert "refused with A700" in errors
    finally:
        no_class.server.shutdown()
        refuses.server.shutdown()


def test_what_is_taken_back_before_it_was_told_is_not_told(room: Room, store_scp: Start) -> None:
    peer = store_scp()
    device(room, "PEER", peer.port)
    study = make.ct_study(instances=1)
    room.send(*study)
    reject(room, study[0].StudyInstanceUID)
    follow(room)
    room.database.transact(lambda tx: archive.revoke_rejections(tx, PERSON, Scope.system("test"), study[0].StudyInstanceUID))
    assert run_jobs(room) == 1
    assert (job_states(room), peer.got()) == (["done"], [])


def test_a_device_that_asks_for_tls_is_not_told_in_clear(room: Room, store_scp: Start) -> None:
    peer = store_scp()
    device(room, "PEER", peer.port, tls=True)
    study = make.ct_study(instances=1)
    room.send(*study)
    reject(room, study[0].StudyInstanceUID)
    follow(room)
    run_jobs(room)
    assert (job_states(room), peer.got()) == (["waiting"], [])


def test_the_running_platform_sends_notes(platform_on: Platform, store_scp: Start, tmp_path: Path) -> None:
    """From the command line to the peer: a device with the flag, an exam by STOW-RS, a rejection by the API."""
    peer = store_scp()
    platform_on.command("device", "add", "PEER", "127.0.0.1", str(peer.port), "--receives-rejections")
    platform_on.start()
    token = platform_on.token()
    (ds,) = make.ct_study(instances=1)
    path = tmp_path / "one.dcm"
    path.write_bytes(make.part10(ds))
    platform_on.command("import", str(path))
    address = f"{platform_on.url}/api/v1/exams/{ds.StudyInstanceUID}/rejection"
    fetch(address, data={"code": "113037"}, method="POST", headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    (got,) = wait_until(peer.got)
    assert got.ConceptNameCodeSequence[0].CodeValue == "113037"
    assert evidence(got) == {ds.SOPInstanceUID}
