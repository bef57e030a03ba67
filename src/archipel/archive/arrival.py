"""From received bytes to what the index needs: header, digest, and the form in which it is stored."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, BinaryIO, cast

from archipel.archive.errors import class_mismatch
from archipel.archive.model import Incoming, Outcome, Source
from archipel.archive.same import twin_digest
from archipel.dicom import complete, header, index, part10, text
from archipel.dicom.index import BY_PATH, INDEXED, path_of

TEXT_LENGTH_MAX = 300
ATTRIBUTE_LENGTH_MAX = 2000
HASHED_ASIDE_BYTES = 64 << 10  # below it the hand-over costs more than the hash

PATIENT_NAME = path_of("PatientName")
PATIENT_ID = path_of("PatientID")
ISSUER = path_of("IssuerOfPatientID")
ISSUER_UNIVERSAL = path_of("IssuerOfPatientIDQualifiersSequence.UniversalEntityID")
BIRTH_DATE = path_of("PatientBirthDate")
SEX = path_of("PatientSex")
# Issuers that the platform makes up for Patient IDs without one: never shown, never matched, never believed when sent.
MADE_UP_ISSUERS = ("site:", "study:")
INSTANCE_NUMBER, FRAMES = path_of("InstanceNumber"), path_of("NumberOfFrames")

# Marks the search form of a name among the values of the index: "00081050~".
FOLDED = "~"


@dataclass(frozen=True)
class Arrival:
    """One instance, understood: ready to be written and indexed. ``take_digest`` gives the SHA-256 of its dataset, and may wait for it."""

    incoming: Incoming
    values: dict[str, tuple[str, ...]]
    meta: bytes
    take_digest: Callable[[], str]
    pixel_data_offset: int | None
    warnings: tuple[str, ...]

    @property
    def source(self) -> Source:
        return self.incoming.source

    @cached_property
    def sop_instance_uid(self) -> str:
        return self.first(index.SOP_INSTANCE_UID)

    @cached_property
    def sop_class_uid(self) -> str:
        return self.first(index.SOP_CLASS_UID)

    @cached_property
    def study_uid(self) -> str:
        return self.first(index.STUDY_INSTANCE_UID)

    @cached_property
    def series_uid(self) -> str:
        return self.first(index.SERIES_INSTANCE_UID)

    @property
    def dataset_length_bytes(self) -> int:
        """Bytes of the dataset as sent."""
        return self.incoming.spooled.size_bytes - self.incoming.dataset_offset

    @property
    def length_bytes(self) -> int:
        """Bytes of the Part 10 file that is stored."""
        return len(self.meta) + self.dataset_length_bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the dataset as sent, in hexadecimal."""
        return self.take_digest()

    @cached_property
    def padding_twin(self) -> str:
        """Digest of the dataset without the byte that pads it to an even length, or with the one that it lacks; '' when neither."""
        spooled, offset = self.incoming.spooled, self.incoming.dataset_offset
        if spooled.memory is not None:
            return twin_digest([memoryview(spooled.memory)[offset:]])
        with spooled.open() as file:
            file.seek(offset)
            return twin_digest(iter(lambda: file.read(1 << 20), b""))

    def first(self, path: str) -> str:
        """The first value of an attribute as clean text, '' when it is absent."""
        values = self.values.get(path, ())
        return clean(values[0]) if values else ""

    def whole(self, path: str) -> str:
        """All values of an attribute as one clean text, as the index keeps it, '' when it is absent."""
        return clean("\\".join(self.values.get(path, ())), ATTRIBUTE_LENGTH_MAX)

    def number(self, path: str) -> int | None:
        """An IS value as a number that the index can hold, None when it is absent or not one."""
        try:
            value = int(float(self.first(path)))
        except (ValueError, OverflowError):
            return None
        return value if -(2**31) <= value < 2**31 else None

    @property
    def issuer(self) -> str:
        """Who issued the Patient ID, '' when nobody is named.

        An issuer of the form that we make up ourselves would name another site's bare Patient IDs: it counts as none.
        """
        issuer = self.first(ISSUER_UNIVERSAL) or self.first(ISSUER)
        return "" if issuer.startswith(MADE_UP_ISSUERS) else issuer

    @property
    def instance_number(self) -> int | None:
        """Instance Number."""
        return self.number(INSTANCE_NUMBER)

    @property
    def frame_count(self) -> int:
        """Number of Frames, at least 1."""
        return max(1, self.number(FRAMES) or 1)

    def indexed(self, level: str) -> dict[str, str]:
        """What the index keeps of one level: its attributes, and beside each person's name its search form."""
        kept = self.attributes(level)
        names = {path + FOLDED: folded_names(value) for path, value in kept.items() if is_person_name(path)}
        return kept | names

    def attributes(self, level: str) -> dict[str, str]:
        """The indexed attributes of one level, several values joined by a backslash."""
        found = {}
        for one in INDEXED:
            if one.level == level and one.path in self.values:
                found[one.path] = self.whole(one.path)
        return found

    def outcome(self, fate: Any, **more: Any) -> Outcome:
        """An outcome that names this instance."""
        return Outcome(fate, self.study_uid, self.series_uid, self.sop_class_uid, self.sop_instance_uid, warnings=self.warnings, **more)


