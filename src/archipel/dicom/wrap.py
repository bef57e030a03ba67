"""What is not DICOM yet becomes DICOM: PDF, JPEG, PNG, MP4 (PS3.3 A.45.1, A.32.4, A.8.1, A.32.6).

JPEG and PNG are decoded on the way: call it through ``pixels.PixelWorkers.wrap``.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from archipel.dicom import charset, codecs, index, jsonmodel, mp4, uids, walk
from archipel.dicom.frames import PixelInfo
from archipel.dicom.jsonmodel import Bulk, Json
from archipel.kit.errors import Invalid
from archipel.kit.scratch import File

Kind = Literal["pdf", "jpeg", "png", "mp4"]
PIXELS_MAX = 200_000_000
PDF_BYTES_MAX = 1 << 30
_HEAD_BYTES = 64

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
VL_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"
VIDEO_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What became of a file: the identity of its object and how its dataset is encoded."""

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax_uid: str


def kind_of(head: bytes) -> Kind | None:
    """What a file is by its first bytes (``_HEAD_BYTES`` are enough, a PDF may start later), None when it is none of ours."""
    if head[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[4:8] == b"ftyp":
        return "mp4"
    return "pdf" if b"%PDF-" in head[:1024] else None


def attributes_of(**by_keyword: Any) -> Json:
    """DICOM JSON of attributes by keyword; a PersonName as text, None and '' leave the attribute empty."""
    row: Json = {}
    for keyword, value in by_keyword.items():
        path = index.path_of(keyword)
        vr = walk.vr_of(int(path, 16))
        row[path] = element(vr, *([] if value in (None, "") else [value]))
    return row


def element(vr: str, *found: Any) -> Json:
    """An element in DICOM JSON; a name as text becomes its groups."""
    if vr == "PN":
        found = tuple({"Alphabetic": one} if isinstance(one, str) else one for one in found)
    return {"vr": vr, "Value": list(found)} if found else {"vr": vr}


def wrap(kind: Kind, path: File, attributes: Json, out: BinaryIO) -> Wrapped:
    """Write the dataset of the object that the file becomes.

    ``attributes``: patient and study in DICOM JSON, and whatever else is known (Series Description, Document Title, Content
    Date...); what the object needs and is not given is made, UIDs always the same for the same file and study. Raises
    Invalid: bad-content when the file is not what it says, unsupported-content, too-large.
    """
    with path.open("rb") as source:
        if kind_of(source.read(1024)) != kind:
            raise Invalid(f"The file is no {kind.upper()}: its first bytes say otherwise", code="bad-content")
        source.seek(0)
        digest = hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]
        source.seek(0)
        row, bulk, syntax = _ACTS[kind](path, source)
    row |= _identity(kind, attributes, digest)
    row |= {key: value for key, value in attributes.items() if value.get("Value") or key not in row}
    jsonmodel.write_dataset_json(row, out, charset.UNICODE, syntax, bulk=lambda uri: bulk)

    def uid(path: str) -> str:
        return str(row[path]["Value"][0])

    return Wrapped(
        uid(index.SOP_CLASS_UID), uid(index.SOP_INSTANCE_UID), uid(index.STUDY_INSTANCE_UID), uid(index.SERIES_INSTANCE_UID), syntax
    )


def _identity(kind: Kind, given: Json, digest: str) -> Json:
    """UIDs and the type 2 attributes of patient, study, series and equipment."""
    study = str((given.get(index.STUDY_INSTANCE_UID, {}).get("Value") or [uids.derived_uid("study", digest)])[0])
    row = attributes_of(
        StudyInstanceUID=study,
        SeriesInstanceUID=uids.derived_uid("series", study, kind),
        SOPInstanceUID=uids.derived_uid("instance", study, digest),
        SeriesNumber={"pdf": 9001, "jpeg": 9002, "png": 9003, "mp4": 9004}[kind],
        InstanceNumber=1,
    )
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID",
                    "ReferringPhysicianName", "Manufacturer", "ContentDate", "ContentTime"):  # fmt: skip
        row |= attributes_of(**{keyword: None})
    return row


