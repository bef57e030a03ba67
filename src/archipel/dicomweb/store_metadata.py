"""STOW-RS of metadata and bulk data: instances put together from DICOM JSON or XML and the parts that it refers to
(PS3.18 8.7.3.4, 10.5.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from archipel.archive import Fate, Incoming, Outcome, Source
from archipel.dicom import jsonmodel, uids, xmlmodel
from archipel.dicom.index import SOP_CLASS_UID, SOP_INSTANCE_UID, path_of
from archipel.dicomweb.accept import media_type
from archipel.dicomweb.media import OCTETS, SYNTAXES_OF_MEDIA, JpegHeader, jpeg_header
from archipel.dicomweb.reader import Part
from archipel.kit.disk import disk_error
from archipel.kit.errors import ArchipelError, Invalid, LimitReached
from archipel.kit.scratch import Scratch
from archipel.kit.spool import Spool, Spooled

_JSON = ("application/dicom+json", "application/json")
_XML = ("application/dicom+xml", "application/xml", "text/xml")
PIXEL_DATA = path_of("PixelData")
AVAILABLE_SYNTAX = path_of("AvailableTransferSyntaxUID")
META_SYNTAX = "00020010"
COPY_BYTES = 256 * 1024
INSTANCES_COUNT_MAX = 10_000


@dataclass(frozen=True)
class Bulk:
    """One part of bulk data: where its bytes are, and the transfer syntax that its media type says ('' for uncompressed)."""

    spooled: Spooled
    media: str
    transfer_syntax_uid: str
    error: ArchipelError | None
    jpeg: JpegHeader | None = None

    def value(self) -> bytes | Scratch:
        """The bytes of an uncompressed value."""
        if self.error is not None:
            raise self.error
        if self.spooled.memory is not None:
            return bytes(self.spooled.memory)
        with self.spooled.open():  # flushes it
            assert self.spooled.scratch is not None
            return self.spooled.scratch


def read(received: Sequence[Part], json_bytes_max: int) -> tuple[list[dict[str, Any]], dict[str, Bulk]]:
    """The instances' attributes, and the bulk data by Content-Location. Raises Invalid when there is no metadata."""
    rows: list[dict[str, Any]] = []
    bulk: dict[str, Bulk] = {}
    for part in received:
        media, parameters = media_type(part.headers.get("content-type") or "application/octet-stream", field="Content-Type")
        if media in _JSON or media in _XML:
            rows += _rows(part, media, json_bytes_max)
            continue
        location = part.headers.get("content-location") or part.headers.get("content-id", "").strip("<>")
        if not location:
            raise Invalid(f"Part {part.number} has no Content-Location: no attribute can refer to it.", code="no-location")
        jpeg = _jpeg(part) if media == "image/jpeg" and part.error is None else None
        bulk[location] = Bulk(part.spooled, media, _syntax(media, parameters, jpeg), part.error, jpeg)
    if not rows:
        raise Invalid("The body holds no metadata.", code="no-parts")
    if len(rows) > INSTANCES_COUNT_MAX:
        raise LimitReached(f"A body of metadata describes at most {INSTANCES_COUNT_MAX} instances.", code="too-many-parts")
    return rows, bulk


def _rows(part: Part, media: str, bytes_max: int) -> list[dict[str, Any]]:
    if part.error is not None:
        raise part.error
    if part.spooled.size_bytes > bytes_max:
        raise LimitReached(f"Metadata has at most {bytes_max} bytes; send large values as bulk data.", code="too-large")
    with part.spooled.open() as file:
        data = file.read()
    if media in _XML:
        return [xmlmodel.from_xml(data)]
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Invalid("The metadata is no well-formed JSON.", code="bad-json", detail=str(error)[:200]) from error
    rows = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) for row in rows):
        raise Invalid("The metadata is no array of DICOM JSON objects.", code="bad-json")
    return cast(list[dict[str, Any]], rows)


def _jpeg(part: Part) -> JpegHeader | None:
    with part.spooled.open() as file:
        return jpeg_header(file.read(COPY_BYTES))


def _syntax(media: str, parameters: dict[str, str], jpeg: JpegHeader | None) -> str:
    said = parameters.get("transfer-syntax", "")
    if uids.is_uid(said) and said not in uids.NATIVE:
        return said
    if jpeg is not None:
        return jpeg.transfer_syntax_uid
    return SYNTAXES_OF_MEDIA.get(media, ("",))[0]


