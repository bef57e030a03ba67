"""Frames between their compressed and their native form, one frame at a time (PS3.5 8.2 and A.4).

Runs on foreign bytes in C code: call it in a ``pixels.PixelWorkers`` child, never in the server's own process.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import gdcm
import imagecodecs
import numpy as np
import rle.rle
from numpy.typing import NDArray

from archipel.dicom import uids
from archipel.dicom.frames import PixelInfo
from archipel.kit.errors import Invalid

Array = NDArray[Any]
_ERRORS = (RuntimeError, ValueError, TypeError, OSError, zlib.error, OverflowError, IndexError, EOFError)
_COLOUR_422 = ("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")
_YBR = ("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")


def dtype_of(info: PixelInfo) -> np.dtype[Any]:
    """Little-endian type of one sample in native form; single bits unpack to bytes."""
    if info.kind != "int":
        return np.dtype("<f4" if info.kind == "float" else "<f8")
    return np.dtype(f"<{'i' if info.signed else 'u'}{max(8, info.bits_allocated) // 8}")


def shape_of(info: PixelInfo) -> tuple[int, ...]:
    """(rows, columns) or (rows, columns, samples)."""
    return (info.rows, info.columns) if info.samples == 1 else (info.rows, info.columns, info.samples)


def decode(data: bytes, info: PixelInfo, transfer_syntax_uid: str) -> tuple[Array, PixelInfo]:
    """The frame as an array of ``shape_of`` and ``dtype_of``, and the attributes that it has now (colour by pixel, maybe RGB).

    Raises Invalid: undecodable, unsupported-syntax.
    """
    if transfer_syntax_uid in uids.NATIVE:
        return native(data, info, big=transfer_syntax_uid == uids.EXPLICIT_BIG)
    decoder = _DECODERS.get(transfer_syntax_uid)
    if decoder is None:
        raise Invalid(f"Pixel data in {transfer_syntax_uid} cannot be decoded here", code="unsupported-syntax")
    problems = []
    for attempt in decoder:
        try:
            array, now = attempt(data, info)
            return _fitted(array, now), now.but(planar=False)
        except _ERRORS as error:
            problems.append(f"{attempt.__name__}: {error!r:.120}")
    raise Invalid(
        f"A frame in {transfer_syntax_uid} cannot be decoded: the codestream is broken", code="undecodable", detail="; ".join(problems)
    )


def _fitted(array: Array, info: PixelInfo) -> Array:
    """The decoded samples in the shape and type that the attributes declare."""
    if array.size != info.pixels * info.samples or array.shape[:2] != (info.rows, info.columns):
        raise ValueError(f"decoded {array.shape}, declared {shape_of(info)}")
    array = array.reshape(shape_of(info))
    wanted = dtype_of(info)
    if info.signed and array.dtype.kind == "u":
        width = array.dtype.itemsize * 8
        shift = width - min(info.bits_stored, width)
        array = (array << shift).view(f"i{array.dtype.itemsize}") >> shift  # the sign bit is the highest stored bit
    return np.ascontiguousarray(array.astype(wanted, copy=False))


def native(data: bytes, info: PixelInfo, big: bool = False, skip_bits: int = 0) -> tuple[Array, PixelInfo]:
    """The frame in native form as an array; single bits are unpacked, 4:2:2 colour is opened to full."""
    if info.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[skip_bits : skip_bits + info.pixels]
        if bits.size != info.pixels:
            raise Invalid("The pixel data is shorter than its frames", code="undecodable")
        return bits.reshape(shape_of(info)), info
    kind = dtype_of(info).newbyteorder(">" if big else "<")
    if len(data) < (info.stored_bits_per_frame + 7) // 8:
        raise Invalid("The pixel data is shorter than its frames", code="undecodable")
    samples = np.frombuffer(data, kind, count=info.stored_bits_per_frame // info.bits_allocated)
    if info.photometric in _COLOUR_422 and info.samples == 3 and info.photometric == "YBR_FULL_422":
        return _opened(samples, info), info.but(photometric="YBR_FULL", planar=False)
    if info.samples > 1 and info.planar:
        array = np.ascontiguousarray(samples.reshape(info.samples, info.rows, info.columns).transpose(1, 2, 0))
    else:
        array = samples.reshape(shape_of(info))
    return array.astype(dtype_of(info), copy=False), info.but(planar=False)


def _opened(samples: Array, info: PixelInfo) -> Array:
    """Y1 Y2 Cb Cr of two pixels to Y Cb Cr of each (PS3.3 C.7.6.3.1.2)."""
    fours = samples.reshape(-1, 4)
    out = np.empty((info.pixels, 3), samples.dtype)
    out[0::2, 0], out[1::2, 0] = fours[:, 0], fours[:, 1]
    out[:, 1], out[:, 2] = np.repeat(fours[:, 2], 2), np.repeat(fours[:, 3], 2)
    return out.reshape(shape_of(info)).astype(dtype_of(info), copy=False)


def native_bytes(array: Array, info: PixelInfo, big: bool = False) -> bytes:
    """The array in native form, colour by pixel or by plane as ``info`` says; not padded."""
    if info.bits_allocated == 1:
        return np.packbits(array.reshape(-1), bitorder="little").tobytes()
    if info.samples > 1 and info.planar:
        array = array.transpose(2, 0, 1)
    return array.astype(dtype_of(info).newbyteorder(">" if big else "<"), copy=False).tobytes()


# ------------------------------------------------------------------------------------------------------------- decoders


def _has_segment(data: bytes, name: bytes) -> bool:
    """Whether a JFIF or Adobe segment stands before the frame header: they say what the colours are."""
    head = data[:4096]
    stop = min((at for at in (head.find(b"\xff\xc0"), head.find(b"\xff\xc1"), head.find(b"\xff\xc2")) if at > 0), default=len(head))
    return name in head[:stop]


def _jpeg(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    """DCT processes in 8 and 12 bits; colours come out as RGB."""
    if info.samples == 1:
        return imagecodecs.jpeg8_decode(data), info
    if info.photometric == "RGB" and not _has_segment(data, b"JFIF\0"):  # JFIF is YCbCr, whatever the attribute says
        return imagecodecs.jpeg8_decode(data, colorspace="RGB", outcolorspace="RGB"), info
    if info.photometric in _YBR and not _has_segment(data, b"Adobe"):
        return imagecodecs.jpeg8_decode(data, colorspace="YCBCR", outcolorspace="RGB"), info.but(photometric="RGB")
    return imagecodecs.jpeg8_decode(data), info.but(photometric="RGB")


def _jpeg_lossless(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    return imagecodecs.jpegsof3_decode(data), info


def _jpeg_lossless_turbo(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    array = imagecodecs.jpeg8_decode(data, colorspace="RGB", outcolorspace="RGB") if info.samples == 3 else imagecodecs.jpeg8_decode(data)
    return array, info


def _jpeg_ls(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    return imagecodecs.jpegls_decode(data), info


def _jpeg_2000(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    return imagecodecs.jpeg2k_decode(data), _rgb_after_transform(info)


def _htj2k(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    return imagecodecs.htj2k_decode(data), _rgb_after_transform(info)


def _jpeg_xl(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    return imagecodecs.jpegxl_decode(data), info.but(photometric="RGB") if info.samples == 3 else info


def _rgb_after_transform(info: PixelInfo) -> PixelInfo:
    return info.but(photometric="RGB") if info.photometric in ("YBR_RCT", "YBR_ICT") else info


def _rle(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    """PackBits by planes of bytes (PS3.5 G), by the Rust decoder: imagecodecs' reads out of bounds on broken segments."""
    try:
        if info.bits_allocated == 1:
            return _rle_bits(bytes(rle.rle.decode_segment(data[64:])), info), info
        raw = rle.rle.decode_frame(data, info.pixels, info.bits_allocated, "<")
    except BaseException as error:  # a panic of Rust is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError("broken RLE segment") from error
    kind = dtype_of(info)
    if len(raw) != info.pixels * info.samples * kind.itemsize:
        raise ValueError("wrong number of samples")
    planes = np.frombuffer(raw, kind).reshape(info.samples, info.rows, info.columns)
    return planes.transpose(1, 2, 0) if info.samples > 1 else planes[0], info


