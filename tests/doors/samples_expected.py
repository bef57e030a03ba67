"""What the archive has to do with every sample, worked out with pydicom alone: nothing here asks the code under test."""

from __future__ import annotations

import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.filereader import _read_file_meta_info, read_preamble

from tests.dicom.samples import SHARED, all_files

LITTLE, IMPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*\Z")


@dataclass(frozen=True)
class Sample:
    """One file: what it says it is, its dataset as bytes, and why it cannot be stored ('' when it can)."""

    path: Path
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    dataset: bytes
    reason: str

    @property
    def content(self) -> tuple[str, bytes]:
        """What makes two samples the same object."""
        return self.transfer_syntax_uid, self.dataset


def split(data: bytes) -> tuple[pydicom.dataset.FileMetaDataset, bytes]:
    """File meta and dataset bytes of a Part 10 file, by pydicom."""
    source = BytesIO(data)
    read_preamble(source, force=True)
    meta = _read_file_meta_info(source)
    return meta, data[source.tell() :]


def read(path: Path) -> FileDataset:
    """The object without its pixels; pydicom's complaints are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path, force=True, stop_before_pixels=True)


def sample(path: Path) -> Sample:
    """Everything that is expected of one file."""
    data = path.read_bytes()
    meta: dict[str, str] = {}
    dataset, syntax, found = b"", "", dict.fromkeys(UIDS, "")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file_meta, dataset = split(data)
            ds = read(path)
            meta = {e.keyword: str(e.value) for e in file_meta}
            found = {keyword: _text(ds.get(keyword)) for keyword in UIDS}
            syntax = meta.get("TransferSyntaxUID", "") or _written(ds)
            reason = _reason(meta, found, path)
    except Exception as error:  # whatever pydicom raises on a broken file is the reason
        reason = f"pydicom cannot read it: {type(error).__name__}"
    return Sample(path, syntax, found["SOPClassUID"], found["SOPInstanceUID"], found["StudyInstanceUID"], dataset, reason)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _written(ds: FileDataset) -> str:
    """The syntax of a file without meta, as pydicom made it out."""
    implicit, little = ds.original_encoding
    return IMPLICIT if implicit else LITTLE if little else BIG


def _reason(meta: dict[str, str], found: dict[str, str], path: Path) -> str:
    if meta.get("MediaStorageSOPClassUID") == MEDIA_DIRECTORY:
        return "a DICOMDIR is no instance"
    for keyword in UIDS:
        if not found[keyword]:
            return f"no {keyword}"
        if len(found[keyword]) > 64 or not _UID.match(found[keyword]):
            return f"{keyword} is no UID"
    return _cut_off(path)


def _cut_off(path: Path) -> str:
    """Whether an element holds fewer bytes than it declares."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = pydicom.dcmread(path, force=True)
    for tag in list(whole.keys()):
        raw = whole.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.length != 0xFFFFFFFF and len(raw.value or b"") < raw.length:
            return f"cut off: {tag} declares {raw.length} bytes and has {len(raw.value or b'')}"
    return ""


@cache
def samples() -> tuple[Sample, ...]:
    """Every file beside the checkout, or those that the tree and pydicom bring where nothing lies beside it; by path."""
    files = [path for path in all_files() if SHARED in path.parents] or list(all_files())
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    return tuple(sample(path) for path in sorted(files, key=str))


def rarest_first(found: Iterable[Sample]) -> list[Sample]:
    """Of several contents under one UID the first is stored: this order makes it the one in the rarest transfer syntax."""
    found = list(found)
    count = Counter(one.transfer_syntax_uid for one in found)
    return sorted(found, key=lambda one: (count[one.transfer_syntax_uid], one.transfer_syntax_uid, str(one.path)))


def even(dataset: bytes) -> bytes:
    """The dataset as an association carries it."""
    return dataset + b"\0" * (len(dataset) % 2)


@dataclass(frozen=True)
class Expected:
    """What becomes of samples: the contents sent under each UID, one of which is stored, and how many files can be no instance."""

    contents: dict[str, list[Sample]]
    refused: list[Sample]

    def kept(self, sop_instance_uid: str, syntax: str, dataset: bytes) -> Sample | None:
        """The sample that this content is; instances that arrive together are read side by side, so any of a UID may be the first."""
        return next((one for one in self.contents.get(sop_instance_uid, ()) if one.content == (syntax, dataset)), None)

    def over_dimse(self, sop_instance_uid: str, syntax: str, dataset: bytes) -> Sample | None:
        """The same on an association, where a message has an even length (PS3.8 E.2): an odd dataset has a zero byte behind it."""
        samples_of = self.contents.get(sop_instance_uid, ())
        return next((one for one in samples_of if (syntax, dataset) == (one.transfer_syntax_uid, even(one.dataset))), None)

    @property
    def count(self) -> int:
        """How many instances are stored."""
        return len(self.contents)


def expected(sent: Iterable[Sample]) -> Expected:
    """One content of each UID is stored, the same again is a success, another is kept aside."""
    contents: dict[str, list[Sample]] = {}
    refused = []
    for one in sent:
        if one.reason:
            refused.append(one)
        else:
            contents.setdefault(one.sop_instance_uid, []).append(one)
    return Expected(contents, refused)