def _pdf(path: File, source: BinaryIO) -> tuple[Json, Bulk, str]:
    size = path.stat().st_size
    if size > PDF_BYTES_MAX:
        raise Invalid(f"The PDF is larger than {PDF_BYTES_MAX >> 20} MB", code="too-large")
    source.seek(max(0, size - 2048))
    tail = source.read()
    if b"startxref" not in tail and b"%%EOF" not in tail:
        raise Invalid("The PDF is cut off: its end is missing", code="bad-content")
    row = attributes_of(
        SOPClassUID=ENCAPSULATED_PDF, Modality="DOC", ConversionType="WSD", AcquisitionDateTime=None, BurnedInAnnotation="YES",
        DocumentTitle=None, MIMETypeOfEncapsulatedDocument="application/pdf", EncapsulatedDocumentLength=size,
    )  # fmt: skip
    row["0040A043"] = {"vr": "SQ"}
    row["00420011"] = {"vr": "OB", "BulkDataURI": "document"}
    return row, path, uids.EXPLICIT_LITTLE


def _pixel_row(info: PixelInfo) -> Json:
    row = attributes_of(
        SamplesPerPixel=info.samples, PhotometricInterpretation=info.photometric, Rows=info.rows, Columns=info.columns,
        BitsAllocated=info.bits_allocated, BitsStored=info.bits_stored, HighBit=info.bits_stored - 1, PixelRepresentation=0,
    )  # fmt: skip
    if info.samples > 1:
        row |= attributes_of(PlanarConfiguration=0)
    row["00200060"] = {"vr": "CS"}  # Laterality: unknown
    row["7FE00010"] = {"vr": "OB", "BulkDataURI": "pixels"}
    return row


def _photo_row(info: PixelInfo) -> Json:
    row = _pixel_row(info) | attributes_of(SOPClassUID=VL_PHOTOGRAPHIC, Modality="XC", PatientOrientation=None, BurnedInAnnotation="YES")
    row["00080008"] = element("CS", "ORIGINAL", "PRIMARY")
    row["00400555"] = {"vr": "SQ"}
    return row


def _lossy(row: Json, ratio: float, method: str) -> Json:
    return row | attributes_of(LossyImageCompression="01", LossyImageCompressionRatio=round(ratio, 2), LossyImageCompressionMethod=method)


def _opened(path: File, kind: str) -> Image.Image:
    """The decoded picture; bounded before it is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with path.open("rb") as source:
                picture = Image.open(source, formats=[kind.upper()])
                if picture.width * picture.height > PIXELS_MAX or max(picture.size) > 65535:
                    raise Invalid(f"The picture has more than {PIXELS_MAX // 1_000_000} million pixels", code="too-large")
                picture.load()
            return picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Invalid("The picture has too many pixels", code="too-large") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, KeyError, IndexError, EOFError) as error:
        raise Invalid(f"The {kind.upper()} cannot be decoded", code="bad-content", detail=repr(error)[:200]) from error


def _jpeg(path: File, source: BinaryIO) -> tuple[Json, Bulk, str]:
    """Baseline bytes are kept as they are; progressive, CMYK and turned pictures are stored as what they show, without loss."""
    picture = _opened(path, "jpeg")
    size = path.stat().st_size
    ratio = picture.width * picture.height * len(picture.getbands()) / size
    data = source.read()
    marker = _frame_marker(data)
    turned = picture.getexif().get(0x0112, 1) not in (0, 1)
    if marker not in (0xC0, 0xC1) or picture.mode not in ("L", "RGB") or turned:
        upright = ImageOps.exif_transpose(picture)
        row, bulk, syntax = _lossless(upright.convert("L" if upright.mode == "L" else "RGB"))
        return _lossy(_photo_row(row), ratio, "ISO_10918_1"), bulk, syntax
    samples = len(picture.getbands())
    photometric = "MONOCHROME2" if samples == 1 else _colours(data)
    info = PixelInfo(picture.height, picture.width, samples, 8, 8, photometric=photometric)
    end = data.rfind(b"\xff\xd9")
    syntax = uids.JPEG_BASELINE if marker == 0xC0 else uids.JPEG_EXTENDED
    return _lossy(_photo_row(info), ratio, "ISO_10918_1"), [data if end < 0 else data[: end + 2]], syntax


def _frame_marker(data: bytes) -> int:
    """The marker of the frame header, which names the process; 0 without one (ISO 10918-1 B.2.2)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0


