"""Every stored syntax into every other: the same samples by a second library, the same elements."""

from __future__ import annotations

import io
import random
import subprocess
import time
import warnings
from pathlib import Path
from struct import pack

import numpy as np
import pydicom
import pytest

from archipel.dicom import codecs, frames, jsonmodel, part10, transcode, uids, walk
from archipel.dicom.header import inflated
from archipel.kit.errors import Invalid
from tests.dicom.samples import kept
from tests.servers import missing

#: One small sample for each stored syntax and kind of pixels.
SOURCES = [
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEGLSNearLossless_16.dcm",
    "JPEG2000.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "emri_small_RLE.dcm",
    "HTJ2K_08_RGB.dcm",
    "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm",
    "CT_JPEGProcess6_8.dcm",
    "CT_JPEGProcess10_12.dcm",
    "JPEGBaseline_1s_1f_u_08_08.dcm",
    "CT0012.fragmented_no_bot_jpeg_lossless.57.dcm",
    "MR-JPEGLosslessSV1.dcm",
    "liver_deflate.dcm",
    "liver_1frame.dcm",
    "rtdose.dcm",
    "parametric_map_float.dcm",
    "test-SR.dcm",
    "seg_image_ct_binary.dcm",
    "YBR_FULL-RLE.dcm",
    "liver_nonbyte_aligned_rle.dcm",
]


def load(name: str) -> tuple[bytes, str]:
    data = kept(name).read_bytes()
    meta = part10.split(io.BytesIO(data))
    return data[meta.dataset_offset :], meta.transfer_syntax_uid


def digest(data: bytes, syntax: str) -> str:
    if syntax == uids.DEFLATED:
        data, syntax = b"".join(inflated(io.BytesIO(data))), uids.EXPLICIT_LITTLE
    return transcode.pixel_digest(io.BytesIO(data), syntax)


def converted(data: bytes, from_: str, to: str) -> bytes:
    out = io.BytesIO()
    transcode.transcode(io.BytesIO(data), from_, to, out)
    return out.getvalue()


def dataset(data: bytes, syntax: str) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(part10.file_meta_bytes("1.2", "1.3", syntax) + data))


_PLUGIN = {
    uids.JPEG_LS_LOSSLESS: "pyjpegls",
    uids.JPEG_LS_NEAR: "pyjpegls",
    uids.JPEG_2000: "pylibjpeg",
    uids.JPEG_2000_LOSSLESS: "pylibjpeg",
    uids.HTJ2K_LOSSLESS: "pylibjpeg",
    uids.HTJ2K: "pylibjpeg",
    uids.RLE: "pydicom",
}


@pytest.mark.parametrize("name", SOURCES)
def test_lossless_targets_keep_every_sample_and_element(name: str) -> None:
    data, stored = load(name)
    expected = digest(data, stored)
    row = jsonmodel.to_json(io.BytesIO(data), stored)
    changed = {"00280004", "00280006", "00080005"}
    done = 0
    for to in transcode.TARGETS[stored]:
        try:
            new = converted(data, stored, to)
        except Invalid as error:
            if error.code != "unsupported-syntax":
                raise
            continue
        assert digest(new, to) == expected, to
        again = jsonmodel.to_json(io.BytesIO(new), to)
        private = {k for k in row if int(k[3], 16) % 2}  # their VR is lost in implicit VR
        for key in set(row) - changed - (private if uids.IMPLICIT_LITTLE in (to, stored) else set()):
            if row[key]["vr"] != "SQ":
                assert again[key] == row[key], (key, to)
        done += 1
    assert done >= 3


@pytest.mark.parametrize("name", SOURCES[:20])
def test_pydicom_decodes_what_we_encode(name: str) -> None:
    """Referees: pydicom itself (native, RLE), OpenJPEG through pylibjpeg, CharLS through pyjpegls."""
    data, stored = load(name)
    if stored == uids.DEFLATED:
        data, stored = b"".join(inflated(io.BytesIO(data))), uids.EXPLICIT_LITTLE
    window = walk.Window(io.BytesIO(data))
    pixels = frames.read_pixel_data(io.BytesIO(data), stored)
    if pixels.info.bits_allocated == 1 or pixels.info.kind != "int":
        return
    ours = transcode.frame_supplier(window, pixels)(0)[0]
    for to in transcode.TARGETS[stored]:
        if to in (uids.JPEG_LOSSLESS_SV1, uids.DEFLATED):
            continue
        try:
            ds = dataset(converted(data, stored, to), to)
        except Invalid:
            continue
        options = {"decoding_plugin": _PLUGIN[to]} if to in _PLUGIN else {}
        theirs = pydicom.pixels.pixel_array(ds, index=0, raw=True, **options)
        if ds.PhotometricInterpretation == "YBR_FULL_422":
            continue  # kept as it is in native form, where pydicom gives samples otherwise
        assert np.array_equal(np.asarray(theirs), ours), to


