"""Sealed images are stored as HTJ2K and given back byte for byte as they came."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import openjpeg
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from archipel import archive
from archipel.archive import packing, rows_sealed
from tests import make
from tests.archive.room import EVERYTHING, SYSTEM, Room, dataset_of

pytestmark = pytest.mark.bytes_lie_open
ROWS, COLUMNS = 96, 80


def image(kind: str, **attributes: Any) -> Dataset:
    """An image whose samples rise softly, with some noise, as real ones do."""
    samples = 3 if kind in ("rgb", "planar", "ybr") else 1
    bits = 8 if samples == 3 or kind == "u1" else 16
    frames = attributes.pop("frames", 1)
    ds = make.instance("1.2.840.10008.5.1.4.1.1.2", "CT", **attributes)
    ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, samples
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit, ds.PixelRepresentation = bits - 1, int(kind == "i2")
    ds.PhotometricInterpretation = {"rgb": "RGB", "planar": "RGB", "ybr": "YBR_FULL"}.get(kind, "MONOCHROME2")
    if samples == 3:
        ds.PlanarConfiguration = int(kind == "planar")
    if frames > 1:
        ds.NumberOfFrames = frames
    noise = np.random.default_rng(3)
    shape = (frames, samples, ROWS, COLUMNS) if kind == "planar" else (frames, ROWS, COLUMNS, samples)
    field = np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) * (1 if bits == 8 else 9)
    whole = np.broadcast_to(field if kind == "planar" else field[..., None], shape) + noise.integers(0, 4, shape)
    dtype = {"u1": "u1", "i2": "<i2"}.get(kind, "u1" if bits == 8 else "<u2")
    ds.PixelData = (whole - (500 if kind == "i2" else 0)).astype(dtype).tobytes()
    ds["PixelData"].VR = "OW" if bits == 16 else "OB"
    return ds


def big_endian(ds: Dataset) -> bytes:
    """A Part 10 file of pydicom's in the retired syntax."""
    out = io.BytesIO()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(out, ds, implicit_vr=False, little_endian=False, enforce_file_format=True)
    return out.getvalue()


def packed(room: Room, ds: Dataset | bytes) -> archive.InstanceRef:
    """The instance sealed; what it takes there."""
    room.send(ds)
    room.seal()
    uid = str(pydicom.dcmread(io.BytesIO(ds), stop_before_pixels=True).SOPInstanceUID) if isinstance(ds, bytes) else str(ds.SOPInstanceUID)
    (ref,) = room.refs(sop_instance_uid=uid)
    return ref


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("kind", ["u2", "i2", "u1", "rgb", "planar", "ybr"])
def test_every_plain_kind_of_pixels_is_packed_and_given_back(room: Room, kind: str, syntax: str) -> None:
    ds = image(kind, frames=3)
    if syntax == ExplicitVRBigEndian and ds.BitsAllocated == 16:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
    data = big_endian(ds) if syntax == ExplicitVRBigEndian else make.part10(ds, transfer_syntax_uid=syntax)
    ref = packed(room, data)
    assert ref.transfer_syntax_uid == syntax
    assert ref.packed
    assert packing.stored_bytes(ref.place) < 0.8 * ref.length_bytes
    assert room.dataset(ref.sop_instance_uid) == dataset_of(data)
    assert len(archive.codestream_lengths(ref)) == 3
    assert room.damage() == []
    room.check_counts()


@pytest.mark.parametrize("kind", ["u2", "i2", "u1", "rgb"])
def test_another_decoder_reads_the_codestreams(room: Room, kind: str) -> None:
    ds = image(kind, frames=2)
    ref = packed(room, ds)
    size = len(ds.PixelData) // 2
    for number in range(2):
        coded = archive.codestream(room.blobs, ref, number)
        assert coded is not None
        decoded = openjpeg.decode(coded)
        assert decoded.astype(decoded.dtype.newbyteorder("<")).tobytes() == ds.PixelData[number * size : (number + 1) * size]
    assert archive.codestream(room.blobs, ref, 2) is None


def test_any_range_is_the_same_as_before(room: Room) -> None:
    ds = image("u2", frames=4)
    ds.DataSetTrailingPadding = bytes(100)
    data = dataset_of(ds)
    ref = packed(room, ds)
    assert ref.packed
    randomly = random.Random(1)
    edges = [0, ref.pixel_data_offset or 0, len(data) - 100, len(data)]
    for _ in range(300):
        start = max(0, randomly.choice([randomly.randrange(len(data)), randomly.choice(edges) + randomly.randint(-20, 20)]))
        length = randomly.choice([0, 1, randomly.randrange(200), randomly.randrange(len(data))])
        assert archive.dataset_range(room.blobs, ref, start, length) == data[start : start + length]
    whole = b"".join(archive.part10(room.blobs, ref, chunk_bytes=1000))
    assert whole[-len(data) :] == data
    for start, length in ((0, 10), (100, 5000), (len(whole) - 5, 5), (0, len(whole))):
        assert b"".join(archive.part10(room.blobs, ref, start, length)) == whole[start : start + length]
    assert len(archive.header_bytes(room.blobs, ref)) == ref.pixel_data_offset


def test_frames_that_do_not_shrink_stay_as_they_are(room: Room) -> None:
    ds = image("u1", frames=3)
    size = ROWS * COLUMNS
    noise = np.random.default_rng(1).integers(0, 256, size).astype("u1").tobytes()
    ds.PixelData = ds.PixelData[:size] + noise + ds.PixelData[2 * size :]
    ref = packed(room, ds)
    assert archive.codestream(room.blobs, ref, 0)
    assert archive.codestream(room.blobs, ref, 1) is None
    assert archive.codestream_lengths(ref) == ()
    assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)