def _colours(data: bytes) -> str:
    adobe = data[:4096].find(b"Adobe")
    if adobe > 0 and data[adobe + 11 : adobe + 12] == b"\0":
        return "RGB"
    return "YBR_FULL_422"  # whatever the sampling: the only YCbCr that PS3.3 C.8.12.1.1.1 lists for JPEG


def _lossless(picture: Image.Image) -> tuple[PixelInfo, Bulk, str]:
    array = np.ascontiguousarray(np.asarray(picture))
    samples = 1 if array.ndim == 2 else 3
    bits = array.dtype.itemsize * 8
    info = PixelInfo(array.shape[0], array.shape[1], samples, bits, bits, photometric="RGB" if samples == 3 else "MONOCHROME2")
    return info, [codecs.encode(array, info, uids.JPEG_LS_LOSSLESS)[0]], uids.JPEG_LS_LOSSLESS


def _png(path: File, source: BinaryIO) -> tuple[Json, Bulk, str]:
    picture = _opened(path, "png")
    if picture.mode.startswith("I"):
        array = np.asarray(picture)
        picture = Image.fromarray(array.astype(np.uint16))
    elif "A" in picture.mode or "transparency" in picture.info:
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
    else:
        picture = picture.convert("L" if picture.mode in ("1", "L") else "RGB")
    info, bulk, syntax = _lossless(picture)
    row = _pixel_row(info) | attributes_of(SOPClassUID=SECONDARY_CAPTURE, Modality="OT", ConversionType="WSD", PatientOrientation=None,
                                           BurnedInAnnotation="YES")  # fmt: skip
    row["00080008"] = element("CS", "ORIGINAL", "PRIMARY")
    if info.samples == 1:
        row |= attributes_of(RescaleIntercept=0, RescaleSlope=1, RescaleType="US", PresentationLUTShape="IDENTITY")
    return row, bulk, syntax


def _mp4(path: File, source: BinaryIO) -> tuple[Json, Bulk, str]:
    video = mp4.read(source)
    size = path.stat().st_size
    if size >= 0xFFFFFFFE:
        raise Invalid("A video of 4 GB or more has no form in DICOM", code="too-large")
    bits = 8 if video.bits == 8 else 16
    info = PixelInfo(video.rows, video.columns, 3, bits, video.bits, photometric="YBR_PARTIAL_420", frames=video.frames)
    row = _photo_row(info) | attributes_of(
        SOPClassUID=VIDEO_PHOTOGRAPHIC, NumberOfFrames=video.frames, FrameTime=round(video.frame_time_ms, 6),
        CineRate=max(1, round(1000 / video.frame_time_ms)),
    )  # fmt: skip
    row["00280009"] = element("AT", "00181063")
    region = attributes_of(CodeValue="123037004", CodingSchemeDesignator="SCT", CodeMeaning="Body structure")  # says no more than we know
    row["00082218"] = element("SQ", region)
    raw = video.rows * video.columns * 1.5 * video.frames
    return _lossy(row, raw / size, video.compression), [path], video.transfer_syntax_uid


_ACTS: dict[Kind, Callable[[File, BinaryIO], tuple[Json, Bulk, str]]] = {"pdf": _pdf, "jpeg": _jpeg, "png": _png, "mp4": _mp4}