def _rle_bits(raw: bytes, info: PixelInfo) -> Array:
    """Single bits, packed or a byte each: both are written."""
    samples = np.frombuffer(raw, np.uint8)
    if samples.size >= info.pixels:
        return samples[: info.pixels].reshape(info.rows, info.columns)
    return np.unpackbits(samples, bitorder="little")[: info.pixels].reshape(info.rows, info.columns)


def _deflated_frame(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    raw = engine.decompress(data, info.frame_bytes + 1024)
    return native(raw, info)


def _gdcm(data: bytes, info: PixelInfo) -> tuple[Array, PixelInfo]:
    """What the others give up on; GDCM carries its own libjpeg, OpenJPEG and CharLS."""
    return decode_with_gdcm(data, info, _GDCM_SYNTAX[_kind_of(data)]), info


def _kind_of(data: bytes) -> str:
    if data[:2] == b"\xff\xd8":
        head = data[:65536]
        for mark, name in ((b"\xff\xf7", "ls"), (b"\xff\xc3", "lossless"), (b"\xff\xc1", "extended"), (b"\xff\xc0", "baseline")):
            if mark in head:
                return name
        return "baseline"
    return "2000"


_GDCM_SYNTAX = {
    "baseline": "JPEGBaselineProcess1",
    "extended": "JPEGExtendedProcess2_4",
    "lossless": "JPEGLosslessProcess14",
    "ls": "JPEGLSNearLossless",
    "2000": "JPEG2000",
}


def decode_with_gdcm(data: bytes, info: PixelInfo, syntax_name: str) -> Array:
    """The frame as GDCM decodes it, colours as they are in the codestream."""
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((info.columns, info.rows, 1))
    image.SetPlanarConfiguration(0)
    kind = gdcm.PixelFormat(info.samples, info.bits_allocated, info.bits_stored, info.bits_stored - 1, int(info.signed))
    image.SetPixelFormat(kind)
    photometric = gdcm.PhotometricInterpretation.GetPIType(info.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    image.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax_name)))
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(data)
    sequence = gdcm.SequenceOfFragments.New()
    sequence.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(sequence.__ref__())
    image.SetDataElement(element)
    raw = image.GetBuffer()
    if not isinstance(raw, str):
        raise ValueError("GDCM decodes nothing")
    array = np.frombuffer(raw.encode("utf-8", "surrogateescape"), dtype_of(info))
    return array.reshape(shape_of(info))


