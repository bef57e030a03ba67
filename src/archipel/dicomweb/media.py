"""Media types of pixel data and the transfer syntaxes that they carry (PS3.18 8.7.3, Tables 8.7.3-4 and 8.7.3-5)."""

from __future__ import annotations

from dataclasses import dataclass

from archipel.dicom import uids
from archipel.dicom.render import IMAGE_TYPES

OCTETS = "application/octet-stream"
# Media type -> transfer syntaxes, the default first.
SYNTAXES_OF_MEDIA: dict[str, tuple[str, ...]] = {
    "image/jpeg": (
        uids.JPEG_LOSSLESS_SV1,
        uids.JPEG_BASELINE,
        uids.JPEG_EXTENDED,
        uids.JPEG_LOSSLESS,
        uids.JPEG_SPECTRAL,
        uids.JPEG_PROGRESSIVE,
    ),
    "image/dicom-rle": (uids.RLE,),
    "image/jls": (uids.JPEG_LS_LOSSLESS, uids.JPEG_LS_NEAR),
    "image/jp2": (uids.JPEG_2000_LOSSLESS, uids.JPEG_2000),
    "image/jpx": (uids.JPEG_2000_PART2_LOSSLESS, uids.JPEG_2000_PART2),
    "image/jphc": (uids.HTJ2K_LOSSLESS, uids.HTJ2K_LOSSLESS_RPCL, uids.HTJ2K),
    "image/jxl": (uids.JPEG_XL_LOSSLESS, uids.JPEG_XL_JPEG, uids.JPEG_XL),
    "video/mpeg": ("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.100.1", "1.2.840.10008.1.2.4.101", "1.2.840.10008.1.2.4.101.1"),
    "video/mp4": tuple(f"1.2.840.10008.1.2.4.{n}{tail}" for n in (102, 103, 104, 105, 106, 107, 108) for tail in ("", ".1")),
}
# Names that clients also use for them.
OTHER_NAMES = {
    "image/dicom+rle": "image/dicom-rle",
    "image/x-dicom-rle": "image/dicom-rle",
    "image/dicom+jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/dicom+jpeg-ls": "image/jls",
    "image/dicom+jls": "image/jls",
    "image/x-jls": "image/jls",
    "image/dicom+jp2": "image/jp2",
    "image/j2k": "image/jp2",
    "image/dicom+jpx": "image/jpx",
    "image/dicom+jphc": "image/jphc",
    "image/jph": "image/jphc",
    "video/mpeg2": "video/mpeg",
}
MEDIA_OF_SYNTAX: dict[str, str] = {
    **{syntax: media for media, syntaxes in SYNTAXES_OF_MEDIA.items() for syntax in syntaxes},
    **dict.fromkeys(uids.NATIVE, OCTETS),
    uids.DEFLATED_FRAMES: "application/x-deflate",
}


def media_of(transfer_syntax_uid: str) -> str:
    """The media type of a frame as it is stored."""
    return MEDIA_OF_SYNTAX.get(transfer_syntax_uid, OCTETS)


@dataclass(frozen=True)
class JpegHeader:
    """What the frame header of a JPEG says (ITU-T T.81 B.2.2, SOF)."""

    transfer_syntax_uid: str
    bits: int
    rows: int
    columns: int
    samples: int


def jpeg_header(data: bytes) -> JpegHeader | None:
    """The frame header of a JPEG codestream, None when it has none."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAME_HEADERS:
            syntax = uids.JPEG_LOSSLESS_SV1 if marker == 0xC3 and _predictor(data) == 1 else _FRAME_HEADERS[marker]
            rows, columns = (int.from_bytes(data[at + place : at + place + 2], "big") for place in (5, 7))
            return JpegHeader(syntax, data[at + 4], rows, columns, data[at + 9])
        at += 2 + length
    return None


_FRAME_HEADERS = {
    0xC0: uids.JPEG_BASELINE,
    0xC1: uids.JPEG_EXTENDED,
    0xC2: uids.JPEG_PROGRESSIVE,
    0xC3: uids.JPEG_LOSSLESS,
    0xF7: uids.JPEG_LS_LOSSLESS,
}


def _predictor(data: bytes) -> int:
    """Selection value of the first scan header (SOS)."""
    at = data.find(b"\xff\xda")
    if at < 0 or at + 5 > len(data):
        return 0
    predictor = at + 5 + 2 * data[at + 4]
    return data[predictor] if predictor < len(data) else 0


# What comes from inside an instance is shown without scripts and without our origin.
_SANDBOX = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox", "X-Content-Type-Options": "nosniff"}


def safe(media: str) -> dict[str, str]:
    """Headers that keep what comes from inside an instance from acting in our origin."""
    return {"X-Content-Type-Options": "nosniff"} if media in IMAGE_TYPES or media == "application/pdf" else _SANDBOX
