"""Datasets that are wrong in one way each, and what the standard has a receiver say to them."""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests import make
from tests.faults.watch import BIG, CT, DEFLATED, EXPLICIT, IMPLICIT, dataset

STORED = "stored"
# Code: status of C-STORE (PS3.4 Table B.2-1, PS3.7 Annex C), failure reason of STOW-RS (PS3.18 Table I.2-2).
REFUSALS: dict[str, tuple[range, range]] = {
    "unreadable": (range(0xC000, 0xD000), range(0xC000, 0xC001)),
    "not-dicom": (range(0xC000, 0xD000), range(0xC000, 0xC001)),
    "missing-uid": (range(0xC000, 0xD000), range(0xC000, 0xC001)),
    "malformed-uid": (range(0x0117, 0x0118), range(0xC000, 0xC001)),
    "too-deep": (range(0xC000, 0xD000), range(0xC000, 0xC001)),
    "too-large": (range(0xA700, 0xA800), range(0xA700, 0xA800)),
}


@dataclass(frozen=True)
class Case:
    """Bytes of a dataset with the UID that its command names; ``fates`` are ``stored`` or codes of refusal, any of them."""

    name: str
    data: bytes
    sop_instance_uid: str
    fates: tuple[str, ...]
    syntax: str = EXPLICIT


def renamed(data: bytes, ds: Dataset) -> tuple[str, bytes]:
    """The same bytes under a fresh SOP Instance UID of the same length."""
    uid = str(ds.SOPInstanceUID)
    fresh = f"{uid[:26]}{secrets.randbelow(9 * 10 ** (len(uid) - 27)) + 10 ** (len(uid) - 27)}"
    assert len(fresh) == len(uid)
    return fresh, data.replace(uid.encode(), fresh.encode())


def good() -> tuple[Dataset, bytes]:
    """A sound CT image and its bytes."""
    (ds,) = make.ct_study(instances=1)
    return ds, dataset(ds)


def element(group: int, number: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """An element in explicit VR little endian with a long length field, which may lie."""
    size = len(value) if length is None else length
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"OL"):
        return struct.pack("<HH2sHL", group, number, vr, 0, size) + value
    return struct.pack("<HH2sH", group, number, vr, size) + value


def boundaries(data: bytes) -> set[int]:
    """Where the elements of an explicit little-endian dataset without sequences end."""
    at, ends = 0, {0}
    while at < len(data):
        vr = data[at + 4 : at + 6]
        if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"OL"):
            at += 12 + struct.unpack_from("<L", data, at + 8)[0]
        else:
            at += 8 + struct.unpack_from("<H", data, at + 6)[0]
        ends.add(at)
    return ends


def before_pixels(data: bytes) -> int:
    """Where Pixel Data begins."""
    return data.index(b"\xe0\x7f\x10\x00O")


