"""Unique identifiers: our own, the transfer syntaxes by property, and the rule of the standard (PS3.5 9, PS3.6 A)."""

from __future__ import annotations

import re
import uuid

#: Derived from a fixed random UUID, so it needs no registered root (PS3.5 B.2).
IMPLEMENTATION_CLASS_UID = "2.25.259203853087174436212170383925482190177"
IMPLEMENTATION_VERSION_NAME = "ARCHIPEL_01"

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_SPECTRAL = "1.2.840.10008.1.2.4.53"
JPEG_PROGRESSIVE = "1.2.840.10008.1.2.4.55"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
JPEG_2000_PART2_LOSSLESS = "1.2.840.10008.1.2.4.92"
JPEG_2000_PART2 = "1.2.840.10008.1.2.4.93"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"
JPEG_XL_JPEG = "1.2.840.10008.1.2.4.111"
JPEG_XL = "1.2.840.10008.1.2.4.112"
VIDEO_PREFIX = "1.2.840.10008.1.2.4.10"

#: Pixel data in native form, one value field.
NATIVE: frozenset[str] = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*\Z")
_STRICT = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*\Z")
UID_LENGTH_MAX = 64


def is_uid(text: str) -> bool:
    """Whether the text can stand as a UID: digits and dots, 64 characters at most; leading zeros are tolerated."""
    return len(text) <= UID_LENGTH_MAX and _UID.match(text) is not None


def is_strict_uid(text: str) -> bool:
    """Whether the text follows PS3.5 9.1 to the letter (no component starts with a needless zero)."""
    return len(text) <= UID_LENGTH_MAX and _STRICT.match(text) is not None


def new_uid() -> str:
    """A new UID under 2.25 from a random UUID (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def derived_uid(*parts: str) -> str:
    """A UID under 2.25 that is always the same for the same parts, so that repeating an act gives the same object."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, chr(0).join(parts)).int}"


def is_encapsulated(transfer_syntax_uid: str) -> bool:
    """Whether pixel data of this syntax comes in fragments (PS3.5 A.4)."""
    return transfer_syntax_uid not in NATIVE


def is_video(transfer_syntax_uid: str) -> bool:
    """MPEG-2, MPEG-4 AVC and HEVC syntaxes (.100 to .108 and fragmentable forms)."""
    tail = transfer_syntax_uid.removeprefix(VIDEO_PREFIX)
    return tail != transfer_syntax_uid and tail[:1].isdigit() and (len(tail) == 1 or tail[1] == ".")
