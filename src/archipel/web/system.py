"""The system page: doors, associations, feed, jobs, disk, counts; parked changes; the training region's reset."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from archipel import __version__, archive, audit, directory, sharing
from archipel.kit import feed, jobs, processes
from archipel.kit.database import Tx
from archipel.kit.errors import NotFound
from archipel.kit.processes import Process
from archipel.web.errors import DoorRoute
from archipel.web.gathered import Counts
from archipel.web.parts import Call, Parts, needs
from archipel.web.words import Listed, whole

router = APIRouter(route_class=DoorRoute, tags=["system"])
SystemReader = Annotated[Call, needs("system.read")]
SystemOperator = Annotated[Call, needs("system.operate")]
ParkedId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Door(BaseModel):
    """Where the platform listens."""

    name: str
    address: str
    listening: bool


class AssociationAnswer(BaseModel):
    """An open DICOM association."""

    id: str
    calling_aet: str
    address: str
    since: datetime
    received_count: int
    sent_count: int
    bytes: int


class FollowerAnswer(BaseModel):
    """How far a follower is: ``lag`` counts changes that it has not read."""

    name: str
    position: int
    lag: int
    parked: int


class FeedAnswer(BaseModel):
    """The feed of changes."""

    position: int
    followers: list[FollowerAnswer]


class JobCounts(BaseModel):
    """Jobs by state."""

    waiting: int
    running: int
    failed: int


class Disk(BaseModel):
    """Room on the data folder's disk and what takes it; figures that take long to gather may be minutes old, -1 before the first."""

    data_total_bytes: int
    data_free_bytes: int
    blobs_bytes: int
    database_bytes: int


class ProcessAnswer(BaseModel):
    """A process of the platform: what it does, and what it holds."""

    id: str
    host: str
    pid: int
    does: list[str]
    started_at: datetime
    seen_at: datetime
    draining: bool
    associations: int
    waiting: int = Field(description="Instances that it has taken and not answered yet.")
    resident_bytes: int
    spool_bytes: int
    disk_free_bytes: int


class MinuteAnswer(BaseModel):
    """What all processes did in one minute: sums, and the highest of what waited."""

    at: datetime
    received: int
    received_bytes: int
    refused: int
    errors: int
    waiting: int
    lag: int
    jobs_waiting: int
    seal_lag_s: int


class SealingAnswer(BaseModel):
    """How far settled series have become one object each; ``lag_s`` is how long the oldest study has been waiting for it."""

    active: bool
    sealed_series: int
    open_series: int = Field(description="Series that still have rows for each instance; a minute old, -1 before the first count.")
    waiting_studies: int
    lag_s: int
    objects_let_go: int = Field(description="Objects whose contents were sealed elsewhere, and that go after a time.")


class CopiesAnswer(BaseModel):
    """Sealed objects that are to be copied to the object store, where a folder stands before it."""

    waiting: int
    oldest_s: int


class VolumeAnswer(BaseModel):
    """Bytes of all instances as received, and of all objects as stored, those that were let go included; -1 before the first count."""

    received_bytes: int
    stored_bytes: int


class VerificationAnswer(BaseModel):
    """How far the reading of everything stored is, or how the last one ended; ``damaged`` is what is damaged now."""

    started_at: datetime | None
    ended_at: datetime | None
    instance_count: int
    size_bytes: int
    damaged: int


class SystemAnswer(BaseModel):
    """The state of the platform."""

    version: str
    started_at: datetime
    database: str
    blobs: str
    doors: list[Door]
    associations: list[AssociationAnswer]
    feed: FeedAnswer
    jobs: JobCounts
    disk: Disk
    counts: Counts
    processes: list[ProcessAnswer]
    last_hour: list[MinuteAnswer]
    verification: VerificationAnswer
    sealing: SealingAnswer
    copies: CopiesAnswer | None = Field(description="Nothing where objects arrive in their store.")
    volume: VolumeAnswer


