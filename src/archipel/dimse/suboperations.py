"""What C-MOVE and C-GET share: which instances, how they are sent, and the counts of their sub-operations (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from archipel import archive
from archipel.archive import InstanceRef, Level
from archipel.dicom import sop_classes, status, transcode
from archipel.dimse.association import Association
from archipel.dimse.identifiers import ISSUER, PATIENT_ID, Identifier, Mismatch
from archipel.dimse.parts import Parts
from archipel.kit.database import Tx
from archipel.kit.errors import Unavailable
from archipel.kit.ids import new_id
from archipel.kit.scratch import Scratch

CHUNK_BYTES = 262_144
NO_COMMON_SYNTAX = "An instance can be given in no transfer syntax that was accepted"


@dataclass
class Progress:
    """Counts of sub-operations, and which failed."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warned: int = 0
    failed_uids: list[str] = field(default_factory=list)
    reason: str = ""
    sent_by_study: dict[str, int] = field(default_factory=dict)

    def count(self, ref: InstanceRef, code: int, reason: str = "") -> None:
        """Note how the sub-operation of an instance ended."""
        self.remaining -= 1
        kind = status.category(code)
        if kind is status.Category.SUCCESS:
            self.completed += 1
        elif kind is status.Category.WARNING:
            self.warned += 1
        else:
            self.failed += 1
            self.failed_uids.append(ref.sop_instance_uid)
            self.reason = reason or self.reason or f"The peer answered {code:04X}"
            return
        self.sent_by_study[ref.study_uid] = self.sent_by_study.get(ref.study_uid, 0) + 1

    @property
    def sent(self) -> int:
        """Instances that the peer has taken."""
        return self.completed + self.warned

    def counts(self, *, remaining: bool) -> dict[str, int]:
        """The counts as fields of a response; ``remaining`` belongs to pending and cancelled ones."""
        numbers = {"completed": self.completed, "failed": self.failed, "warned": self.warned}
        return {"remaining": self.remaining, **numbers} if remaining else numbers

    def final(self) -> tuple[int, str]:
        """Status and comment of the final response."""
        if not self.failed and not self.warned:
            return status.SUCCESS, ""
        if self.failed and not self.sent:
            return status.CANNOT_PERFORM_SUBOPERATIONS, self.reason
        return status.SUBOPERATIONS_WARNING, self.reason


def locate(parts: Parts, assoc: Association, asked: Identifier) -> list[InstanceRef]:
    """The instances that the identifier names and the asker may see; blocks. Raises ``Mismatch`` without a usable unique key."""
    uids = {level: asked.uids(level) for level in Level}
    if not uids[asked.level]:
        raise Mismatch("The unique key of the level has no value")
    if any(c in value for values in uids.values() for value in values for c in "*?"):
        raise Mismatch("A retrieve takes no wildcards")
    patient = (asked.match[PATIENT_ID], asked.match.get(ISSUER, "")) if PATIENT_ID in asked.match else None

    def act(tx: Tx) -> list[InstanceRef]:
        return archive.locate(
            tx,
            parts.scope_for(tx, assoc.actor),
            study_uid=uids[Level.STUDY] or None,
            series_uid=uids[Level.SERIES] or None,
            sop_instance_uid=uids[Level.IMAGE] or None,
            patient=patient,
        )

    return parts.read(act)


def choose_syntax(stored: str, accepted: Sequence[str]) -> str | None:
    """The transfer syntax to send in: as stored if the peer takes it, else uncompressed, else another that can be made; None: nothing."""
    if stored in accepted:
        return stored
    wishes = (*sop_classes.UNCOMPRESSED, *accepted)
    return next((uid for uid in wishes if uid in accepted and transcode.can_transcode(stored, uid)), None)


@contextmanager
def dataset_in(parts: Parts, ref: InstanceRef, to: str) -> Iterator[Iterator[bytes]]:
    """The instance's dataset in a transfer syntax, in chunks; blocks. A transcoded one goes through files that are deleted."""
    if to == ref.transfer_syntax_uid:
        yield archive.dataset(parts.blobs, ref, chunk_bytes=CHUNK_BYTES)
        return
    if parts.pixels is None:
        raise Unavailable("The peer does not take the stored transfer syntax", code="no-transcoding")
    name = new_id()
    stored, made = Scratch(parts.spool.folder / f"{name}.in"), Scratch(parts.spool.folder / f"{name}.out")
    try:
        with stored.open("xb") as file:
            file.writelines(archive.dataset(parts.blobs, ref, chunk_bytes=CHUNK_BYTES))
        parts.pixels.transcode(stored, ref.transfer_syntax_uid, to, made)
        stored.unlink()
        with made.open("rb") as file:
            yield iter(lambda: file.read(CHUNK_BYTES), b"")
    except OSError as error:
        raise Unavailable("The archive cannot write its spool", code="spool", detail=str(error)) from error
    finally:
        stored.unlink(missing_ok=True)
        made.unlink(missing_ok=True)


def record(parts: Parts, assoc: Association, progress: Progress, **detail: Any) -> None:
    """Write into the audit trail what left the archive, per study (PS3.15 A.5.3.4); blocks."""

    def act(tx: Tx) -> None:
        for study_uid, count in progress.sent_by_study.items():
            parts.audit(tx, actor=assoc.actor, action="dimse.send", study_uid=study_uid, object_id=assoc.id, instance_count=count, **detail)

    if progress.sent_by_study:
        parts.database.transact(act)