@pytest.mark.parametrize("name", ["CT_small.dcm", "SC_rgb_small_odd.dcm", "emri_small.dcm", "MR_small.dcm"])
def test_dcmtk_decodes_our_jpeg_lossless_jpeg_ls_and_rle(name: str, tmp_path: Path) -> None:
    data, stored = load(name)
    expected = dataset(data, stored)
    for to, tool in ((uids.JPEG_LOSSLESS_SV1, "dcmdjpeg"), (uids.JPEG_LS_LOSSLESS, "dcmdjpls"), (uids.RLE, "dcmdrle")):
        ds = dataset(data, stored)
        compressed = tmp_path / "in.dcm"
        compressed.write_bytes(part10.file_meta_bytes(ds.SOPClassUID, ds.SOPInstanceUID, to) + converted(data, stored, to))
        try:
            subprocess.run([tool, str(compressed), str(tmp_path / "out.dcm")], check=True, timeout=60, capture_output=True)
        except FileNotFoundError:
            missing("dcmtk")
        theirs = pydicom.dcmread(tmp_path / "out.dcm")
        assert np.array_equal(theirs.pixel_array, expected.pixel_array), tool


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("CT0012.fragmented_no_bot_jpeg_baseline.51.dcm", "dcmdjpeg"),
        ("CT_JPEGProcess6_8.dcm", "dcmdjpeg"),
        ("CT_JPEGProcess10_12.dcm", "dcmdjpeg"),
        ("CT0012.fragmented_no_bot_jpeg_lossless.57.dcm", "dcmdjpeg"),
        ("MR-JPEGLosslessSV1.dcm", "dcmdjpeg"),
        ("CT0012.fragmented_no_bot_jpeg_ls.81.dcm", "dcmdjpls"),
        ("emri_small_jpeg_ls_lossless.dcm", "dcmdjpls"),
        ("CT0012.not_fragmented_no_bot_rle.dcm", "dcmdrle"),
        ("JPEGBaseline_1s_1f_u_08_08.dcm", "dcmdjpeg"),
    ],
)
def test_we_decode_as_dcmtk_does(name: str, tool: str, tmp_path: Path) -> None:
    try:
        subprocess.run([tool, str(kept(name)), str(tmp_path / "out.dcm")], check=True, timeout=60, capture_output=True)
    except FileNotFoundError:
        missing("dcmtk")
    data, stored = load(name)
    ours = dataset(converted(data, stored, uids.EXPLICIT_LITTLE), uids.EXPLICIT_LITTLE).pixel_array
    theirs = pydicom.dcmread(tmp_path / "out.dcm").pixel_array
    lossy = stored in (uids.JPEG_BASELINE, uids.JPEG_EXTENDED, uids.JPEG_SPECTRAL, uids.JPEG_PROGRESSIVE)
    assert np.abs(ours.astype(int) - theirs).max() <= (2 if lossy else 0)


def test_same_form_keeps_every_byte_of_the_header() -> None:
    data, stored = load("CT_small.dcm")
    new = converted(data, stored, uids.JPEG_LS_LOSSLESS)
    at = data.index(b"\xe0\x7f\x10\x00OW")
    assert new[:at] == data[:at]


def test_an_end_mark_within_a_defined_length_is_passed_over() -> None:
    """Some writers close a sequence and its item by marks and count these in the lengths that they declare."""
    inner = b"\x08\0\x50\x11UI\x06\x001.2.3\0"
    item = b"\xfe\xff\x00\xe0" + (len(inner) + 8).to_bytes(4, "little") + inner + b"\xfe\xff\x0d\xe0\0\0\0\0"
    value = item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    data = b"\x08\0\x40\x11SQ\0\0" + len(value).to_bytes(4, "little") + value + b"\x10\0\x20\0LO\x02\x00P1"
    made = dataset(converted(data, uids.EXPLICIT_LITTLE, uids.IMPLICIT_LITTLE), uids.IMPLICIT_LITTLE)
    assert made.PatientID == "P1"
    assert [one.ReferencedSOPClassUID for one in made.ReferencedImageSequence] == ["1.2.3"]