def test_what_has_no_plain_form_stays_as_it_is(room: Room) -> None:
    small = make.ct_study(instances=1)[0]
    short = image("u2", frames=2)
    short.PixelData = short.PixelData[:-2]
    shared = image("ybr")
    shared.PhotometricInterpretation = "YBR_FULL_422"
    shared.PixelData = shared.PixelData[: ROWS * COLUMNS * 2]
    bits = image("u1")
    bits.BitsAllocated = bits.BitsStored = 1
    bits.HighBit = 0
    bits.PixelData = bits.PixelData[: ROWS * COLUMNS // 8]
    noise = image("u1")
    noise.PixelData = np.random.default_rng(1).integers(0, 256, ROWS * COLUMNS).astype("u1").tobytes()
    for ds in (small, short, shared, bits, noise):
        ref = packed(room, ds)
        assert not ref.packed
        assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)


def test_damage_to_a_codestream_is_found_before_it_is_decoded_and_mended(room: Room) -> None:
    study = [image("u2", InstanceNumber=n, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4") for n in (1, 2, 3)]
    room.send(*study)
    room.seal()
    ref = room.refs(study_uid="1.2.3")[1]
    assert room.dataset(ref.sop_instance_uid) == dataset_of(study[1])  # now at hand, decoded
    data = bytearray(b"".join(room.blobs.stream(ref.blob_key, 0, room.blobs.size(ref.blob_key))))
    data[ref.offset + packing.read(ref.packed).before + 1000] ^= 1
    room.blobs.delete(ref.blob_key)
    room.blobs.put(ref.blob_key, [bytes(data)])
    assert [d.sop_instance_uid for d in room.damage()] == [ref.sop_instance_uid]
    assert room.fates(*study) == ["already_stored"] * 3
    assert room.damage() == []
    room.seal()
    assert room.damage() == []
    refs = room.refs(study_uid="1.2.3")
    assert len({one.blob_key for one in refs}) == 1
    assert all(one.packed for one in refs)
    assert [room.dataset(ds.SOPInstanceUID) for ds in study] == [dataset_of(ds) for ds in study]


def test_what_is_packed_moves_on_as_it_is(room: Room) -> None:
    study = [image("i2", InstanceNumber=n, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4") for n in (1, 2, 3)]
    room.send(*study[:2])
    room.seal()
    before = {ref.sop_instance_uid: ref.packed for ref in room.refs(study_uid="1.2.3")}
    room.send(study[2])
    room.database.transact(
        lambda tx: archive.reject(tx, SYSTEM, EVERYTHING, "1.2.3", code="113001", sop_instance_uids=[str(study[0].SOPInstanceUID)])
    )
    assert room.dataset(study[1].SOPInstanceUID) == dataset_of(study[1])  # open again, packed still
    room.seal()
    refs = room.refs(study_uid="1.2.3", include_rejected=True)
    assert len({ref.blob_key for ref in refs}) == 1
    assert all(ref.packed == before.get(ref.sop_instance_uid, ref.packed) for ref in refs)
    assert room.damage() == []


def test_contents_that_are_exchanged_keep_their_form(room: Room) -> None:
    ds = image("u2")
    packed(room, ds)
    other = pydicom.dcmread(io.BytesIO(make.part10(ds)))
    other.PatientComments = "another content"
    room.send(other)
    (conflict,) = room.conflicts()
    with room.database.read() as tx:
        assert archive.same_pixels(tx, room.blobs, EVERYTHING, conflict.id) is True
    for action, content in (("use_received", other), ("reopen", ds), ("use_received", other)):
        room.database.transact(lambda tx, action=action: archive.resolve(tx, SYSTEM, EVERYTHING, conflict.id, action))  # type: ignore[misc]
        assert room.dataset(ds.SOPInstanceUID) == dataset_of(content)
        assert room.damage() == []
        room.seal()
        assert room.dataset(ds.SOPInstanceUID) == dataset_of(content)
        assert room.damage() == []


def test_without_the_setting_nothing_is_packed(room: Room) -> None:
    ds = image("u2")
    room.send(ds)
    with room.database.write() as tx:
        (row,) = rows_sealed.open_rows(tx, ds.StudyInstanceUID)
    from archipel.archive.seal import seal_series

    assert seal_series(room.database, room.blobs, row.study_uid, row.series_uid, packs=False)
    (ref,) = room.refs(sop_instance_uid=ds.SOPInstanceUID)
    assert not ref.packed
    assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)


def test_real_objects_come_back_byte_for_byte_and_ct_takes_less_than_two_fifths(room: Room, shared_data: Path) -> None:
    sent: dict[str, tuple[bytes, str]] = {}
    with (shared_data / "dicom" / "index.csv").open() as file:
        paths = [shared_data / "dicom" / next(iter(row.values())) for row in csv.DictReader(file)]
    for path in paths:
        if not path.is_file() or path.stat().st_size > 8 << 20:
            continue
        data = path.read_bytes()
        try:
            ds = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
            (outcome,) = room.send(data)
        except Exception:
            continue
        if outcome.fate == "stored":
            sent[outcome.sop_instance_uid] = (data, str(ds.get("Modality", "")))
    room.seal()
    received = stored = count = 0
    for uid, (data, modality) in sent.items():
        (ref,) = room.refs(sop_instance_uid=uid)
        assert data.endswith(b"".join(archive.dataset(room.blobs, ref)))
        count += bool(ref.packed)
        if modality == "CT" and ref.transfer_syntax_uid in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian):
            received, stored = received + ref.length_bytes, stored + packing.stored_bytes(ref.place)
    assert room.damage() == []
    assert count > 100
    assert stored / received < 0.40
    print(f"\n{len(sent)} objects, {count} packed; uncompressed CT {received / 1e6:.1f} MB as {stored / received:.3f} of that")