def truncated() -> Iterator[Case]:
    """Cut at many places: within heads, values and pixels. A cut between two elements behind the UIDs cannot be seen."""
    ds, data = good()
    ends = boundaries(data)
    series_uid_ends = data.index(b"\x20\0\x0e\0UI") + 8 + 2 * ((len(ds.SeriesInstanceUID) + 1) // 2)
    for at in sorted({2, 4, 6, 8, 10, *range(20, len(data) - 1, len(data) // 48 * 2), len(data) - 512, len(data) - 2}):
        whole = at in ends and at >= series_uid_ends
        uid, changed = renamed(data, ds)
        yield Case(f"cut at {at} of {len(data)}", changed[:at], uid, (STORED,) if whole else ("unreadable", "missing-uid", "not-dicom"))


def uids() -> Iterator[Case]:
    """Each of the four UIDs missing, empty, and malformed."""
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        for what, value in {"missing": None, "empty": ""}.items():
            ds, _ = good()
            uid = ds.SOPInstanceUID
            if value is None:
                del ds[keyword]
            else:
                setattr(ds, keyword, value)
            yield Case(f"{what} {keyword}", dataset(ds), uid, ("missing-uid",))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        for value in (
            b"ABC.DEF.1 ",
            b"1..2",
            b"1.2." + b"3" * 66,
            b"1.2.3\\4.5.6 ",
            b"../../etc/p",
            b"1.2.3.\xc3\xa9",
            b"-1.2.3",
            b"1.2.3.",
        ):
            ds, data = good()
            value += b"\0" * (len(value) % 2)
            uid = str(getattr(ds, keyword)).encode()
            old = len(uid).to_bytes(2, "little") + uid if len(uid) % 2 == 0 else (len(uid) + 1).to_bytes(2, "little") + uid + b"\0"
            data = data.replace(old, len(value).to_bytes(2, "little") + value)
            yield Case(f"{keyword} {value[:14]!r}", data, ds.SOPInstanceUID, ("malformed-uid",))


def _nested(depth: int, *, undefined: bool) -> bytes:
    """``depth`` sequences within each other, in a private creator's block-free element of group 0009."""
    value = b""
    for _ in range(depth):
        if undefined:
            item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + value + b"\xfe\xff\x0d\xe0\0\0\0\0"
            value = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
        else:
            item = b"\xfe\xff\x00\xe0" + len(value).to_bytes(4, "little") + value
            value = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, len(item)) + item
    return value


def structures() -> Iterator[Case]:
    """Nesting, lengths, duplicates."""
    for depth, fates in {200: (STORED,), 2000: (STORED, "too-deep")}.items():
        for undefined in (True, False):
            ds, data = good()
            at = before_pixels(data)
            name = f"{depth} levels of {'undefined' if undefined else 'declared'} length"
            yield Case(name, data[:at] + _nested(depth, undefined=undefined) + data[at:], ds.SOPInstanceUID, fates)
    ds, data = good()
    at = before_pixels(data)
    endless = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    fragments = b"\xe0\x7f\x10\0OW\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\x10\0\0\0" + b"x" * 16
    for name, tail in {
        "a sequence of undefined length that never ends": endless,
        "pixel data of undefined length that never ends, its fragments are whole": fragments,
        "pixel data of undefined length, cut within a fragment": fragments[:-6],
        "pixel data that declares 4 GB": element(0x7FE0, 0x10, b"OW", b"\0" * 64, length=0xFFFFFFFE),
        "an element that declares 4 GB": element(0x0043, 0x1010, b"UN", b"x" * 10, length=0xFFFFFFF0) + data[at:],
    }.items():
        uid, changed = renamed(data, ds)
        yield Case(name, changed[:at] + tail, uid, (STORED,) if "fragments are whole" in name else ("unreadable",))
    ds, data = good()
    for order in ("<", ">"):
        lying = struct.pack("<HH2sHL", 8, 0, b"UL", 4, 0x7FFFFFFF if order == "<" else 2)
        yield Case(f"wrong group length {order}", lying + data, ds.SOPInstanceUID, (STORED,))
        ds, data = good()
    twice = data.replace(b"\x10\0\x20\0LO", b"\x10\0\x20\0LO\x06\0T-0001\x10\0\x20\0LO")
    yield Case("Patient ID twice", twice, ds.SOPInstanceUID, (STORED, "unreadable"))
    ds, data = good()
    uid = element(8, 0x18, b"UI", (ds.SOPInstanceUID + "\0" * (len(ds.SOPInstanceUID) % 2)).encode())
    yield Case(
        "SOP Instance UID twice, the second other",
        data.replace(uid, uid + element(8, 0x18, b"UI", b"1.2.34")),
        ds.SOPInstanceUID,
        ("malformed-uid", "class-mismatch", "unreadable"),
    )
    ds, data = good()
    at = before_pixels(data)
    yield Case(
        "a thousand times the same element",
        data[:at] + element(0x20, 0x4000, b"LT", b"same") * 1000 + data[at:],
        ds.SOPInstanceUID,
        (STORED, "unreadable"),
    )


def huge() -> Iterator[Case]:
    """Values far larger than any that is indexed."""
    ds, data = good()
    at = before_pixels(data)
    yield Case(
        "a private element of 40 MB",
        data[:at] + element(0x43, 0x10, b"LO", b"X ") + element(0x43, 0x1010, b"UN", b"\1" * 40_000_000) + data[at:],
        ds.SOPInstanceUID,
        (STORED,),
    )
    ds, _ = good()
    ds.PatientComments = "c" * 60_000
    ds.StudyDescription = "d" * 60_000
    yield Case("descriptions of 60 kB", dataset(ds), ds.SOPInstanceUID, (STORED,))
    ds, _ = good()
    ds.RequestAttributesSequence = Sequence([Dataset() for _ in range(20_000)])
    yield Case("20,000 empty items", dataset(ds), ds.SOPInstanceUID, (STORED,))


def noise() -> Iterator[Case]:
    """What is no dataset at all."""
    for name, data in {
        "random bytes": os.urandom(5000), "zeros": bytes(5000), "text": b"<html><body>502 Bad Gateway</body></html>" * 20,
        "0xFF": b"\xff" * 5000, "JPEG": b"\xff\xd8\xff\xe0" + os.urandom(3000),
    }.items():  # fmt: skip
        yield Case(name, data, make.uid(), ("unreadable", "not-dicom", "missing-uid", "too-deep"))


def syntaxes() -> Iterator[Case]:
    """Every uncompressed way to write a dataset, and deflate streams that are broken."""
    for syntax in (IMPLICIT, BIG):
        ds, _ = good()
        yield Case(f"sound {syntax}", dataset(ds, syntax), ds.SOPInstanceUID, (STORED,), syntax)
        ds, _ = good()
        yield Case(f"cut {syntax}", dataset(ds, syntax)[:-5], ds.SOPInstanceUID, ("unreadable",), syntax)
    ds, data = good()
    packed = deflate(data)
    yield Case("sound deflated", packed, ds.SOPInstanceUID, (STORED,), DEFLATED)
    ds, data = good()
    yield Case("deflated with two bytes behind its end", deflate(data) + b"\0\0", ds.SOPInstanceUID, (STORED,), DEFLATED)
    for share in (0.01, 0.1, 0.5, 0.9, 0.98):
        ds, data = good()
        packed = deflate(data)
        yield Case(f"deflated, cut at {share}", packed[: int(len(packed) * share) // 2 * 2], ds.SOPInstanceUID, ("unreadable",), DEFLATED)
    ds, _ = good()
    yield Case("not deflated at all", b"\xff" * 500, ds.SOPInstanceUID, ("unreadable", "not-dicom", "missing-uid"), DEFLATED)
    ds, data = good()
    yield Case(
        "deflate bomb in pixels",
        bomb(data[: before_pixels(data)] + b"\xe0\x7f\x10\0OW\0\0\xfe\xff\xff\xff"),
        ds.SOPInstanceUID,
        ("too-large",),
        DEFLATED,
    )
    ds, data = good()
    yield Case(
        "deflate bomb in the header",
        bomb(data[:40] + element(9, 0x1010, b"UN", b"", length=0x7FFFFFF0)),
        ds.SOPInstanceUID,
        ("too-large",),
        DEFLATED,
    )


def deflate(data: bytes) -> bytes:
    """A raw deflate stream (PS3.5 A.5)."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = engine.compress(data) + engine.flush()
    return packed + b"\0" * (len(packed) % 2)  # PS3.5 A.5; DIMSE fragments are even


def bomb(head: bytes, megabytes: int = 600) -> bytes:
    """A deflate stream that starts soundly and inflates to gigabytes of zeros."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = [engine.compress(head)]
    block = engine.compress(bytes(1 << 20))
    out.append(block)
    for _ in range(megabytes - 1):
        out.append(engine.compress(bytes(1 << 20)))
    packed = b"".join(out) + engine.flush()
    return packed + b"\0" * (len(packed) % 2)


def cases() -> list[Case]:
    """All of them."""
    return [*truncated(), *uids(), *structures(), *huge(), *noise(), *syntaxes()]


__all__ = ["CT", "REFUSALS", "STORED", "Case", "cases"]
