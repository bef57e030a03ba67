"""The table: for every stored transfer syntax and every form of Accept, what is sent.

The expected cells are written out here and not computed; docs/reference/dicomweb.md shows the same table.
"""

from __future__ import annotations

import pytest

from archipel.dicomweb import negotiate
from archipel.dicomweb.accept import NotAcceptable, parse_accept

P = "1.2.840.10008.1.2"
LE, IMPLICIT, BIG, DEFLATED, RLE = f"{P}.1", P, f"{P}.2", f"{P}.1.99", f"{P}.5"
BASELINE, EXTENDED, LOSSLESS, SV1 = f"{P}.4.50", f"{P}.4.51", f"{P}.4.57", f"{P}.4.70"
JLS, JLS_NEAR, J2K, J2K_LOSSY, HTJ2K, HTJ2K_RPCL, HTJ2K_LOSSY, MPEG2, MP4, JXL = (
    f"{P}.4.{n}" for n in (80, 81, 90, 91, 201, 202, 203, 100, 102, 110)
)
NATIVE = (LE, IMPLICIT, BIG, DEFLATED)
DECODABLE = (*NATIVE, RLE, BASELINE, EXTENDED, LOSSLESS, SV1, JLS, JLS_NEAR, J2K, J2K_LOSSY, HTJ2K, HTJ2K_RPCL, HTJ2K_LOSSY)
MEDIA = {
    RLE: "image/dicom-rle", BASELINE: "image/jpeg", EXTENDED: "image/jpeg", LOSSLESS: "image/jpeg", SV1: "image/jpeg", JLS: "image/jls",
    JLS_NEAR: "image/jls", J2K: "image/jp2", J2K_LOSSY: "image/jp2", HTJ2K: "image/jphc", HTJ2K_RPCL: "image/jphc",
    HTJ2K_LOSSY: "image/jphc", MPEG2: "video/mpeg", MP4: "video/mp4",
}  # fmt: skip
VIDEO = (MPEG2, MP4)
ALL = (*DECODABLE, *VIDEO)
OCTETS = "application/octet-stream"


@pytest.mark.parametrize("stored", ALL)
@pytest.mark.parametrize(
    ("accept", "multipart"),
    [
        ("", True), ("*/*", True), ('multipart/related; type="application/dicom"', True), ("multipart/related", True),
        ("multipart/related; type=application/dicom", True), ("application/dicom", False), ("application/*", False),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", True),
    ],
)  # fmt: skip
def test_instances_without_a_syntax(stored: str, accept: str, multipart: bool) -> None:
    form = negotiate.instances(parse_accept([accept]), [stored], single=True)
    assert form.multipart is multipart
    assert form.syntax_of == {stored: stored if stored in VIDEO else LE}


@pytest.mark.parametrize("stored", [*ALL, JXL, "1.2.3.4"])
@pytest.mark.parametrize(
    "media", ['multipart/related; type="application/dicom"', "multipart/related; type=application/dicom", "application/dicom"]
)
def test_instances_as_stored(stored: str, media: str) -> None:
    for syntax in ("*", stored):
        form = negotiate.instances(parse_accept([f"{media}; transfer-syntax={syntax}"]), [stored], single=True)
        assert form.syntax_of == {stored: stored}


@pytest.mark.parametrize("stored", ALL)
@pytest.mark.parametrize("asked", [LE, IMPLICIT, BIG, DEFLATED, RLE, BASELINE, SV1, JLS, J2K, HTJ2K, J2K_LOSSY, MP4])
def test_instances_in_a_named_syntax(stored: str, asked: str) -> None:
    wishes = parse_accept([f'multipart/related; type="application/dicom"; transfer-syntax={asked}'])
    if asked != stored and (stored in VIDEO or asked in (J2K_LOSSY, MP4)):
        with pytest.raises(NotAcceptable):
            negotiate.instances(wishes, [stored], single=True)
    else:
        assert negotiate.instances(wishes, [stored], single=True).syntax_of == {stored: asked}


def test_the_first_form_that_fits_is_taken() -> None:
    wishes = parse_accept([f"image/jpeg, application/dicom; transfer-syntax={J2K_LOSSY}, application/dicom; transfer-syntax={J2K}; q=0.5"])
    assert negotiate.instances(wishes, [LE], single=True).syntax_of == {LE: J2K}
    with pytest.raises(NotAcceptable):
        negotiate.instances(parse_accept(["application/dicom"]), [LE], single=False)
    mixed = negotiate.instances(
        parse_accept([f"multipart/related; type=application/dicom; transfer-syntax={J2K}"]), [LE, MP4], single=False
    )
    assert mixed.syntax_of == {LE: J2K, MP4: None}