_Decoder = Callable[[bytes, PixelInfo], tuple[Array, PixelInfo]]
_DECODERS: dict[str, tuple[_Decoder, ...]] = {
    uids.JPEG_BASELINE: (_jpeg, _gdcm),
    uids.JPEG_EXTENDED: (_jpeg, _gdcm),
    uids.JPEG_SPECTRAL: (_jpeg,),
    uids.JPEG_PROGRESSIVE: (_jpeg,),
    uids.JPEG_LOSSLESS: (_jpeg_lossless, _jpeg_lossless_turbo, _gdcm),
    uids.JPEG_LOSSLESS_SV1: (_jpeg_lossless, _jpeg_lossless_turbo, _gdcm),
    uids.JPEG_LS_LOSSLESS: (_jpeg_ls, _gdcm),
    uids.JPEG_LS_NEAR: (_jpeg_ls, _gdcm),
    uids.JPEG_2000_LOSSLESS: (_jpeg_2000, _gdcm),
    uids.JPEG_2000: (_jpeg_2000, _gdcm),
    uids.JPEG_2000_PART2_LOSSLESS: (_jpeg_2000,),
    uids.JPEG_2000_PART2: (_jpeg_2000,),
    uids.HTJ2K_LOSSLESS: (_htj2k, _jpeg_2000),
    uids.HTJ2K_LOSSLESS_RPCL: (_htj2k, _jpeg_2000),
    uids.HTJ2K: (_jpeg_2000, _htj2k),  # OpenJPH does not clamp: lossy highlights turn black
    uids.JPEG_XL_LOSSLESS: (_jpeg_xl,),
    uids.JPEG_XL_JPEG: (_jpeg_xl,),
    uids.JPEG_XL: (_jpeg_xl,),
    uids.RLE: (_rle,),
    uids.DEFLATED_FRAMES: (_deflated_frame,),
}
DECODABLE: frozenset[str] = frozenset(_DECODERS) | uids.NATIVE


# ------------------------------------------------------------------------------------------------------------- encoders


def encode(array: Array, info: PixelInfo, transfer_syntax_uid: str, quality: int = 90) -> tuple[bytes, PixelInfo]:
    """The frame in the syntax and the attributes that it then has. All but JPEG baseline are lossless.

    Raises Invalid: unsupported-syntax when the syntax has no form for such pixels.
    """
    encoder = _ENCODERS.get(transfer_syntax_uid)
    why = None if encoder is None else unencodable(info, transfer_syntax_uid)
    if encoder is None or why:
        raise Invalid(f"Pixel data cannot be written in {transfer_syntax_uid}: {why or 'no encoder'}", code="unsupported-syntax")
    if info.signed and transfer_syntax_uid in (uids.JPEG_LS_LOSSLESS, uids.JPEG_LOSSLESS_SV1) and not _fits(array, info):
        raise Invalid("Samples reach beyond their stored bits and would lose their sign", code="unsupported-syntax")
    try:
        return encoder(array, info, quality)
    except _ERRORS as error:
        raise Invalid(f"A frame cannot be encoded in {transfer_syntax_uid}", code="undecodable", detail=repr(error)[:200]) from error


def unencodable(info: PixelInfo, transfer_syntax_uid: str) -> str:
    """Why such pixels have no form in the syntax, or ''."""
    if info.kind != "int" and transfer_syntax_uid not in uids.NATIVE:
        return "floating point"
    if transfer_syntax_uid == uids.RLE:
        return "" if info.bits_allocated in (8, 16, 32) and info.samples in (1, 3) else f"{info.bits_allocated} bits allocated"
    if transfer_syntax_uid == uids.JPEG_BASELINE:
        return "" if info.bits_allocated == 8 and info.samples in (1, 3) and not info.signed else "more than 8 bits"
    return "" if info.bits_allocated in (8, 16) and info.samples in (1, 3) else f"{info.bits_allocated} bits allocated"


