"""Every sample by every road into a running platform, and back by every way: dataset byte for byte, pixels the same when transcoded."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
import pytest

from tests.doors import samples_back, samples_pixels, samples_roads
from tests.doors.samples_expected import LITTLE, Expected, Sample, expected, rarest_first, sample, samples, split
from tests.doors.samples_roads import fail_unless, seconds
from tests.platform import Platform
from tests.servers import Dcmtk

ROADS = {"import": samples_roads.by_import, "STOW-RS": samples_roads.by_stow, "C-STORE": samples_roads.by_scu}

pytestmark = pytest.mark.timeout(300)


@dataclass
class Road:
    """A platform into which every sample was sent by one road."""

    name: str
    platform: Platform
    sent: list[Sample]
    answers: Counter[str]
    expected: Expected
    kept: dict[str, Sample] = field(default_factory=dict)
    """What the first retrieval found stored: one content of each UID."""


@pytest.fixture(scope="module", params=list(ROADS))
def road(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """One road after the other, each into a data folder of its own."""
    platform = samples_roads.started(tmp_path_factory.mktemp("road"))
    try:
        since = time.monotonic()
        sent = list(samples()) if request.param == "import" else rarest_first(samples())
        answers = ROADS[request.param](platform, sent)
        print(f"\n{request.param}: {len(sent)} files, {dict(answers)}, {seconds(since)}")
        found = Road(request.param, platform, sent, answers, expected(sent))
        with samples_roads.web(platform) as client:
            contents = samples_back.by_wado(client)
        found.kept = same(contents, found.expected, f"{request.param}, WADO-RS", dimse=request.param == "C-STORE")
        yield found
    finally:
        platform.kill()


def same(contents: samples_back.Contents, wanted: Expected, way: str, *, dimse: bool = True) -> dict[str, Sample]:
    """The samples that the contents are, byte for byte; every stored UID must be there and nothing else."""
    missing, more = wanted.contents.keys() - contents.keys(), contents.keys() - wanted.contents.keys()
    fail_unless(not missing and not more, f"{way}: missing {sorted(missing)[:5]}, not expected {sorted(more)[:5]}")
    which = wanted.over_dimse if dimse else wanted.kept
    found = {uid: which(uid, *content) for uid, content in contents.items()}
    differing = [str(wanted.contents[uid][0].path) for uid, one in found.items() if one is None]
    fail_unless(not differing, f"{way}: {len(differing)} are not what was sent: {differing[:5]}")
    samples_roads.note("byte for byte", way=way, count=len(found))
    return {uid: one for uid, one in found.items() if one is not None}


def test_everything_readable_is_stored_and_the_rest_has_a_reason(road: Road) -> None:
    """The counts of the answers agree with what pydicom says of the files, and with what is there afterwards."""
    assert road.answers["stored"] + road.answers["already stored"] >= road.expected.count
    sent = [one for one in road.sent if road.name != "C-STORE" or samples_roads.sendable(one)]
    assert sum(road.answers.values()) == len(road.sent)
    assert road.answers["refused"] == len([one for one in sent if one.reason])
    by_syntax = Counter(one.transfer_syntax_uid for one in road.kept.values())
    samples_roads.note(
        "stored", road=road.name, files=len(road.sent), answers=dict(road.answers), by_syntax=dict(sorted(by_syntax.items()))
    )


def test_c_get_gives_back_what_was_sent(road: Road) -> None:
    contents = samples_back.by_get(road.platform, list(road.kept.values()))
    assert len(same(contents, road.expected, f"{road.name}, C-GET")) == len(road.kept)


def test_c_move_gives_back_what_was_sent(road: Road) -> None:
    contents = samples_back.by_move(road.platform, list(road.kept.values()))
    assert len(same(contents, road.expected, f"{road.name}, C-MOVE")) == len(road.kept)


# --- transcoded -------------------------------------------------------------------------------------------------------------------

# What cannot be given in another syntax, and why.
UNDECODABLE = {
    "multiframe.dcm": "its frames have other sizes than it declares",
    "JPEG2000-embedded-sequence-delimiter.dcm": "its codestream is broken on purpose",
    "genFile.dcm": "what it holds as JPEG is none",
    "example3.dcm": "what it holds as JPEG is none",
}
VIDEO = "1.2.840.10008.1.2.4.100"
UNCOMPRESSED = (LITTLE, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
EXPLICIT = f'multipart/related; type="application/dicom"; transfer-syntax={LITTLE}'


def completed(folder: Path) -> list[Sample]:
    """Samples in rare syntaxes that lack a study: given UIDs by pydicom, so that every syntax that there is has an object."""
    made = []
    for one in samples():
        if one.reason.startswith("no ") and one.transfer_syntax_uid not in ("", LITTLE, "1.2.840.10008.1.2") and one.sop_class_uid:
            ds = pydicom.dcmread(one.path, force=True)
            for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
                setattr(ds, keyword, f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, one.path.name + keyword).int}")
            ds.file_meta.MediaStorageSOPInstanceUID, ds.file_meta.MediaStorageSOPClassUID = ds.SOPInstanceUID, ds.SOPClassUID
            path = folder / f"{len(made)}-{one.path.name}"
            ds.save_as(path, enforce_file_format=False)
            made.append(sample(path))
    return [one for one in made if not one.reason]


@dataclass
class Compared:
    """A platform that holds one object of every content in another syntax than Explicit VR Little Endian, and what others decode of them."""

    platform: Platform
    kept: dict[str, Sample]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    """Filled by C-STORE, rarest syntax first."""
    folder = tmp_path_factory.mktemp("pixels")
    platform = samples_roads.started(folder)
    try:
        others = [one for one in samples() if one.transfer_syntax_uid != LITTLE and not one.reason]
        sent = rarest_first([*others, *completed(folder)])
        samples_roads.by_scu(platform, sent)
        with samples_roads.web(platform) as client:
            contents = samples_back.by_wado(client)
        yield Compared(platform, same(contents, expected(sent), "to be transcoded, WADO-RS"))
    finally:
        platform.kill()


def unmakable(one: Sample) -> bool:
    """Whether nothing but the stored form can be given, for a reason that we know."""
    return one.transfer_syntax_uid == VIDEO or one.path.name.partition("-")[2] in UNDECODABLE or one.path.name in UNDECODABLE


def agree(files: dict[str, bytes], compared: Compared, way: str) -> Counter[str]:
    """Compare the samples of transcoded files with what another decoder makes of the sent ones; how many were compared of each syntax."""
    counted: Counter[str] = Counter()
    for uid, data in files.items():
        one = compared.kept[uid]
        opinions = samples_pixels.opinions(one.path)
        if not opinions:
            counted["no pixels" if samples_pixels.is_without(one.path) else "no other decoder"] += 1
            continue
        ours = samples_pixels.samples_of(data)
        least = min(samples_pixels.difference(ours, theirs) for theirs in opinions)
        allowed = samples_pixels.TOLERANCE.get(one.transfer_syntax_uid, 0)
        fail_unless(least <= allowed, f"{way}: {one.path} in {one.transfer_syntax_uid} differs by {least}")
        counted[one.transfer_syntax_uid] += 1
    alone = sum(counted.pop(why, 0) for why in ("no pixels", "no other decoder"))
    count = sum(counted.values())
    samples_roads.note("pixel for pixel", way=way, count=count, not_compared=alone, by_syntax=dict(sorted(counted.items())))
    return counted


def test_wado_transcodes_pixel_for_pixel(compared: Compared) -> None:
    """Explicit VR Little Endian asked of each object; what cannot be decoded is refused with 406 and not sent in another form."""
    files, refused = {}, []
    with samples_roads.web(compared.platform) as client:
        for uid, one in compared.kept.items():
            answer = client.get("/instances", params={"SOPInstanceUID": uid}, headers={"Accept": "application/dicom+json"})
            url = answer.json()[0]["00081190"]["Value"][0]
            back = client.get(url, headers={"Accept": EXPLICIT})
            if back.status_code == 406:
                refused.append(one)
                continue
            assert back.status_code == 200, f"{one.path}: {back.status_code} {back.text[:200]}"
            files[uid] = samples_back.parts(back)[0].content
            assert split(files[uid])[0].TransferSyntaxUID == LITTLE
    print(f"\nnot transcoded: {[(one.path.name, one.transfer_syntax_uid) for one in refused]}")
    assert not [one.path for one in refused if not unmakable(one)]
    counted = agree(files, compared, "WADO-RS to Explicit VR Little Endian")
    assert len(counted) >= 10


def test_getscu_gets_everything_uncompressed(compared: Compared, dcmtk: Dcmtk, tmp_path: Path) -> None:
    """C-GET by a peer that takes uncompressed syntaxes alone, of everything that is stored in another."""
    studies = sorted({one.study_uid for one in compared.kept.values()})
    files = samples_roads.by_getscu(dcmtk, compared.platform, studies, tmp_path / "got")
    missing = [compared.kept[uid] for uid in compared.kept.keys() - files.keys()]
    print(f"\ngetscu got {len(files)} of {len(compared.kept)}, and not {[(one.path.name, one.sop_class_uid) for one in missing]}")
    offered = [one for one in missing if one.sop_class_uid not in samples_roads.PRIVATE_CLASSES]  # of which getscu knows nothing
    assert not [one.path for one in offered if not unmakable(one)]
    assert all(split(data)[0].TransferSyntaxUID in UNCOMPRESSED for data in files.values())
    counted = agree(files, compared, "getscu")
    assert len(counted) >= 10