@pytest.mark.parametrize("to", [uids.EXPLICIT_LITTLE, uids.IMPLICIT_LITTLE, uids.EXPLICIT_BIG, uids.RLE])
@pytest.mark.parametrize("defined", [True, False])
def test_an_icon_is_decoded_with_its_object(to: str, defined: bool) -> None:
    """Pixels within an item are compressed as those of the object; native ones are right in any syntax (PS3.5 A.4)."""
    data, syntax = load("JPEGBaseline_1s_1f_u_08_08.dcm")
    ds = dataset(data, syntax)
    icon = pydicom.Dataset()
    for keyword in (
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
    ):
        setattr(icon, keyword, ds[keyword].value)
    icon.add_new(0x7FE00010, "OB", ds.PixelData)
    icon["PixelData"].is_undefined_length = True
    icon.PatientComments = "behind it stands more"
    icon.is_undefined_length_sequence_item = not defined
    ds.IconImageSequence = [icon]
    ds["IconImageSequence"].is_undefined_length = not defined
    out = io.BytesIO()
    pydicom.dcmwrite(out, ds, enforce_file_format=True)
    wanted = ds.pixel_array
    data = out.getvalue()[part10.split(io.BytesIO(out.getvalue())).dataset_offset :]
    back = dataset(converted(data, syntax, to), to)
    (made,) = back.IconImageSequence
    assert not made["PixelData"].is_undefined_length
    samples = np.frombuffer(made.PixelData, np.uint8)[: wanted.size].reshape(wanted.shape)
    if to == uids.EXPLICIT_BIG and made["PixelData"].VR == "OW":
        samples = np.frombuffer(made.PixelData, np.uint8).reshape(-1, 2)[:, ::-1].reshape(-1)[: wanted.size].reshape(wanted.shape)
    assert int(np.abs(samples.astype(int) - wanted).max()) <= 1  # two decoders of lossy JPEG
    assert made.PatientComments == "behind it stands more"
    assert np.array_equal(back.pixel_array.astype(int), samples)


def test_native_forms_there_and_back_are_identical() -> None:
    for name in "CT_small.dcm", "SC_rgb_small_odd.dcm", "test-SR.dcm", "waveform_ecg.dcm", "emri_small.dcm":
        data, stored = load(name)
        for to in uids.EXPLICIT_BIG, uids.DEFLATED:
            back = converted(converted(data, stored, to), to, stored)
            first = jsonmodel.to_json(io.BytesIO(data), stored, str)
            assert jsonmodel.to_json(io.BytesIO(back), stored, str) == first
            assert digest(back, stored) == digest(data, stored)


def test_what_changes_is_said_in_the_header() -> None:
    data, stored = load("SC_rgb_dcmtk_+eb+cy+s2.dcm")
    ds = dataset(converted(data, stored, uids.EXPLICIT_LITTLE), uids.EXPLICIT_LITTLE)
    assert (ds.PhotometricInterpretation, ds.PlanarConfiguration) == ("RGB", 0)
    ds = dataset(converted(data, stored, uids.HTJ2K_LOSSLESS), uids.HTJ2K_LOSSLESS)
    assert ds.PhotometricInterpretation == "YBR_RCT"
    ds = dataset(converted(*load("image_dfl.dcm"), uids.JPEG_BASELINE), uids.JPEG_BASELINE)
    assert (ds.LossyImageCompression, ds.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert ds.LossyImageCompressionRatio > 1


def test_lossy_is_refused_for_more_than_eight_bits() -> None:
    with pytest.raises(Invalid) as caught:
        converted(*load("CT_small.dcm"), uids.JPEG_BASELINE)
    assert caught.value.code == "unsupported-syntax"


@pytest.mark.parametrize(
    "name",
    [
        "emri_small_RLE.dcm",
        "emri_small.dcm",
        "SC_rgb_rle_2frame.dcm",
        "sm_image_jpegls_nobot.dcm",
        "CT0012.fragmented_no_bot_jpeg_ls.81.dcm",
    ],
)
def test_frames_are_found_by_range(name: str) -> None:
    data, stored = load(name)
    pixels = frames.read_pixel_data(io.BytesIO(data), stored)
    found = frames.frame_ranges(
        io.BytesIO(data), pixels.element_offset, stored, pixels.info.frames, frame_bits=pixels.info.stored_bits_per_frame
    )
    ds = dataset(data, stored)
    if uids.is_encapsulated(stored):
        expected = [bytes(one) for one in pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=pixels.info.frames)]
    else:
        size = len(ds.PixelData) // pixels.info.frames
        expected = [ds.PixelData[at : at + size] for at in range(0, size * pixels.info.frames, size)]
    assert [b"".join(data[o : o + n] for o, n in one) for one in found] == expected


