"""Export of exams as Part 10 files with a DICOMDIR, into a folder or a ZIP (PS3.10 8, PS3.3 F); what is whole there is not written again.

A file's name comes from the UIDs of its study, series and instance: an export that is run again, or grows, meets its own files.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from archipel import archive, audit, directory
from archipel.archive import InstanceRef, Level, Query
from archipel.cli.options import OPERATOR
from archipel.dicom import dicomdir, uids
from archipel.dicom.index import SOP_INSTANCE_UID
from archipel.kit.blobs import BLOB_MISSING, BLOB_UNREADABLE, Blobs
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError, Invalid, LimitReached, Unavailable
from archipel.kit.scope import Scope
from archipel.kit.stored_zip import Checksums, Member, StoredZip

CHUNK_BYTES = 1 << 20
STUDIES_PAGE = 1000
# Above it a DICOMDIR is more than viewers open, and a ZIP more than they unpack.
DIRECTORY_COUNT_MAX = 30_000


@dataclass(frozen=True)
class Choice:
    """Which exams: all that is given must hold."""

    study_uids: tuple[str, ...] = ()
    every: bool = False
    patient_id: str = ""
    site_id: str = ""

    @property
    def scope(self) -> Scope:
        """What the export may see."""
        return Scope.of_sites([self.site_id], "export") if self.site_id else Scope.everything("export")

    def studies(self, tx: Tx) -> dict[str, int]:
        """The chosen exams in the order of their UIDs, with their bytes; NotFound for one that is named and not there."""
        if not (self.study_uids or self.every or self.patient_id or self.site_id):
            raise Invalid("Name exams, a patient or a site, or take --all.", code="nothing-chosen")
        if self.site_id:
            directory.site_named(tx, self.site_id)
        found = {uid: archive.exam(tx, self.scope, uid).size_bytes for uid in self.study_uids}
        if self.patient_id:
            theirs = {ref.study_uid for ref in archive.locate(tx, self.scope, patient=(self.patient_id, ""))}
            found = {uid: archive.exam(tx, self.scope, uid).size_bytes for uid in theirs if not found or uid in found}
        elif not found:
            found = dict(self._all(tx))
        return dict(sorted(found.items()))

    def _all(self, tx: Tx) -> Iterator[tuple[str, int]]:
        after: tuple[str | int, ...] = ()
        while True:
            page, _, after = archive.exams(tx, self.scope, Query(Level.STUDY, limit=STUDIES_PAGE, after=after))
            yield from ((one.study_uid, one.size_bytes) for one in page)
            if not after:
                return


@dataclass
class Exported:
    """What an export did."""

    written: int = 0
    there: int = 0
    size_bytes: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)


def file_id(ref: InstanceRef) -> tuple[str, ...]:
    """The name of an instance on the medium: folders of its study and series."""
    parts = (hashlib.sha256(uid.encode()).digest() for uid in (ref.study_uid, ref.series_uid, ref.sop_instance_uid))
    return "DICOM", *(base64.b32encode(digest).decode()[:8] for digest in parts)


class Exporter:
    """One export. ``progress`` is told of bytes that were dealt with."""

    def __init__(self, database: Database, blobs: Blobs, choice: Choice, progress: Callable[[int], None]) -> None:
        self._database, self._blobs, self._choice, self._progress = database, blobs, choice, progress
        self._checksums = Checksums()
        self.done = Exported()

    def refs(self, study_uid: str) -> list[InstanceRef]:
        """What an exam shows; what is rejected is left out."""
        with self._database.read() as tx:
            return archive.locate(tx, self._choice.scope, study_uid=study_uid)

    def to_folder(self, study_uids: Iterable[str], folder: Path) -> bool:
        """Write the exams below a folder; whether a DICOMDIR lists them, which more than DIRECTORY_COUNT_MAX instances have not."""
        entries: list[dicomdir.Entry] = []
        count = 0
        for study_uid in study_uids:
            refs = self.refs(study_uid)
            count += len(refs)
            audited = False
            for ref in refs:
                path = folder.joinpath(*file_id(ref))
                if _is_whole(path, ref):
                    self.done.there += 1
                else:
                    audited = audited or self._audit(study_uid, len(refs))
                    self._write(path, ref)
                self._progress(ref.length_bytes)
            entries = [*entries, *self._entries(study_uid, refs)] if count <= DIRECTORY_COUNT_MAX else []
        if not entries:
            return False
        _replace(folder / dicomdir.FILE_NAME, iter([_directory(entries)]))
        return True

    def to_zip(self, study_uids: Iterable[str], path: Path) -> None:
        """Write the exams into a ZIP, beside its name until it is whole. LimitReached for more than DIRECTORY_COUNT_MAX instances."""
        members: list[Member] = []
        entries: list[dicomdir.Entry] = []
        for study_uid in study_uids:
            refs = self.refs(study_uid)
            if len(members) + len(refs) > DIRECTORY_COUNT_MAX:
                raise LimitReached(f"A ZIP takes at most {DIRECTORY_COUNT_MAX} instances; export to a folder.", code="too-large")
            self._audit(study_uid, len(refs))
            entries += self._entries(study_uid, refs)
            members += [self._member(ref) for ref in refs]
        table = _directory(entries)
        first = Member(dicomdir.FILE_NAME, len(table), hashlib.sha256(table).hexdigest(), lambda: iter([table]))
        whole = StoredZip([first, *members], self._checksums)
        part = path.with_name(path.name + ".part")
        _write_over(part, whole.stream(0, whole.size_bytes), self._progress)
        os.replace(part, path)
        self.done.written, self.done.size_bytes = len(members), whole.size_bytes

    def _write(self, path: Path, ref: InstanceRef) -> None:
        try:
            _replace(path, self._checked(ref))
        except ArchipelError as error:
            if error.code not in (BLOB_MISSING, BLOB_UNREADABLE):
                raise
            self.done.damaged.append((ref.sop_instance_uid, error.public))
            return
        self.done.written, self.done.size_bytes = self.done.written + 1, self.done.size_bytes + ref.length_bytes

    def _member(self, ref: InstanceRef) -> Member:
        return Member("/".join(file_id(ref)), ref.length_bytes, f"{ref.blob_key}:{ref.offset}", lambda: self._checked(ref))

    def _checked(self, ref: InstanceRef) -> Iterator[bytes]:
        """The file's bytes; Unavailable at their end when they are not what was received."""
        running, at = hashlib.sha256(), 0
        for chunk in archive.part10(self._blobs, ref, chunk_bytes=CHUNK_BYTES):
            running.update(chunk[max(0, ref.dataset_offset - at) :])
            at += len(chunk)
            yield chunk
        if at != ref.length_bytes or running.hexdigest() != ref.digest:
            raise Unavailable("The stored bytes are damaged.", code=BLOB_UNREADABLE, detail=ref.sop_instance_uid)

    def _entries(self, study_uid: str, refs: Sequence[InstanceRef]) -> list[dicomdir.Entry]:
        by_uid = {ref.sop_instance_uid: ref for ref in refs}
        with self._database.read() as tx:
            values = [
                (by_uid.get(one.get(SOP_INSTANCE_UID, ("",))[0]), one) for one in archive.header_values(tx, self._choice.scope, study_uid)
            ]
        made = [dicomdir.Entry(file_id(ref), one, ref.transfer_syntax_uid) for ref, one in values if ref is not None]
        return sorted(made, key=lambda entry: entry.file_id)

    def _audit(self, study_uid: str, count: int) -> bool:
        """Before the first byte leaves."""
        self._database.transact(
            lambda tx: audit.record(tx, OPERATOR, "archive.export", study_uid=study_uid, instance_count=count, door="command_line")
        )
        return True


def _directory(entries: Sequence[dicomdir.Entry]) -> bytes:
    return dicomdir.build(entries, uid=uids.derived_uid("export", *("/".join(entry.file_id) for entry in entries)))


def _is_whole(path: Path, ref: InstanceRef) -> bool:
    """Whether a file holds the instance already."""
    if not path.is_file() or path.stat().st_size != ref.length_bytes:
        return False
    with path.open("rb") as file:
        file.seek(ref.dataset_offset)
        return hashlib.file_digest(file, "sha256").hexdigest() == ref.digest


def _replace(path: Path, chunks: Iterator[bytes]) -> None:
    """Write a file aside, durable, and give it its name when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fdatasync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _write_over(path: Path, chunks: Iterator[bytes], progress: Callable[[int], None]) -> None:
    """Write a file whose bytes are the same each time: what an export that was cut off has left of it is compared, and kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "w+b") as file:
        for chunk in chunks:
            at = file.tell()
            if file.read(len(chunk)) != chunk:
                file.seek(at)
                file.write(chunk)
            progress(len(chunk))
        file.truncate()
        file.flush()
        os.fdatasync(file.fileno())
