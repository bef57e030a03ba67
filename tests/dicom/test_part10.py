"""File meta: ours is read by pydicom and DCMTK, others' are read leniently."""

from __future__ import annotations

import io

import pydicom
import pytest

from archipel.dicom import part10, uids
from archipel.kit.errors import Invalid
from tests.dicom.samples import kept


def split(data: bytes) -> part10.FileMeta:
    return part10.split(io.BytesIO(data))


def test_our_meta_is_read_by_pydicom_and_by_us() -> None:
    data = part10.file_meta_bytes("1.2.840.10008.5.1.4.1.1.2", "1.2.3", uids.JPEG_BASELINE, "SENDER") + b"\x08\0\x05\0CS\0\0"
    ds = pydicom.dcmread(io.BytesIO(data))
    assert ds.file_meta.TransferSyntaxUID == uids.JPEG_BASELINE
    assert ds.file_meta.SourceApplicationEntityTitle == "SENDER"
    assert ds.file_meta.ImplementationClassUID == uids.IMPLEMENTATION_CLASS_UID
    meta = split(data)
    assert (meta.sop_class_uid, meta.sop_instance_uid, meta.source_ae) == ("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "SENDER")
    assert meta.dataset_offset == len(data) - 8
    assert meta.warnings == ()


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        ("ExplVR_BigEndNoMeta.dcm", uids.EXPLICIT_BIG),
        ("ExplVR_LitEndNoMeta.dcm", uids.EXPLICIT_LITTLE),
        ("rtstruct.dcm", uids.IMPLICIT_LITTLE),
        ("no_preamble_dicm_in_data", uids.EXPLICIT_LITTLE),
        ("meta_missing_tsyntax.dcm", uids.IMPLICIT_LITTLE),
        ("CT_small.dcm", uids.EXPLICIT_LITTLE),
        ("report_dfl", uids.DEFLATED),
    ],
)
def test_the_syntax_is_found(name: str, syntax: str) -> None:
    assert split(kept(name).read_bytes()).transfer_syntax_uid == syntax


def test_wrong_group_length_does_not_move_the_dataset() -> None:
    data = bytearray(kept("CT_small.dcm").read_bytes())
    right = split(bytes(data))
    data[140:144] = b"\xff\0\0\0"
    wrong = split(bytes(data))
    assert wrong.dataset_offset == right.dataset_offset
    assert any("group length" in one for one in wrong.warnings)


@pytest.mark.parametrize("data", [b"", b"hello", bytes(4096), b"PK\x03\x04" * 50, b"%PDF-1.4\n" * 40, b"\xff\xd8\xff\xe0" * 64])
def test_other_files_are_not_dicom(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        split(data)
    assert caught.value.code == "not-dicom"


def test_a_file_that_ends_after_its_meta_says_so() -> None:
    with pytest.raises(Invalid) as caught:
        split(part10.file_meta_bytes("1.2", "1.3", uids.EXPLICIT_LITTLE))
    assert "no dataset" in caught.value.public
