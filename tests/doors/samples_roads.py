"""The roads by which samples come into a running platform, each by its own client."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from archipel.dicom import scu
from tests.doors.samples_expected import MEDIA_DIRECTORY, Sample, split
from tests.platform import Platform
from tests.servers import DCMTK_ENVIRONMENT, Dcmtk, Process, free_port

AET = "SAMPLES"
# Two samples were made anonymous so thoroughly that their SOP classes exist nowhere else.
PRIVATE_CLASSES = ("2.25.152752519834663263826301420581341174218", "2.25.215425430857432966361489015284054781485")
PARTS_PER_REQUEST = 40
CONTEXTS_MAX = 120
# What DCMTK's storescu calls each transfer syntax; it has no others.
STORESCU_OPTIONS = {
    "1.2.840.10008.1.2": "-xi", "1.2.840.10008.1.2.1": "-xe", "1.2.840.10008.1.2.2": "-xb", "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.4.50": "-xy", "1.2.840.10008.1.2.4.51": "-xx", "1.2.840.10008.1.2.4.70": "-xs", "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu", "1.2.840.10008.1.2.4.90": "-xv", "1.2.840.10008.1.2.4.91": "-xw", "1.2.840.10008.1.2.4.100": "-xm",
    "1.2.840.10008.1.2.5": "-xr",
}  # fmt: skip


def by_import(platform: Platform, sent: Sequence[Sample]) -> Counter[str]:
    """``archipel import`` of files; what its last line says."""
    done = platform.command("import", *(str(one.path) for one in sent), seconds=120)
    words = done.stdout.strip().splitlines()[-1]
    found = Counter({name: int(count) for count, name in re.findall(r"(\d+) (stored|already stored|kept aside|refused)", words)})
    reasons = [line for line in done.stderr.splitlines() if line.startswith("refused\t")]
    assert len(reasons) == found["refused"], "each refused file is listed with its reason"
    return found


def by_stow(platform: Platform, sent: Sequence[Sample]) -> Counter[str]:
    """STOW-RS of files as they are, several in one request; warnings and failures of the answers."""
    found: Counter[str] = Counter()
    with web(platform) as client:
        for start in range(0, len(sent), PARTS_PER_REQUEST):
            body = b"".join(
                b"--samples\r\nContent-Type: application/dicom\r\n\r\n" + one.path.read_bytes() + b"\r\n"
                for one in sent[start : start + PARTS_PER_REQUEST]
            )
            headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=samples', "Accept": "application/dicom+json"}
            answer = client.post("/studies", content=body + b"--samples--\r\n", headers=headers)
            assert answer.status_code in (200, 202, 409), f"{answer.status_code} {answer.text[:300]}"
            row = answer.json()
            stored = row.get("00081199", {}).get("Value", [])
            failed = row.get("00081198", {}).get("Value", [])
            assert all(item["00000902"]["Value"][0] for item in failed), "each failure says why"
            aside = sum("00081196" in item for item in stored)
            found.update({"stored": len(stored) - aside, "kept aside": aside, "refused": len(failed)})
    return found


def by_scu(platform: Platform, sent: Sequence[Sample]) -> Counter[str]:
    """C-STORE of the dataset as it lies in the file, byte for byte; needs the UIDs that the command names."""
    found: Counter[str] = Counter()
    for batch in batches([one for one in sent if sendable(one)]):
        offers = [(sop_class, [syntax]) for sop_class, syntax in dict.fromkeys(map(kind, batch))]
        peer = scu.Peer("127.0.0.1", platform.dicom_port, platform.aet, AET)
        with scu.Association(peer, offers) as association:
            for one in batch:
                answer = association.store(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, [one.dataset])
                assert answer.status == 0 or answer.comment, one.path
                found["stored" if answer.status == 0 else "kept aside" if answer.status == 0xB000 else "refused"] += 1
    found["not to be named by a command"] = sum(not sendable(one) for one in sent)
    return found


def sendable(one: Sample) -> bool:
    """Whether a C-STORE command can name the sample."""
    named = one.sop_class_uid and one.sop_instance_uid and one.transfer_syntax_uid and len(one.sop_instance_uid) <= 64
    return bool(named and one.sop_class_uid != MEDIA_DIRECTORY)


def kind(one: Sample) -> tuple[str, str]:
    """SOP class and transfer syntax: what a presentation context is for."""
    return one.sop_class_uid, one.transfer_syntax_uid


def batches(sent: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Runs of samples whose presentation contexts fit in one association."""
    batch: list[Sample] = []
    for one in sent:
        if len({*map(kind, batch), kind(one)}) > CONTEXTS_MAX:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def by_getscu(dcmtk: Dcmtk, platform: Platform, study_uids: Sequence[str], folder: Path) -> dict[str, bytes]:
    """DCMTK's getscu, which proposes the uncompressed syntaxes alone; the files that it writes, by SOP instance UID."""
    folder.mkdir()
    for start in range(0, len(study_uids), 40):
        key = "StudyInstanceUID=" + "\\".join(study_uids[start : start + 40])
        dcmtk.run(
            "getscu", "-S", "-aet", AET, "-aec", platform.aet, "+B", "-od", folder, "-k", "QueryRetrieveLevel=STUDY", "-k", key,
            "127.0.0.1", platform.dicom_port, seconds=120,
        )  # fmt: skip
    files = [path.read_bytes() for path in folder.iterdir()]
    return {str(split(data)[0].MediaStorageSOPInstanceUID): data for data in files}