def understand(incoming: Incoming) -> Arrival:
    """Read the header, check it against what was announced, and digest the dataset. Raises Invalid."""
    with incoming.spooled.open() as file:
        dataset = cast(BinaryIO, _Shifted(file, incoming.dataset_offset) if incoming.dataset_offset else file)
        arrival = _arrival(incoming, header.read_header(dataset, incoming.transfer_syntax_uid), dataset)
    arrival.digest  # noqa: B018 - taken here, where it may take long, and remembered
    return arrival


def understand_plain(incoming: Incoming, hashing: Executor) -> Arrival | None:
    """As ``understand``, at once, for a plain dataset in memory; None for one that has to be read with care, which may take long.

    The digest of a dataset that is not small is taken by ``hashing`` meanwhile.
    """
    memory = incoming.spooled.memory
    if memory is None:
        return None
    with memoryview(memory) as whole, whole[incoming.dataset_offset :] as data:
        try:
            found = header.read_plain_header(data, incoming.transfer_syntax_uid)
        except header.Slow:
            return None
        arrival = _arrival(incoming, found, cast(BinaryIO, _View(data)))
    if arrival.dataset_length_bytes < HASHED_ASIDE_BYTES:
        return arrival
    return replace(arrival, take_digest=hashing.submit(arrival.take_digest).result)


def _arrival(incoming: Incoming, found: header.Header, dataset: BinaryIO) -> Arrival:
    warnings = complete.check_complete(dataset, incoming.transfer_syntax_uid, found.pixel_data_offset)
    values = found.values
    sop_class, sop_instance = values[index.SOP_CLASS_UID][0], values[index.SOP_INSTANCE_UID][0]
    if incoming.sop_class_uid and incoming.sop_class_uid != sop_class:
        raise class_mismatch("SOP Class UID", incoming.sop_class_uid, sop_class)
    if incoming.sop_instance_uid and incoming.sop_instance_uid != sop_instance:
        raise class_mismatch("SOP Instance UID", incoming.sop_instance_uid, sop_instance)
    meta = part10.file_meta_bytes(sop_class, sop_instance, incoming.transfer_syntax_uid, incoming.source.ae_title)
    take_digest = partial(incoming.spooled.sha256, incoming.dataset_offset)
    return Arrival(incoming, values, meta, take_digest, found.pixel_data_offset, (*incoming.warnings, *found.warnings, *warnings))


def clean(value: str, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Text that every database takes: no NUL, no lone surrogates, bounded."""
    if value.isascii() and "\0" not in value:
        return value.strip()[:length_max]
    return value.replace("\0", "").encode("utf-8", "replace").decode().strip()[:length_max]


def folded(value: str) -> str:
    """Search form that fits its column: folding may lengthen (a ligature becomes two letters)."""
    return text.fold(value)[:TEXT_LENGTH_MAX]


def person_name_groups(name: str) -> tuple[str, str]:
    """Search forms of a PN: the alphabetic group, and the ideographic and phonetic groups, each between equal signs."""
    alphabetic, *others = [folded(group) for group in [*name.split("="), "", ""][:3]]
    return alphabetic, f"={'='.join(others)}"[: 2 * TEXT_LENGTH_MAX - 1] + "=" if any(others) else ""


def folded_names(value: str) -> str:
    """Search form of a PN attribute: every group of every value, separated by a backslash."""
    return "\\".join(filter(None, (text.fold(group) for name in value.split("\\") for group in name.split("="))))


def plain(attributes: dict[str, str]) -> dict[str, str]:
    """The attributes of an index row without search forms."""
    return {path: value for path, value in attributes.items() if not path.endswith(FOLDED)}


def is_person_name(path: str) -> bool:
    """Whether an indexed path holds a person's name."""
    return path in BY_PATH and BY_PATH[path].vr == "PN"


class _View:
    """A reader of bytes in memory that copies only what is read."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def read(self, size: int = -1) -> bytes:
        found = bytes(self._data[self._at :] if size < 0 else self._data[self._at : self._at + size])
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, len(self._data))[whence]
        return self._at

    def tell(self) -> int:
        return self._at


class _Shifted:
    """A reader whose position 0 is the start of the dataset within a file."""

    def __init__(self, file: Any, start: int) -> None:
        self._file = file
        self._start = start
        file.seek(start)

    def read(self, size: int = -1) -> bytes:
        return bytes(self._file.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0:
            return int(self._file.seek(self._start + offset)) - self._start
        return int(self._file.seek(offset, whence)) - self._start

    def tell(self) -> int:
        return int(self._file.tell()) - self._start

    def close(self) -> None:
        self._file.close()
