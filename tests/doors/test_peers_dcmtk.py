"""DCMTK's tools and dciodvfy against the whole running platform, with every sample that they can read."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doors import samples_roads
from tests.doors.samples_back import by_wado, study_uids
from tests.doors.samples_expected import DEFLATED, LITTLE, Sample, even, rarest_first, samples, split
from tests.doors.samples_roads import AET, fail_unless
from tests.platform import Platform
from tests.servers import Dcmtk, program

pytestmark = pytest.mark.timeout(300)
Contents = dict[str, tuple[str, bytes]]
MOVE_TO = "STORESCP"


@dataclass
class Filled:
    """A platform into which storescu sent what it can, and our own requestor the rest."""

    platform: Platform
    sent: dict[str, Sample]
    by_dcmtk: Contents
    """What storescu sends, as DCMTK's own storescp wrote it down: DCMTK re-encodes what it reads."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """One content of each UID, rarest syntax first."""
    dcmtk = Dcmtk()
    folder = tmp_path_factory.mktemp("dcmtk")
    one_each: dict[str, Sample] = {}
    for one in rarest_first(one for one in samples() if not one.reason):
        one_each.setdefault(one.sop_instance_uid, one)
    with samples_roads.storescp(dcmtk, folder / "reference") as port:
        samples_roads.by_storescu(dcmtk, list(one_each.values()), port, "REFERENCE")
    reference = samples_roads.written(folder / "reference")
    platform = samples_roads.started(folder)
    try:
        samples_roads.by_storescu(dcmtk, list(one_each.values()), platform.dicom_port, platform.aet)
        samples_roads.by_scu(platform, [one for uid, one in one_each.items() if uid not in reference])
        yield Filled(platform, one_each, reference)
    finally:
        platform.kill()


def test_echoscu(filled: Filled, dcmtk: Dcmtk) -> None:
    dcmtk.run("echoscu", "-aet", AET, "-aec", filled.platform.aet, "127.0.0.1", filled.platform.dicom_port)
    refused = dcmtk.run("echoscu", "-aet", "NOBODY", "-aec", filled.platform.aet, "127.0.0.1", filled.platform.dicom_port, check=False)
    assert refused.returncode != 0
    assert "Calling AE Title Not Recognized" in refused.stderr


def test_storescu_stored_everything_as_it_sent_it(filled: Filled) -> None:
    """The archive holds, byte for byte, what DCMTK's own receiver got from the same storescu; and the rest as it lies in the files."""
    with samples_roads.web(filled.platform) as client:
        held = by_wado(client)
    fail_unless(held.keys() == filled.sent.keys(), f"{sorted(held.keys() ^ filled.sent.keys())[:5]}")
    wanted = {uid: (one.transfer_syntax_uid, even(one.dataset)) for uid, one in filled.sent.items()} | filled.by_dcmtk
    differing = [str(filled.sent[uid].path) for uid in held if held[uid] != wanted[uid]]
    fail_unless(not differing, f"{len(differing)} differ: {differing[:5]}")
    by_us = Counter(filled.sent[uid].transfer_syntax_uid for uid in filled.sent.keys() - filled.by_dcmtk.keys())
    counted = Counter(syntax for syntax, _ in filled.by_dcmtk.values())
    answers = {"by storescu": len(filled.by_dcmtk), "by our requestor": by_us.total()}
    samples_roads.note(
        "stored", road="storescu", files=len(filled.sent), answers=answers, by_syntax=dict(sorted((counted + by_us).items()))
    )
    samples_roads.note("byte for byte", way="storescu, WADO-RS", count=len(held))
    assert len(filled.by_dcmtk) > 50


def test_findscu_counts_what_is_there(filled: Filled, dcmtk: Dcmtk) -> None:
    """At every level, against what the other door says."""
    with samples_roads.web(filled.platform) as client:
        studies = study_uids(client)
    found = find(filled, dcmtk, "STUDY", "StudyInstanceUID", "NumberOfStudyRelatedInstances")
    assert sorted(found["StudyInstanceUID"]) == sorted(studies)
    assert sum(map(int, found["NumberOfStudyRelatedInstances"])) == len(filled.sent)
    study = Counter(one.study_uid for one in filled.sent.values()).most_common(1)[0][0]
    series = find(filled, dcmtk, "SERIES", f"StudyInstanceUID={study}", "SeriesInstanceUID")["SeriesInstanceUID"]
    images = [
        uid
        for one in series
        for uid in find(filled, dcmtk, "IMAGE", f"StudyInstanceUID={study}", f"SeriesInstanceUID={one}", "SOPInstanceUID")["SOPInstanceUID"]
    ]
    assert sorted(images) == sorted(uid for uid, one in filled.sent.items() if one.study_uid == study)


def find(filled: Filled, dcmtk: Dcmtk, level: str, *keys: str) -> dict[str, list[str]]:
    """Values of the answers by keyword."""
    options = [word for key in (f"QueryRetrieveLevel={level}", *keys) for word in ("-k", key)]
    done = dcmtk.run("findscu", "-S", "-aet", AET, "-aec", filled.platform.aet, *options, "127.0.0.1", filled.platform.dicom_port)
    found: dict[str, list[str]] = {key.partition("=")[0]: [] for key in keys}
    for value, keyword in re.findall(r"\(\w{4},\w{4}\) \w\w \[(.*?)\] .*? (\w+)\n", done.stderr + done.stdout):
        if keyword in found:
            found[keyword].append(value.strip(" \0"))
    return found