def make(row: dict[str, Any], bulk: dict[str, Bulk], spool: Spool, source: Source) -> Incoming | Outcome:
    """One instance as a dataset on its way to the archive, or why it cannot be made."""
    spooled = spool.new()
    try:
        row = {name: _decided(element) for name, element in row.items()}
        pixels = row.get(PIXEL_DATA)
        uri = pixels.get("BulkDataURI") if isinstance(pixels, dict) else None
        found = bulk.get(uri) if isinstance(uri, str) else None
        syntax = found.transfer_syntax_uid if found else ""
        said = _text(row, AVAILABLE_SYNTAX) or _text(row, META_SYNTAX)
        if syntax and uids.is_uid(said) and said in _alternatives(syntax):
            syntax = said
        row.pop(AVAILABLE_SYNTAX, None)
        out = cast(BinaryIO, spooled)
        if found is not None and not syntax and found.media != OCTETS:
            raise Invalid(f"Pixel data in {found.media[:60]} cannot be stored as it is.", code="unsupported-media")
        if found is not None and syntax:
            del row[PIXEL_DATA]
            row = _described(found.jpeg) | row
            trailing = {name: row.pop(name) for name in [*row] if name.upper() > PIXEL_DATA}
            _write(row, out, bulk)
            _encapsulate(found, spooled)
            if trailing:
                _write(trailing, out, bulk)
        else:
            _write(row, out, bulk)
    except (ArchipelError, OSError) as problem:
        spooled.close()
        error = problem if isinstance(problem, ArchipelError) else disk_error(problem, code="spool")
        return Outcome(Fate.REFUSED, sop_class_uid=_text(row, SOP_CLASS_UID), sop_instance_uid=_text(row, SOP_INSTANCE_UID), error=error)
    return Incoming(spooled, syntax or uids.EXPLICIT_LITTLE, "", "", source)


def _described(jpeg: JpegHeader | None) -> dict[str, Any]:
    """The Image Pixel attributes that a JPEG says of itself, for metadata that leaves them out (PS3.18 8.7.3.4)."""
    if jpeg is None:
        return {}
    colour = jpeg.samples == 3
    numbers = {
        "SamplesPerPixel": jpeg.samples, "Rows": jpeg.rows, "Columns": jpeg.columns, "BitsAllocated": 8 if jpeg.bits <= 8 else 16,
        "BitsStored": jpeg.bits, "HighBit": jpeg.bits - 1, "PixelRepresentation": 0, **({"PlanarConfiguration": 0} if colour else {}),
    }  # fmt: skip
    row: dict[str, Any] = {path_of(name): {"vr": "US", "Value": [value]} for name, value in numbers.items()}
    row[path_of("PhotometricInterpretation")] = {"vr": "CS", "Value": ["YBR_FULL_422" if colour else "MONOCHROME2"]}
    return row


def _write(row: dict[str, Any], out: BinaryIO, bulk: dict[str, Bulk]) -> None:
    def value(uri: str) -> bytes | Scratch:
        if uri not in bulk:
            raise Invalid(f"No part has the Content-Location {uri[:120]!r}.", code="bulk-missing")
        return bulk[uri].value()

    jsonmodel.write_dataset_json(row, out, "ISO_IR 192", uids.EXPLICIT_LITTLE, bulk=value)


def _encapsulate(found: Bulk, spooled: Spooled) -> None:
    """Pixel Data of one fragment after an empty offset table (PS3.5 A.4), copied, never held in memory."""
    if found.error is not None:
        raise found.error
    length = found.spooled.size_bytes
    if length >= 0xFFFFFFFE:
        raise LimitReached("Compressed pixel data of one part has at most 4 GB.", code="too-large")
    spooled.write(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0")
    spooled.write(b"\xfe\xff\0\xe0" + (length + length % 2).to_bytes(4, "little"))
    with found.spooled.open() as file:
        while chunk := file.read(COPY_BYTES):
            spooled.write(chunk)
    spooled.write(b"\0" * (length % 2) + b"\xfe\xff\xdd\xe0\0\0\0\0")


def _decided(element: Any) -> Any:
    """An element whose writer left the VR open ("OB or OW", as pydicom does) without it: the dictionary decides."""
    if isinstance(element, dict) and " or " in str(element.get("vr")):
        return {name: value for name, value in element.items() if name != "vr"}
    return element


def _alternatives(syntax: str) -> tuple[str, ...]:
    """The transfer syntaxes that share a media type."""
    return next((some for some in SYNTAXES_OF_MEDIA.values() if syntax in some), ())


def _text(row: dict[str, Any], path: str) -> str:
    element = row.get(path)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else ""
