"""Codecs in child processes, and pictures: against pydicom's own pipeline, against hostile codestreams, against time and memory."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from archipel.dicom import frames, part10, render, uids, voi
from archipel.dicom.pixels import PixelWorkers
from archipel.dicom.render import RenderRequest, Viewport
from archipel.kit.errors import ArchipelError, Invalid, LimitReached
from tests import fuzzing
from tests.dicom.samples import KEPT, kept

EXPLICIT = uids.EXPLICIT_LITTLE


@pytest.fixture(scope="module")
def workers() -> Iterator[PixelWorkers]:
    pool = PixelWorkers(2, 2 << 30, 30)
    yield pool
    pool.close()


def parts(name: str) -> tuple[Path, str, int]:
    path = kept(name)
    with path.open("rb") as source:
        meta = part10.split(source)
    return path, meta.transfer_syntax_uid, meta.dataset_offset


def picture(workers: PixelWorkers, name: str, **request: object) -> Image.Image:
    path, syntax, offset = parts(name)
    found = workers.render(path, syntax, RenderRequest(media_type="image/png", **request), offset=offset)  # type: ignore[arg-type]
    assert found.media_type == "image/png"
    return Image.open(io.BytesIO(found.data))


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "examples_overlay.dcm", "693_J2KI.dcm"])
def test_windows_agree_with_pydicom(workers: PixelWorkers, name: str) -> None:
    ds = pydicom.dcmread(kept(name))
    if "WindowCenter" not in ds:
        ds.WindowCenter, ds.WindowWidth = 40, 400
    array = apply_modality_lut(
        pydicom.pixels.pixel_array(ds, decoding_plugin="pylibjpeg") if name == "693_J2KI.dcm" else ds.pixel_array, ds
    )
    for center, width, function in ((40, 400, "LINEAR"), (300.5, 1000, "LINEAR_EXACT"), (100, 350, "SIGMOID"), (50, 1, "LINEAR")):
        ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = center, width, function
        theirs = apply_voi_lut(array, ds, prefer_lut=False)
        slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
        top = (2 ** (ds.BitsStored - ds.PixelRepresentation) - 1) * slope + intercept
        bottom = (-(2 ** (ds.BitsStored - 1)) if ds.PixelRepresentation else 0) * slope + intercept
        expected = (theirs - bottom) / (top - bottom) * 255
        expected = 255 - expected if ds.PhotometricInterpretation == "MONOCHROME1" else expected
        ours = np.asarray(picture(workers, name, window=voi.Window(center, width, function)), dtype=float)
        beside = ~ds.overlay_array(0x6000).astype(bool) if (0x6000, 0x3000) in ds else np.ones(ours.shape, bool)  # graphics are burnt in
        assert np.abs(ours - expected)[beside].max() <= 1.01, (center, width, function)


@pytest.mark.parametrize("name", ["examples_palette.dcm", "OBXXXX1A_rle.dcm"])
def test_palettes_agree_with_pydicom(workers: PixelWorkers, name: str) -> None:
    try:
        ds = pydicom.dcmread(kept(name))
    except FileNotFoundError:
        pytest.skip("not shipped")
    array = ds.pixel_array if ds.get("NumberOfFrames", 1) == 1 else ds.pixel_array[0]
    expected = apply_color_lut(array, ds)
    expected = expected >> 8 if expected.dtype.itemsize == 2 else expected
    assert np.abs(np.asarray(picture(workers, name), int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize(
    "name", ["examples_ybr_color.dcm", "SC_rgb_rle_2frame.dcm", "SC_ybr_full_422_uncompressed.dcm", "examples_rgb_color.dcm"]
)
def test_colours_agree_with_pydicom(workers: PixelWorkers, name: str) -> None:
    expected = pydicom.pixels.pixel_array(kept(name), index=0)
    ours = np.asarray(picture(workers, name), int)
    assert np.abs(ours - expected.astype(int)).max() <= 2


def test_monochrome1_is_turned_over(workers: PixelWorkers) -> None:
    path, syntax, offset = parts("MR_small.dcm")
    data = path.read_bytes()[offset:]
    first = np.asarray(Image.open(io.BytesIO(workers.render(data, syntax, RenderRequest(media_type="image/png")).data)), int)
    turned = data.replace(b"MONOCHROME2 ", b"MONOCHROME1 ")
    second = np.asarray(Image.open(io.BytesIO(workers.render(turned, syntax, RenderRequest(media_type="image/png")).data)), int)
    assert (first + second == 255).all()


def test_per_frame_windows_and_frame_numbers(workers: PixelWorkers) -> None:
    ds = pydicom.dcmread(kept("emri_small.dcm"))
    for number in (1, 5, 10):
        ours = np.asarray(picture(workers, "emri_small.dcm", frame_number=number, window=voi.Window(300, 600, "LINEAR_EXACT")), float)
        values = ds.pixel_array[number - 1].astype(float)
        group = ds.PerFrameFunctionalGroupsSequence[number - 1] if "PerFrameFunctionalGroupsSequence" in ds else None
        if group is not None and "PixelValueTransformationSequence" in group:
            item = group.PixelValueTransformationSequence[0]
            values = values * float(item.RescaleSlope) + float(item.RescaleIntercept)
        assert np.abs(ours - np.clip(values / 600 * 255, 0, 255)).max() <= 1
    with pytest.raises(Invalid) as caught:
        picture(workers, "emri_small.dcm", frame_number=11)
    assert caught.value.code == "no-such-frame"


def test_viewport_fits_and_cuts(workers: PixelWorkers) -> None:
    assert picture(workers, "CT_small.dcm", viewport=Viewport(64, 32)).size == (32, 32)
    cut = picture(workers, "CT_small.dcm", viewport=Viewport(40, 20, 10, 20, 40, 20))
    whole = picture(workers, "CT_small.dcm")
    assert np.array_equal(np.asarray(cut), np.asarray(whole)[20:40, 10:50])
    turned = picture(workers, "CT_small.dcm", viewport=Viewport(40, 20, 10, 20, -40, 20))
    assert np.array_equal(np.asarray(turned), np.asarray(cut)[:, ::-1])
    with pytest.raises(Invalid):
        picture(workers, "CT_small.dcm", viewport=Viewport(10, 10, 500, 0, 5, 5))


def test_media_types(workers: PixelWorkers) -> None:
    def media(name: str, wanted: str, number: int = 1) -> tuple[str, bytes]:
        path, syntax, offset = parts(name)
        found = workers.render(path, syntax, RenderRequest(media_type=wanted, frame_number=number), offset=offset)
        return found.media_type, found.data[:20]

    assert media("CT_small.dcm", "image/jpeg") == ("image/jpeg", media("CT_small.dcm", "image/jpeg")[1])
    assert media("CT_small.dcm", "image/jpeg")[1][:3] == b"\xff\xd8\xff"
    assert media("CT_small.dcm", "image/jphc")[1][:4] == b"\xff\x4f\xff\x51"
    kind, head = media("emri_small.dcm", "image/gif", 0)
    assert (kind, head[:6]) == ("image/gif", b"GIF89a")
    assert media("test-SR.dcm", "text/html")[1].startswith(b"<!doctype html>")
    assert media("test-SR.dcm", "image/png")[1][:4] == b"\x89PNG"
    assert media("waveform_ecg.dcm", "image/png")[1][:4] == b"\x89PNG"
    assert media("rtplan.dcm", "image/png")[1][:4] == b"\x89PNG"


def test_report_holds_its_text_and_no_markup_of_others(workers: PixelWorkers) -> None:
    path, syntax, offset = parts("test-SR.dcm")
    page = workers.render(path, syntax, RenderRequest(media_type="text/html"), offset=offset).data.decode()
    assert "Sample Text" in page
    assert "&amp;%$§&quot;" in page
    assert "<script" not in page


def test_frames_come_native_and_compressed(workers: PixelWorkers) -> None:
    path, syntax, offset = parts("emri_small_RLE.dcm")
    expected = pydicom.dcmread(kept("emri_small.dcm")).pixel_array
    found = workers.decode_frames(path, syntax, [2, 10], offset=offset)
    assert [np.frombuffer(one, "<u2").reshape(64, 64).tolist() for one in found.frames] == [expected[1].tolist(), expected[9].tolist()]
    ls = workers.frames(path, syntax, uids.JPEG_LS_LOSSLESS, [1], offset=offset)
    assert ls.frames[0][:2] == b"\xff\xd8"
    assert ls.info == frames.PixelInfo(64, 64, 1, 16, 12, False, False, "MONOCHROME2", 10)


def test_transcoding_writes_a_file_and_leaves_none_behind(workers: PixelWorkers, tmp_path: Path) -> None:
    path, syntax, offset = parts("CT_small.dcm")
    out = tmp_path / "new"
    length = workers.transcode(path, syntax, uids.HTJ2K_LOSSLESS, out, offset=offset)
    assert out.stat().st_size == length
    assert workers.pixel_digest(out, uids.HTJ2K_LOSSLESS) == workers.pixel_digest(path, syntax, offset=offset)
    with pytest.raises(Invalid):
        workers.transcode(path, syntax, uids.JPEG_BASELINE, tmp_path / "other", offset=offset)
    assert not (tmp_path / "other").exists()


@fuzzing.short_and_long(6)
def test_hostile_codestreams_end_a_child_at_worst(seconds: float) -> None:
    workers = PixelWorkers(1, 1 << 30, 2)
    rng = fuzzing.seeded(seconds, 5)
    names = ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "JPEGBaseline_1s_1f_u_08_08.dcm",
             "SC_rgb_jpeg_gdcm.dcm", "MR-JPEGLosslessSV1.dcm", "liver_deflate.dcm", "HTJ2K_08_RGB.dcm", "JPEG-lossy.dcm"]  # fmt: skip
    seeds = []
    for name in names:
        path, syntax, offset = parts(name)
        seeds.append((path.read_bytes()[offset:], syntax))
    good, good_syntax = seeds[0]
    stop = time.monotonic() + seconds
    refused = count = 0
    while time.monotonic() < stop:
        data, syntax = rng.choice(seeds)
        out = bytearray(data)
        at = data.rindex(b"\xe0\x7f\x10\x00")
        for _ in range(rng.randint(1, 12)):
            out[rng.randrange(at + 20, len(out))] = rng.randrange(256)
        try:
            workers.decode_frames(bytes(out), syntax, [1])
        except (Invalid, LimitReached):
            refused += 1
        count += 1
    assert count > 5
    assert refused
    assert workers.decode_frames(good, good_syntax, [1]).frames
    workers.close()


def test_a_task_that_takes_too_long_is_ended_and_the_next_one_runs(tmp_path: Path) -> None:
    pool = PixelWorkers(1, 2 << 30, 1.0)
    try:
        os.mkfifo(tmp_path / "never")
        began = time.monotonic()
        with pytest.raises(LimitReached) as caught:
            pool.pixel_digest(tmp_path / "never", EXPLICIT)
        assert caught.value.code == "too-slow"
        assert time.monotonic() - began < 30
        path, syntax, offset = parts("CT_small.dcm")
        assert pool.pixel_digest(path, syntax, offset=offset)
    finally:
        pool.close()


def test_memory_is_bounded() -> None:
    pool = PixelWorkers(1, 900 << 20, 30)
    head = b"".join(b"\x28\0" + tag + b"\0US\x02\0" + value for tag, value in
                    [(b"\x02", b"\1\0"), (b"\x10", b"\0\x50"), (b"\x11", b"\0\x50")])  # fmt: skip
    head += b"\x28\0\0\1US\2\0\x08\0\x28\0\1\1US\2\0\x08\0"
    engine = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    code = b"".join(engine.compress(bytes(1 << 20)) for _ in range(400)) + engine.flush()
    code += b"\0" * (len(code) % 2)
    body = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0" + len(code).to_bytes(4, "little") + code
    try:
        with pytest.raises((LimitReached, Invalid)) as caught:
            pool.decode_frames(head + body + b"\xfe\xff\xdd\xe0\0\0\0\0", uids.DEFLATED_FRAMES, [1])
        assert caught.value.code in ("too-large", "undecodable")
        path, syntax, offset = parts("CT_small.dcm")
        assert pool.decode_frames(path, syntax, [1], offset=offset).frames
    finally:
        pool.close()


def test_many_threads_share_two_children(workers: PixelWorkers) -> None:
    path, syntax, offset = parts("CT_small.dcm")
    expected = workers.render(path, syntax, RenderRequest(), offset=offset).data
    found: list[bytes] = []

    def ask() -> None:
        for _ in range(5):
            found.append(workers.render(path, syntax, RenderRequest(), offset=offset).data)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert found == [expected] * 40


def test_children_end_with_their_parent() -> None:
    path, syntax, offset = parts("CT_small.dcm")
    program = (
        "import sys, time; from pathlib import Path; from archipel.dicom.pixels import PixelWorkers\n"
        f"pool = PixelWorkers(1, 2 << 30, 60); pool.pixel_digest(Path({str(path)!r}), {syntax!r}, offset={offset})\n"
        "print(*[c.process.pid for c in pool._children], flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert os.getpgid(child) == os.getpgid(0)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        for _ in range(100):
            if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split(")")[1][:3]:
                return
            time.sleep(0.05)
        pytest.fail("the child lives on")
    finally:
        parent.kill()
        parent.wait()


def test_every_sample_is_shown_or_refused_with_a_reason(workers: PixelWorkers) -> None:
    for path in sorted(KEPT.iterdir()):
        if path.suffix == ".md":
            continue
        with path.open("rb") as source:
            meta = part10.split(source)
        try:
            found = workers.render(path, meta.transfer_syntax_uid, RenderRequest(viewport=Viewport(128, 128)), offset=meta.dataset_offset)
            assert max(Image.open(io.BytesIO(found.data)).size) == 128
        except ArchipelError as error:
            assert path.name in ("GH1146.dcm", "GH179A.dcm"), (path.name, error)


def test_a_render_in_process_is_the_same(workers: PixelWorkers) -> None:
    path, syntax, offset = parts("CT_small.dcm")
    with path.open("rb") as source:
        source.seek(offset)
        assert render.render(source, syntax, RenderRequest()) == workers.render(path, syntax, RenderRequest(), offset=offset)