@pytest.fixture(scope="module")
def moved(filled: Filled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything, sent by C-MOVE to DCMTK's storescp, which takes all syntaxes that it knows."""
    dcmtk, folder = Dcmtk(), tmp_path_factory.mktemp("moved") / "files"
    with samples_roads.web(filled.platform) as client:
        studies = study_uids(client)
    with samples_roads.storescp(dcmtk, folder) as port:
        filled.platform.device(MOVE_TO, port)
        for start in range(0, len(studies), 50):
            key = "StudyInstanceUID=" + "\\".join(studies[start : start + 50])
            dcmtk.run(
                "movescu", "-S", "-aet", AET, "-aec", filled.platform.aet, "-aem", MOVE_TO, "-k", "QueryRetrieveLevel=STUDY", "-k", key,
                "127.0.0.1", filled.platform.dicom_port, seconds=120, check=False,
            )  # fmt: skip
    return folder


def test_movescu_brings_everything_to_storescp(filled: Filled, moved: Path) -> None:
    """What storescp takes as stored comes byte for byte; the syntaxes that DCMTK does not know come uncompressed."""
    found = samples_roads.written(moved)
    differing = [uid for uid, content in filled.by_dcmtk.items() if found.get(uid) != content]
    fail_unless(not differing, f"{[str(filled.sent[uid].path) for uid in differing[:5]]}")
    others = filled.sent.keys() - filled.by_dcmtk.keys()
    transcoded = [uid for uid in others & found.keys() if found[uid][0] != filled.sent[uid].transfer_syntax_uid]
    assert all(found[uid][0] == LITTLE for uid in transcoded)
    missing = [(filled.sent[uid].path.name, filled.sent[uid].transfer_syntax_uid) for uid in others - found.keys()]
    samples_roads.note("byte for byte", way="storescu, movescu to storescp", count=len(filled.by_dcmtk))
    assert missing == []
    assert transcoded


# --- dciodvfy ---------------------------------------------------------------------------------------------------------------------


def verdict(path: Path) -> set[str]:
    """What dciodvfy has to say of a file, without what it says of the file meta, which is the archive's own."""
    done = subprocess.run(
        [program("dciodvfy", peer="dicom3tools"), str(path)], capture_output=True, text=True, errors="replace", timeout=60, check=False
    )
    return {line.strip() for line in (done.stderr + done.stdout).splitlines() if line.startswith("Error")}


def readable(one: Sample, dcmtk: Dcmtk, folder: Path) -> Path:
    """The file that was sent; inflated by DCMTK where it is deflated, which dciodvfy does not read."""
    if one.transfer_syntax_uid != DEFLATED:
        return one.path
    dcmtk.run("dcmconv", "+te", one.path, folder / "inflated.dcm")
    return folder / "inflated.dcm"


# Ultrasound may be YBR_FULL in RLE alone, by plane; given uncompressed the samples stay what they are, colour by pixel.
ALLOWED = {"YBR_FULL-RLE.dcm": ("<Planar Configuration>", "<Photometric Interpretation>")}


def test_dciodvfy_finds_nothing_new(filled: Filled, dcmtk: Dcmtk, tmp_path: Path) -> None:
    """One object of each SOP class as stored, and one of each syntax transcoded: no error that was not in what was sent."""
    chosen: dict[tuple[str, str], Sample] = {}
    for one in filled.sent.values():
        chosen.setdefault((one.sop_class_uid, ""), one)
        chosen.setdefault(("", one.transfer_syntax_uid), one)
    compared, worse = 0, []
    with samples_roads.web(filled.platform) as client:
        for one in {one.sop_instance_uid: one for one in chosen.values()}.values():
            url = client.get("/instances", params={"SOPInstanceUID": one.sop_instance_uid}).json()[0]["00081190"]["Value"][0]
            before = verdict(one.path) | verdict(readable(one, dcmtk, tmp_path))
            for accept in ("application/dicom; transfer-syntax=*", f"application/dicom; transfer-syntax={LITTLE}"):
                answer = client.get(url, headers={"Accept": accept})
                if answer.status_code == 406:
                    continue
                assert answer.status_code == 200
                back = tmp_path / "back.dcm"
                back.write_bytes(answer.content)
                new = {message for message in verdict(back) - before if not message.endswith(ALLOWED.get(one.path.name, ("no such",)))}
                worse += [f"{one.path.name} as {split(answer.content)[0].TransferSyntaxUID}: {message}" for message in sorted(new)]
                compared += 1
    classes = len({one.sop_class_uid for one in chosen.values()})
    samples_roads.note("dciodvfy", way=f"one object of {classes} SOP classes and of each syntax, as stored and converted", count=compared)
    fail_unless(not worse, "\n".join(worse))
    assert compared > 30