def by_storescu(dcmtk: Dcmtk, sent: Sequence[Sample], port: int, called: str) -> None:
    """DCMTK's storescu, a run for each transfer syntax that it has; what it cannot read or send it leaves out."""
    for syntax, option in STORESCU_OPTIONS.items():
        paths = [one.path for one in sent if one.transfer_syntax_uid == syntax]
        if paths:
            dcmtk.run("storescu", "-nh", "-R", option, "-aet", AET, "-aec", called, "127.0.0.1", port, *paths, check=False, seconds=120)


@contextmanager
def storescp(dcmtk: Dcmtk, folder: Path) -> Iterator[int]:
    """DCMTK's storescp that writes every dataset exactly as it comes; its port."""
    folder.mkdir()
    port = free_port()
    process = Process(dcmtk.command("storescp", "+B", "+xa", "-pm", "-od", folder, port), folder.with_suffix(".log"), DCMTK_ENVIRONMENT)
    process.start(port)
    try:
        yield port
    finally:
        process.stop()


def written(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Transfer syntax and dataset by SOP instance UID of the files in a folder."""
    found = {}
    for path in folder.iterdir():
        meta, dataset = split(path.read_bytes())
        found[str(meta.MediaStorageSOPInstanceUID)] = (str(meta.TransferSyntaxUID), dataset)
    return found


@cache
def token(platform: Platform) -> str:
    """One token for each platform: a process has to start for a new one."""
    return platform.token()


@contextmanager
def web(platform: Platform) -> Iterator[httpx.Client]:
    """A client of the DICOMweb door with the right to store and read."""
    headers = {"Authorization": f"Bearer {token(platform)}"}
    with httpx.Client(base_url=platform.url + "/dicom-web", headers=headers, timeout=90) as client:
        yield client


def started(folder: Path) -> Platform:
    """A running platform with an empty archive that knows our device, and the private SOP classes among the samples by setting."""
    platform = Platform(folder, {"ARCHIPEL_DICOM__PRIVATE_SOP_CLASSES": json.dumps(PRIVATE_CLASSES)})
    platform.start(seconds=60)
    platform.device(AET)
    return platform


def note(kind_of_fact: str, **facts: Any) -> None:
    """Print what was counted, and keep it for tools/samples_page.py when that asks."""
    print(f"\n{kind_of_fact}: " + ", ".join(f"{name} {value}" for name, value in facts.items()))
    if log := os.environ.get("ARCHIPEL_TEST_SAMPLES_LOG"):
        with Path(log).open("a") as file:
            file.write(json.dumps({"kind": kind_of_fact, **facts}) + "\n")


def seconds(since: float) -> str:
    """How long something took, for the test's output."""
    return f"{time.monotonic() - since:.1f} s"


def fail_unless(condition: bool, message: str) -> None:
    """A failure whose message stays short however large the values are."""
    if not condition:
        pytest.fail(message, pytrace=False)
