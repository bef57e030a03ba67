"""An object that was cut off is not taken for a whole one."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from archipel.dicom import header
from archipel.dicom.complete import check_complete
from archipel.kit.errors import Invalid

DEFLATED = "1.2.840.10008.1.2.1.99"


def image(syntax: str) -> bytes:
    """The dataset's bytes of a small image, as pydicom writes them."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 8, 8, 7, 0, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    pixels = np.arange(256, dtype=np.uint8).tobytes()
    encapsulated = syntax == JPEGBaseline8Bit
    ds.PixelData = encapsulate([pixels[:100], pixels[100:]]) if encapsulated else pixels
    ds["PixelData"].VR = "OB"
    if encapsulated:
        ds["PixelData"].is_undefined_length = True
    out = io.BytesIO()
    pydicom.dcmwrite(out, ds, enforce_file_format=False)
    with_meta = out.getvalue()
    meta_end = with_meta.index(b"\x08\x00\x16\x00") if syntax != ExplicitVRBigEndian else with_meta.index(b"\x00\x08\x00\x16")
    return with_meta[meta_end:]


SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, JPEGBaseline8Bit]


def offset_of_pixels(data: bytes, syntax: str) -> int | None:
    return header.read_header(io.BytesIO(data), syntax).pixel_data_offset


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_whole_objects_pass_and_every_cut_within_the_pixels_is_noticed(syntax: str) -> None:
    data = image(syntax)
    offset = offset_of_pixels(data, syntax)
    assert offset is not None
    assert check_complete(io.BytesIO(data), syntax, offset) == ()
    end_mark = 8 if syntax == JPEGBaseline8Bit else 0
    for cut in range(offset + 1, len(data) - end_mark, 7):
        with pytest.raises(Invalid, match="cut off"):
            check_complete(io.BytesIO(data[:cut]), syntax, offset)


def test_a_missing_end_mark_is_a_warning() -> None:
    data = image(JPEGBaseline8Bit)
    offset = offset_of_pixels(data, JPEGBaseline8Bit)
    assert check_complete(io.BytesIO(data[:-8]), JPEGBaseline8Bit, offset) == ("the pixel data's sequence has no end mark",)


def test_a_deflate_stream_must_come_to_its_end() -> None:
    plain = image(ExplicitVRLittleEndian)
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(plain) + packer.flush()
    assert check_complete(io.BytesIO(packed), DEFLATED, None) == ()
    assert check_complete(io.BytesIO(packed + b"\0"), DEFLATED, None) == ()
    for cut in range(1, len(packed) - 1, 11):
        with pytest.raises(Invalid, match="cut off"):
            check_complete(io.BytesIO(packed[:cut]), DEFLATED, None)
