"""Resident memory of a running platform while eight associations send instances of 512 kB and eight viewers read them.

    python benchmarks/memory.py [--studies 8] [--slices 150]

Called by `make bench`, which starts the platform, says where it is in the environment, and makes it know the
device BENCH. Counts the server and its children, twice a second, in MB: before, at most, and a while after.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests import make

JSON = {"Accept": "application/dicom+json"}
OCTETS = {"Accept": 'multipart/related; type="application/octet-stream"'}


def server_of(data: str) -> int:
    """Process id of the platform on this data folder."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"serve" in words and data.encode() in words:
                return int(folder.name)
    raise SystemExit(f"no platform serves {data}")


def resident_mb(server: int) -> int:
    """Of the server and all that it has started; pages that they share count for each."""
    parents: dict[int, int] = {}
    pages: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # one that has just ended
            process = int(folder.name)
            parents[process] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            pages[process] = int((folder / "statm").read_text().split()[1])
    mine, found = {server}, {server}
    while found := {process for process, parent in parents.items() if parent in found}:
        mine |= found
    return sum(pages.get(process, 0) for process in mine) * os.sysconf("SC_PAGESIZE") >> 20


def view(url: str, token: str, study_uid: str, ended: threading.Event) -> int:
    """Read a study as a viewer does until told to stop: its metadata, eight frames and a thumbnail, again and again."""
    views = 0
    with httpx.Client(base_url=f"{url}/dicom-web/studies/{study_uid}", headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        while not ended.is_set():
            rows = client.get("/metadata", headers=JSON).raise_for_status().json()
            for row in itertools.islice(rows, 8):
                series, instance = row["0020000E"]["Value"][0], row["00080018"]["Value"][0]
                client.get(f"/series/{series}/instances/{instance}/frames/1", headers=OCTETS).raise_for_status()
            client.get(f"/series/{series}/thumbnail").raise_for_status()
            views += 1
    return views


def send(port: str, folder: Path) -> None:
    """Send one folder over one association."""
    command = ["storescu", "-aet", "BENCH", "-aec", "ARCHIPEL", "--max-pdu", "131072", "+sd", "127.0.0.1", port, str(folder)]
    subprocess.run(command, env={**os.environ, "TCP_NODELAY": "1"}, check=True, timeout=600, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=8)
    parser.add_argument("--slices", type=int, default=150)
    args = parser.parse_args()
    url, port, token = os.environ["PLATFORM_URL"], os.environ["PLATFORM_DICOM_PORT"], os.environ["PLATFORM_TOKEN"]
    data = os.environ["PLATFORM_DATA"]
    server = server_of(data)
    ended, peak = threading.Event(), 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(17) as threads:
        studies = [make.ct_study(instances=args.slices, size=512) for _ in range(args.studies)]
        folders = [Path(folder) / str(n) for n in range(args.studies)]
        for study, at in zip(studies, folders, strict=True):
            at.mkdir()
            make.files(study, at)
        before = resident_mb(server)
        for at in folders[:1]:
            send(port, at)
        viewers = [threads.submit(view, url, token, studies[0][0].StudyInstanceUID, ended) for _ in range(8)]
        begun = time.monotonic()
        senders = [threads.submit(send, port, at) for at in folders[1:] + folders[:1]]
        while not all(sender.done() for sender in senders):
            peak = max(peak, resident_mb(server))
            time.sleep(0.5)
        seconds = time.monotonic() - begun
        ended.set()
        views = sum(viewer.result() for viewer in viewers)
        for sender in senders:
            sender.result()
    time.sleep(5)
    rate = args.studies * args.slices / seconds
    print(f"memory: {before} MB before, {peak} MB at most, {resident_mb(server)} MB after; {rate:.0f} instances/s, {views} views")


if __name__ == "__main__":
    main()