def _unsigned(array: Array) -> Array:
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "i" else array


def _fits(array: Array, info: PixelInfo) -> bool:
    """Whether every sample lies within its stored bits (some hide overlays above)."""
    if info.signed:
        return bool(array.min() >= -(1 << info.bits_stored - 1) and array.max() < 1 << info.bits_stored - 1)
    return bool(array.max() < 1 << info.bits_stored)


def _encode_rle(array: Array, info: PixelInfo, quality: int) -> tuple[bytes, PixelInfo]:
    raw = np.ascontiguousarray(array).tobytes()
    return bytes(rle.rle.encode_frame(raw, info.rows, info.columns, info.samples, info.bits_allocated, "<")), info.but(
        planar=info.samples > 1
    )


def _encode_jpeg_ls(array: Array, info: PixelInfo, quality: int) -> tuple[bytes, PixelInfo]:
    room = 2 * array.nbytes + 4096  # noise grows
    return _without_spiff(bytes(imagecodecs.jpegls_encode(np.ascontiguousarray(_unsigned(array)), level=0, out=room))), info


def _without_spiff(data: bytes) -> bytes:
    """The codestream without its SPIFF header, which PS3.5 A.4.3 does not foresee and some decoders refuse."""
    at = 2
    while data[at : at + 2] in (b"\xff\xe8", b"\xff\xd8"):
        at += 2 if data[at : at + 2] == b"\xff\xd8" else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b"\xff\xd8" + data[at:]


def _transformed(info: PixelInfo) -> PixelInfo:
    return info.but(photometric="YBR_RCT") if info.photometric == "RGB" and info.samples == 3 else info


def _encode_jpeg_2000(array: Array, info: PixelInfo, quality: int) -> tuple[bytes, PixelInfo]:
    bits = info.bits_stored if _fits(array, info) else info.bits_allocated
    rgb = info.photometric == "RGB" and info.samples == 3
    data = imagecodecs.jpeg2k_encode(
        array, level=0, codecformat="j2k", bitspersample=bits, reversible=True, mct=rgb, resolutions=_resolutions(info)
    )
    return bytes(data), _transformed(info)


def _resolutions(info: PixelInfo) -> int:
    """Decomposition levels that a small image can bear, six at most."""
    return max(1, min(6, min(info.rows, info.columns).bit_length()))


def _encode_htj2k(array: Array, info: PixelInfo, quality: int) -> tuple[bytes, PixelInfo]:
    rgb = info.photometric == "RGB" and info.samples == 3
    return bytes(imagecodecs.htj2k_encode(array, reversible=True, rgb=rgb)), _transformed(info)


def _encode_jpeg_lossless(array: Array, info: PixelInfo, quality: int) -> tuple[bytes, PixelInfo]:
    options: dict[str, Any] = {"colorspace": "RGB", "outcolorspace": "RGB"} if info.samples == 3 else {}
    # Signed samples go out whole: a decoder would take the highest bit of a narrower code for the sign.
    bits = info.bits_stored if not info.signed and _fits(array, info) else info.bits_allocated
    plain = np.ascontiguousarray(_unsigned(array))
    return bytes(imagecodecs.jpeg8_encode(plain, lossless=True, predictor=1, bitspersample=max(bits, 2), **options)), info


def _encode_jpeg(array: Array, info: PixelInfo, quality: int) -> tuple[bytes, PixelInfo]:
    if info.samples == 1:
        return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(array), level=quality)), info
    source = "RGB" if info.photometric == "RGB" else "YCBCR"
    data = imagecodecs.jpeg8_encode(np.ascontiguousarray(array), level=quality, colorspace=source, outcolorspace="YCBCR", subsampling="422")
    return bytes(data), info.but(photometric="YBR_FULL_422")


_Encoder = Callable[[Array, PixelInfo, int], tuple[bytes, PixelInfo]]
_ENCODERS: dict[str, _Encoder] = {
    uids.RLE: _encode_rle,
    uids.JPEG_LS_LOSSLESS: _encode_jpeg_ls,
    uids.JPEG_2000_LOSSLESS: _encode_jpeg_2000,
    uids.HTJ2K_LOSSLESS: _encode_htj2k,
    uids.JPEG_LOSSLESS_SV1: _encode_jpeg_lossless,
    uids.JPEG_BASELINE: _encode_jpeg,
}
ENCODABLE: frozenset[str] = frozenset(_ENCODERS)
LOSSY_TARGETS: frozenset[str] = frozenset({uids.JPEG_BASELINE})