def encapsulated(fragments: list[bytes], table: bytes = b"") -> bytes:
    body = b"".join(b"\xfe\xff\0\xe0" + pack("<I", len(one)) + one for one in [table, *fragments])
    return b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + body + b"\xfe\xff\xdd\xe0\0\0\0\0"


def test_frames_of_many_fragments_by_table_extended_table_and_marks() -> None:
    parts = [b"\xff\xd8ab", b"cd", b"\xff\xd8efgh", b"\xff\xd8", b"ij"]
    expected = [[0, 1], [2], [3, 4]]
    starts = [0, 22, 36]
    for data, extended in (
        (encapsulated(parts, pack("<3I", *starts)), b""),
        (encapsulated(parts), pack("<3Q", *starts)),
        (encapsulated(parts), b""),
        (encapsulated(parts, pack("<3I", 5, 9, 1)), b""),
    ):
        found = frames.frame_ranges(io.BytesIO(data), 0, uids.JPEG_BASELINE, 3, extended_offsets=extended)
        assert [[data[o : o + n] for o, n in one] for one in found] == [[parts[i] for i in one] for one in expected]
    with pytest.raises(Invalid):
        frames.frame_ranges(io.BytesIO(encapsulated([b"ab", b"cd", b"ef"])), 0, uids.JPEG_BASELINE, 2)


def test_frames_of_single_bits_that_share_bytes_are_not_cut() -> None:
    data, stored = load("liver_nonbyte_aligned_rle.dcm")
    native = converted(data, stored, uids.EXPLICIT_LITTLE)
    pixels = frames.read_pixel_data(io.BytesIO(native), uids.EXPLICIT_LITTLE)
    if pixels.info.frames > 1:
        with pytest.raises(Invalid) as caught:
            frames.frame_ranges(
                io.BytesIO(native),
                pixels.element_offset,
                uids.EXPLICIT_LITTLE,
                pixels.info.frames,
                frame_bits=pixels.info.stored_bits_per_frame,
            )
        assert caught.value.code == "not-aligned"
    assert digest(native, uids.EXPLICIT_LITTLE) == digest(data, stored)


def test_a_broken_native_object_is_undecodable_and_a_video_unsupported() -> None:
    data, stored = load("CT_small.dcm")
    with pytest.raises(Invalid) as caught:
        converted(data[: len(data) // 2], stored, uids.RLE)
    assert caught.value.code == "undecodable"
    with pytest.raises(Invalid) as caught:
        converted(data, "1.2.840.10008.1.2.4.102", uids.EXPLICIT_LITTLE)
    assert caught.value.code == "unsupported-syntax"


def test_broken_pixel_attributes_and_fragments_end_in_invalid() -> None:
    rng = random.Random(3)
    seeds = [load(n) for n in ("MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm", "CT_small.dcm", "MR_small_bigendian.dcm", "emri_small_RLE.dcm")]
    stop = time.monotonic() + 4
    count = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while time.monotonic() < stop:
            data, syntax = rng.choice(seeds)
            out = bytearray(data)
            for _ in range(rng.randint(1, 5)):
                out[rng.randrange(len(out))] = rng.randrange(256)
            try:
                converted(bytes(out), syntax, rng.choice([uids.EXPLICIT_LITTLE, uids.EXPLICIT_BIG]))
            except Invalid:
                pass
            count += 1
    assert count > 50


def test_every_decodable_syntax_has_targets() -> None:
    assert set(transcode.TARGETS) == set(codecs.DECODABLE)
    assert all(uids.EXPLICIT_LITTLE in found for stored, found in transcode.TARGETS.items() if stored != uids.EXPLICIT_LITTLE)
