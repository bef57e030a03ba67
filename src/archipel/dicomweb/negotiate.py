"""What is sent for what is stored and what is accepted: one table in rules (PS3.18 8.7.3, 8.7.5).

Without a transfer syntax the standard's default holds, Explicit VR Little Endian; what cannot be decoded (video, unknown
syntaxes) is then given as it is stored. ``transfer-syntax=*`` means as stored, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archipel.dicom import transcode, uids
from archipel.dicomweb.accept import ANY, NotAcceptable, Wish
from archipel.dicomweb.media import MEDIA_OF_SYNTAX, OCTETS, OTHER_NAMES, SYNTAXES_OF_MEDIA, media_of

DICOM = "application/dicom"
ZIP = "application/zip"
# Tried in this order when any image type is accepted and what is stored is none.
_IMAGES = ("image/jls", "image/jp2", "image/jphc")


@dataclass(frozen=True)
class InstanceForm:
    """How instances are given: one transfer syntax for each that is stored, None for one that cannot be given so.

    ``by_default``: the client named no syntax, so what turns out not to be decodable is given as it is stored.
    """

    media: str
    multipart: bool
    syntax_of: dict[str, str | None]
    by_default: bool = False


@dataclass(frozen=True)
class FrameForm:
    """How frames of one instance are given."""

    media: str
    multipart: bool
    transfer_syntax_uid: str

    @property
    def content_type(self) -> str:
        """The media type with its transfer syntax."""
        return f"{self.media}; transfer-syntax={self.transfer_syntax_uid}"


def instances(wishes: Sequence[Wish], stored: Sequence[str], *, single: bool) -> InstanceForm:
    """The form for instances in the ``stored`` syntaxes: that of the first wish that fits one of them at least.

    ``single``: the resource is one instance, which may come without multipart. Raises NotAcceptable.
    """
    kinds = sorted(set(stored))
    for wish in wishes:
        if wish.media == ZIP and not wish.multipart and not single:
            return InstanceForm(ZIP, False, {syntax: instance_syntax(wish.transfer_syntax or "*", syntax) for syntax in kinds})
        if not wish.takes(DICOM) or not (wish.multipart or wish.open or single):
            continue
        syntax_of = {syntax: instance_syntax(wish.transfer_syntax, syntax) for syntax in kinds}
        if any(syntax_of.values()):
            return InstanceForm(DICOM, wish.multipart or wish.open, syntax_of, by_default=not wish.transfer_syntax)
    raise NotAcceptable(
        f"This is stored in {', '.join(kinds)} and cannot be given in what is accepted; "
        'multipart/related; type="application/dicom"; transfer-syntax=* gives it as it is stored.'
    )


def instance_syntax(asked: str, stored: str) -> str | None:
    """The transfer syntax in which an instance is given, None when it cannot be."""
    if asked in ("*", stored):
        return stored
    if asked:
        return asked if transcode.can_transcode(stored, asked, lossy=True) else None
    return uids.EXPLICIT_LITTLE if transcode.can_transcode(stored, uids.EXPLICIT_LITTLE) else stored


def frames(wishes: Sequence[Wish], stored: str, frame_count: int) -> FrameForm:
    """The form for frames of an instance in the ``stored`` syntax. Raises NotAcceptable."""
    for wish in wishes:
        multipart = wish.multipart or wish.open
        if not multipart and frame_count != 1:
            continue
        found = _frame(wish, stored)
        if found is not None:
            return FrameForm(found[0], multipart, found[1])
    raise NotAcceptable(
        f"The frames are stored in {stored} and cannot be given in what is accepted; "
        'multipart/related; type="application/octet-stream"; transfer-syntax=* gives them as they are stored.'
    )


def _frame(wish: Wish, stored: str) -> tuple[str, str] | None:
    """Media type and transfer syntax of frames under one wish."""
    media = OTHER_NAMES.get(wish.media, wish.media)
    asked = wish.transfer_syntax
    native = native_of(stored)
    if media == ANY:
        if asked in ("", uids.EXPLICIT_LITTLE) and native:
            return OCTETS, native
        if asked in ("", "*", stored):
            return media_of(stored), native if stored in uids.NATIVE and native else stored
        return _compressed(MEDIA_OF_SYNTAX.get(asked, ""), asked, stored)
    if media in (OCTETS, "application/*"):
        return _octets(asked, stored, native)
    if media == "image/*":
        if media_of(stored).startswith("image/"):
            return _compressed(media_of(stored), asked, stored)
        return next((found for one in _IMAGES if (found := _compressed(one, asked, stored))), None)
    if media == "video/*":
        return _compressed(media_of(stored), asked, stored) if media_of(stored).startswith("video/") else None
    return _compressed(media, asked, stored)


def _octets(asked: str, stored: str, native: str) -> tuple[str, str] | None:
    if asked in ("", uids.EXPLICIT_LITTLE, uids.IMPLICIT_LITTLE):
        return (OCTETS, native) if native else None
    if asked in ("*", stored):  # viewers ask for any syntax in this way; the parts say which it is
        return OCTETS, native if stored in uids.NATIVE and native else stored
    return (OCTETS, asked) if _can_compress(stored, asked) else None


def _compressed(media: str, asked: str, stored: str) -> tuple[str, str] | None:
    syntaxes = SYNTAXES_OF_MEDIA.get(media, ())
    if not syntaxes:
        return None
    if stored in syntaxes and asked in ("", "*", stored):
        return media, stored
    wanted = asked if asked not in ("", "*") else syntaxes[0]
    return (media, wanted) if wanted in syntaxes and _can_compress(stored, wanted) else None


def _can_compress(stored: str, wanted: str) -> bool:
    return uids.is_encapsulated(wanted) and transcode.can_transcode(stored, wanted, lossy=True)


def native_of(stored: str) -> str:
    """The syntax of uncompressed frames, '' when they cannot be had."""
    return uids.EXPLICIT_LITTLE if transcode.can_transcode(stored, uids.EXPLICIT_LITTLE) else ""