class ParkedAnswer(BaseModel):
    """A change that a follower could not take; it is tried again by itself, too."""

    id: str
    follower: str
    position: int
    kind: str
    error: str
    attempts: int
    parked_at: datetime
    retry_at: datetime


class RetryAnswer(BaseModel):
    """Whether the change was taken this time."""

    succeeded: bool


class JobAnswer(BaseModel):
    """A job that is waiting, running, done or failed."""

    id: str
    name: str
    state: str
    attempts: int
    attempts_max: int
    run_at: datetime
    created_at: datetime
    ended_at: datetime | None
    error: str


class Reset(BaseModel):
    """The reset has begun."""

    started: bool = True


@router.get("/system", summary="The state of the platform")
def read_system(call: SystemReader) -> SystemAnswer:
    """Doors, associations, feed, jobs, disk and counts."""
    parts = call.parts
    with call.database.read() as tx:
        position, states, job_counts = feed.position(tx), feed.status(tx, parts.followers), jobs.counts(tx)
        running, minutes = processes.running(tx), processes.last_hour(tx)
        associations, verified = _associations(tx, call, running), archive.scrubbed(tx)
        figures = {name: int(value) for name, (_, value) in archive.figures(tx).items()}
    disk, stored_bytes = shutil.disk_usage(parts.settings.data), parts.gathered["blobs"].value()
    volume = parts.gathered["volume"].value()
    return SystemAnswer(
        version=__version__,
        started_at=parts.started_at,
        database=call.database.dialect,
        blobs=parts.settings.objects.split("://")[0].split("+")[0],
        doors=_doors(parts, running),
        associations=associations,
        feed=FeedAnswer(position=position, followers=[FollowerAnswer(**state) for state in states]),
        jobs=JobCounts(**{name: job_counts[name] for name in ("waiting", "running", "failed")}),
        disk=Disk(
            data_total_bytes=disk.total, data_free_bytes=disk.free, blobs_bytes=stored_bytes,
            database_bytes=call.database.size_bytes(),
        ),
        counts=parts.gathered["counts"].value(),
        processes=[_process(one, call) for one in running],
        last_hour=[MinuteAnswer(**minute) for minute in minutes],
        verification=VerificationAnswer(
            started_at=verified["started_at"] or None, ended_at=verified["ended_at"] or None, instance_count=verified["checked"],
            size_bytes=verified["bytes"], damaged=verified["damaged_now"],
        ),
        sealing=SealingAnswer(
            active=parts.settings.archive.seal, sealed_series=figures["archipel_sealed_series"], open_series=volume["open_series"],
            waiting_studies=figures["archipel_seal_waiting"], lag_s=figures["archipel_seal_lag_seconds"],
            objects_let_go=figures["archipel_objects_let_go"],
        ),
        copies=_copies(figures) if parts.settings.blobs.local else None,
        volume=VolumeAnswer(received_bytes=volume["received_bytes"], stored_bytes=stored_bytes),
    )  # fmt: skip


@router.get("/system/parked", summary="Parked changes")
def list_parked(call: SystemReader) -> Listed[ParkedAnswer]:
    """Changes that a follower could not take, oldest first."""
    with call.database.read() as tx:
        return whole([ParkedAnswer(**{**_told(call, row), "kind": row["name"]}) for row in feed.parked_changes(tx)])


@router.post("/system/parked/{parked_id}/retry", summary="Try a parked change again")
def retry_parked(parked_id: ParkedId, call: SystemOperator) -> RetryAnswer:
    """Let the follower try now."""
    with call.database.read() as tx:
        found = [row for row in feed.parked_changes(tx) if row["id"] == parked_id]
    if not found:
        raise NotFound("There is no such parked change.", code="no-parked-change", field="parked_id")
    follower = feed.follower_named(call.parts.followers, found[0]["follower"])
    taken = feed.retry_parked(call.database, follower, parked_id)
    with call.database.write() as tx:
        audit.record(tx, call.actor, "system.retry_parked", object_id=parked_id, succeeded=bool(taken))
    return RetryAnswer(succeeded=bool(taken))


