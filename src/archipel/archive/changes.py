"""What the archive publishes."""

from __future__ import annotations

from dataclasses import dataclass

from archipel.kit.feed import Change


@dataclass(frozen=True)
class InstanceStored(Change):
    """Instances of one series became durable together."""

    study_uid: str
    series_uid: str
    site_id: str
    instance_count: int


@dataclass(frozen=True)
class StudySettled(Change):
    """Nothing has arrived for a study for the quiet time."""

    study_uid: str
    site_id: str
    instance_count: int


@dataclass(frozen=True)
class SeriesSealed(Change):
    """The instances of a series are in one object now."""

    study_uid: str
    series_uid: str
    site_id: str
    instance_count: int


@dataclass(frozen=True)
class InstanceRejected(Change):
    """Instances of a study were hidden by a rejection (IHE IOCM)."""

    study_uid: str
    site_id: str
    rejection_id: str


@dataclass(frozen=True)
class RejectionRevoked(Change):
    """A rejection was taken back."""

    study_uid: str
    site_id: str
    rejection_id: str


@dataclass(frozen=True)
class ConflictFound(Change):
    """Something arrived that does not fit what is there; a person must look."""

    conflict_id: str
    study_uid: str
    site_id: str


@dataclass(frozen=True)
class ConflictResolved(Change):
    """A person decided about a conflict."""

    conflict_id: str
    study_uid: str
    site_id: str