@pytest.mark.parametrize("stored", ALL)
@pytest.mark.parametrize(
    ("accept", "multipart"),
    [("", True), ("*/*", True), ("multipart/related", True), ('multipart/related; type="*/*"', True)],
)
def test_frames_when_anything_is_accepted(stored: str, accept: str, multipart: bool) -> None:
    form = negotiate.frames(parse_accept([accept]), stored, 1)
    expected = (MEDIA[stored], stored) if stored in VIDEO else (OCTETS, LE)
    assert (form.media, form.transfer_syntax_uid) == expected
    assert form.multipart is multipart


@pytest.mark.parametrize("stored", ALL)
@pytest.mark.parametrize(
    "accept",
    ['multipart/related; type="application/octet-stream"', "multipart/related; type=application/octet-stream", "application/octet-stream",
     f"application/octet-stream; transfer-syntax={LE}"],
)  # fmt: skip
def test_frames_uncompressed(stored: str, accept: str) -> None:
    wishes = parse_accept([accept])
    if stored in VIDEO:
        with pytest.raises(NotAcceptable):
            negotiate.frames(wishes, stored, 1)
        return
    form = negotiate.frames(wishes, stored, 1)
    assert (form.media, form.transfer_syntax_uid, form.multipart) == (OCTETS, LE, accept.startswith("multipart"))


@pytest.mark.parametrize("stored", ALL)
@pytest.mark.parametrize("quote", ['"', ""])
def test_frames_as_ohif_asks(stored: str, quote: str) -> None:
    """Octets in any syntax: as stored, and the part says which syntax it is."""
    accept = f"multipart/related; type={quote}application/octet-stream{quote}; transfer-syntax=*"
    form = negotiate.frames(parse_accept([accept]), stored, 1)
    assert (form.media, form.transfer_syntax_uid) == (OCTETS, LE if stored in NATIVE else stored)


@pytest.mark.parametrize("stored", ALL)
@pytest.mark.parametrize(
    ("media", "default"),
    [("image/jpeg", SV1), ("image/jls", JLS), ("image/jp2", J2K), ("image/jphc", HTJ2K), ("image/dicom-rle", RLE), ("image/x-dicom-rle", RLE),
     ("image/dicom+jpeg", SV1)],
)  # fmt: skip
def test_frames_compressed(stored: str, media: str, default: str) -> None:
    plain = {"image/x-dicom-rle": "image/dicom-rle", "image/dicom+jpeg": "image/jpeg"}.get(media, media)
    for syntax in ("", "; transfer-syntax=*"):
        wishes = parse_accept([f'multipart/related; type="{media}"{syntax}'])
        if stored in VIDEO:
            with pytest.raises(NotAcceptable):
                negotiate.frames(wishes, stored, 1)
            continue
        form = negotiate.frames(wishes, stored, 1)
        expected = stored if MEDIA.get(stored) == plain else default
        assert (form.media, form.transfer_syntax_uid) == (plain, expected)


def test_frames_by_wildcards_and_lists() -> None:
    assert negotiate.frames(parse_accept(["image/*"]), J2K, 1).transfer_syntax_uid == J2K
    assert negotiate.frames(parse_accept(["image/*"]), LE, 1).transfer_syntax_uid == JLS
    assert negotiate.frames(parse_accept(["video/*"]), MP4, 1).media == "video/mp4"
    assert negotiate.frames(parse_accept(["image/png, image/jls;q=0.5"]), LE, 1).media == "image/jls"
    assert (
        negotiate.frames(parse_accept([f"multipart/related; type=application/octet-stream; transfer-syntax={J2K}"]), J2K, 1).media == OCTETS
    )
    for accept in ("image/png", "text/html", f"image/jls; transfer-syntax={J2K}", "video/mp4"):
        with pytest.raises(NotAcceptable):
            negotiate.frames(parse_accept([accept]), LE, 1)
    with pytest.raises(NotAcceptable):
        negotiate.frames(parse_accept(["application/octet-stream"]), LE, 2)
    unknown = negotiate.frames(parse_accept(["*/*"]), "1.2.3.4", 1)
    assert (unknown.media, unknown.transfer_syntax_uid) == (OCTETS, "1.2.3.4")