@router.get("/system/jobs", summary="Recent jobs")
def list_jobs(call: SystemReader) -> Listed[JobAnswer]:
    """The hundred newest jobs."""
    with call.database.read() as tx:
        return whole([JobAnswer(**_told(call, row)) for row in jobs.recent(tx)])


@router.post("/demo/reset", status_code=202, summary="Reset the training region")
def reset_demo(call: Annotated[Call, needs("demo.reset")]) -> Reset:
    """Bring the training region back to how it was made; only where there is one."""
    reset = call.parts.demo_reset
    if reset is None:
        raise NotFound("This platform has no training region.", code="no-demo")
    with call.database.write() as tx:
        reset(tx)
        audit.record(tx, call.actor, "demo.reset")
    return Reset()


def _copies(figures: dict[str, int]) -> CopiesAnswer:
    return CopiesAnswer(waiting=figures["archipel_copies_waiting"], oldest_s=figures["archipel_copies_oldest_seconds"])


def _told(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    """A row without its error for people of the training region: it may name machines outside it."""
    return {**row, "error": ""} if call.actor.demo else row


def _process(one: Process, call: Call) -> ProcessAnswer:
    """A process; people of the training region are not told the names of machines."""
    figures = one.figures or {}
    names = ("waiting", "resident_bytes", "spool_bytes", "disk_free_bytes")
    return ProcessAnswer(
        id=one.id, host="" if call.actor.demo else one.host, pid=one.pid, does=list(one.does), started_at=one.started_at,
        seen_at=one.seen_at, draining=one.draining, associations=len(figures.get("associations", ())),
        **{name: figures.get(name, 0) for name in names},
    )  # fmt: skip


def _doors(parts: Parts, running: Sequence[Process]) -> list[Door]:
    """The doors of every process, as each says; of this one alone while none has said anything."""
    said = [Door(**door, listening=not one.draining) for one in running for door in (one.figures or {}).get("doors", ())]
    if said:
        return said
    http, dicom = parts.settings.http, parts.settings.dicom
    doors = [Door(name="http", address=http.public_url or f"http://{http.host}:{http.port}", listening=True)]
    ports = list(parts.dimse.ports) if parts.dimse else []
    names: Sequence[tuple[str, int]] = [("dicom", dicom.port)] + ([("dicom-tls", dicom.tls_port)] if dicom.tls_port >= 0 else [])
    for index, (name, wanted) in enumerate(names):
        port = ports[index] if index < len(ports) else wanted
        doors.append(Door(name=name, address=f"{dicom.host}:{port}", listening=index < len(ports)))
    return doors


def _associations(tx: Tx, call: Call, running: Sequence[Process]) -> list[AssociationAnswer]:
    """The open associations, in whichever process, of devices whose sites the account may see."""
    visible = sharing.visible_site_ids(tx, call.actor)
    own = {device.ae_title for device in directory.devices(tx) if device.site_id in visible}
    here = [_association(one) for one in (call.parts.dimse.associations() if call.parts.dimse else [])]
    known = {one.id for one in here}  # this process knows its own better than it said some seconds ago
    told = [AssociationAnswer(**one) for process in running for one in (process.figures or {}).get("associations", ())]
    if call.parts.dimse is not None:
        told = [one for one in told if one.id not in known and one.id not in _of_this_process(running)]
    return [one for one in (*here, *told) if one.calling_aet in own]


def _association(one: Any) -> AssociationAnswer:
    return AssociationAnswer(**{name: getattr(one, name) for name in AssociationAnswer.model_fields})


def _of_this_process(running: Sequence[Process]) -> set[str]:
    """Associations that this process has told of; some may be over by now."""
    mine = (one for one in running if one.pid == os.getpid() and one.host == processes.host_name())
    return {association["id"] for one in mine for association in (one.figures or {}).get("associations", ())}
