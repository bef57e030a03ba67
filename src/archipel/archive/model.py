"""The words of the archive: what arrives, what became of it, what is asked, what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from archipel.dicom import part10
from archipel.kit.actor import Actor
from archipel.kit.errors import ArchipelError
from archipel.kit.spool import Spooled

# Key Object Selection Document Storage (PS3.4 B.5): rejection notes are of this class.
KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"


class Level(StrEnum):
    """Levels of the query/retrieve information models (PS3.4 C.6)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


class Fate(StrEnum):
    """What became of one instance that arrived."""

    STORED = "stored"
    ALREADY_STORED = "already_stored"
    KEPT_ASIDE = "kept_aside"
    REFUSED = "refused"


class Flag(StrEnum):
    """Why an exam needs a person's eye; it stays findable."""

    PATIENT_MISMATCH = "patient_mismatch"
    PATIENT_ATTRIBUTES = "patient_attributes"
    OTHER_SITE = "other_site"


class ConflictKind(StrEnum):
    """Kinds of conflict: a second content under a known UID, or doubt about whose exam it is."""

    DUPLICATE_INSTANCE = "duplicate_instance"
    PATIENT_MISMATCH = "patient_mismatch"
    PATIENT_ATTRIBUTES = "patient_attributes"
    OTHER_SITE = "other_site"


@dataclass(frozen=True)
class Source:
    """Where an instance comes from. ``association_id`` groups the audit of what arrives together.

    ``may_reject`` says whether a rejection note from there acts: the door knows the sender's rights. What it names stays if not.
    """

    door: str
    site_id: str
    actor: Actor
    ae_title: str = ""
    address: str = ""
    association_id: str = ""
    may_reject: bool = False


@dataclass(frozen=True)
class Incoming:
    """One instance as it arrived: its bytes (dataset from ``dataset_offset`` on) and what the message said about it."""

    spooled: Spooled
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    source: Source
    dataset_offset: int = 0
    name: str = ""
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_part10(cls, spooled: Spooled, source: Source, name: str = "") -> Incoming:
        """From a file of PS3.10, or something close to one; Invalid when it is not DICOM.

        What the file meta says of class and instance is not believed: the dataset decides.
        """
        with spooled.open() as file:
            meta = part10.split(file)
        return cls(spooled, meta.transfer_syntax_uid, "", "", source, meta.dataset_offset, name, tuple(meta.warnings))


@dataclass(frozen=True)
class Outcome:
    """What became of one instance; ``error`` says why it was refused."""

    fate: Fate
    study_uid: str = ""
    series_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    flags: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: ArchipelError | None = None


@dataclass(frozen=True)
class Place:
    """Where stored bytes are: a Part 10 file of ``length_bytes`` at ``offset`` of a blob; its dataset starts ``dataset_offset`` later.

    With ``packed`` it stands there in another form (``packing``), and length and dataset offset are those of the file as received.
    """

    blob_key: str
    offset: int
    length_bytes: int
    dataset_offset: int
    packed: str = ""


@dataclass(frozen=True)
class InstanceRef:
    """One stored instance, as much as a door needs to give it back."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    blob_key: str
    offset: int
    length_bytes: int
    dataset_offset: int
    pixel_data_offset: int | None
    frame_count: int
    digest: str
    site_id: str = ""
    modality: str = ""
    number: int | None = None
    source_ae: str = ""
    packed: str = ""

    @property
    def dataset_length_bytes(self) -> int:
        """Length of the dataset without preamble and file meta."""
        return self.length_bytes - self.dataset_offset

    @property
    def place(self) -> Place:
        """Where the bytes are."""
        return Place(self.blob_key, self.offset, self.length_bytes, self.dataset_offset, self.packed)


@dataclass(frozen=True)
class Query:
    """A search at one level. ``match`` holds raw DICOM matching values by path; universal keys are left out.

    ``include`` names the paths to return, None for all that are indexed. ``folded`` compares every text without case and accents
    (the web's search); otherwise only person names are. ``words`` are looked for in name, id, accession number and description.
    ``after`` is the place that ended the page before (``Page.next``): a search for studies goes on behind it, in its order, and ``offset``
    is not read. It stays where it was, whatever became of the study that stood there.
    """

    level: Level
    match: Mapping[str, str] = field(default_factory=dict)
    include: frozenset[str] | None = None
    fuzzy: bool = False
    folded: bool = False
    words: tuple[str, ...] = ()
    site_id: str = ""
    flagged: bool = False
    include_rejected: bool = False
    limit: int = 200
    offset: int = 0
    after: tuple[str | int, ...] = ()
    order: tuple[str, ...] = ()
    count_total: bool = False


@dataclass(frozen=True)
class Page:
    """The rows found, as DICOM JSON (PS3.18 F). ``total`` is -1 when it was not asked for.

    ``next`` is the place of the last study where more follow: what the order compares.
    """

    rows: list[dict[str, Any]]
    total: int
    more: bool
    unsupported: tuple[str, ...] = ()
    next: tuple[str | int, ...] = ()
