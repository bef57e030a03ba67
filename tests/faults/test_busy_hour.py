"""The busy hour of a region: 150 instances a second, small ones and then full ones, while viewers read and series are sealed and copied.

`make soak` runs the long form and, with ARCHIPEL_TEST_SOAK_PICTURE, draws memory and lag; a short and gentler form always runs.
"""

from __future__ import annotations

import io
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydicom.filereader import read_dataset

from tests import make
from tests.faults.watch import AET, CT, EXPLICIT, Served, dataset
from tests.platform import Platform
from tests.servers import Bucket, wait_until

MINUTE = 60.0
LONG = (pytest.mark.soak, pytest.mark.timeout(3600))
LANES, VIEWERS, PER_SERIES = 4, 4, 100
GROWTH_BYTES_MAX = 60 << 20
LAG_S_MAX = 120.0


@dataclass
class Template:
    """One dataset of a size; the UIDs of each instance are written over those of the first, all of one length."""

    data: bytes
    marks: tuple[bytes, bytes, bytes]

    @classmethod
    def of(cls, side: int) -> Template:
        """A CT slice of ``side`` x ``side`` pixels of 16 bits, soft with some noise, as real ones are."""
        marks = tuple(f"1.2.826.0.1.3680043.8.498.{kind}{0:027d}" for kind in (1, 2, 3))
        (ds,) = make.ct_study(instances=1, size=side, StudyInstanceUID=marks[0])
        ds.SeriesInstanceUID, ds.SOPInstanceUID = marks[1:]
        field_ = np.add.outer(np.arange(side), np.arange(side)) * 3 + np.random.default_rng(1).integers(0, 24, (side, side))
        ds.PixelData = field_.astype("<u2").tobytes()
        return cls(dataset(ds), tuple(mark.encode() for mark in marks))  # type: ignore[arg-type]

    def made(self, study: int, series: int, number: int) -> tuple[bytes, tuple[str, str, str]]:
        """The dataset of an instance, and its UIDs."""
        uids = tuple(f"1.2.826.0.1.3680043.8.498.{kind}{value:027d}" for kind, value in ((1, study), (2, series), (3, number)))
        data = self.data
        for mark, uid in zip(self.marks, uids, strict=True):
            data = data.replace(mark, uid.encode())
        return data, uids  # type: ignore[return-value]


@dataclass
class Hour:
    """What goes on, and what was seen of it."""

    served: Served
    stop: threading.Event = field(default_factory=threading.Event)
    stored: list[tuple[str, str, str]] = field(default_factory=list)
    late_s: float = 0.0
    views: int = 0
    slowest_view_s: float = 0.0
    samples: list[tuple[float, int, float, int]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def send(self, lane: int, template: Template, per_second: float, seconds: float) -> None:
        """Send on time; a peer that falls behind goes on as fast as it can."""
        try:
            begun, count = time.monotonic(), 0
            with self.served.association((CT, [EXPLICIT])) as association:
                while (due := count / per_second) < seconds and not self.stop.is_set():
                    wait = begun + due - time.monotonic()
                    if wait > 0:
                        time.sleep(wait)
                    self.late_s = max(self.late_s, -wait)
                    number = int(begun * 1000) * 1_000_000 + lane * 100_000_000_000_000_000 + count
                    series = number - count + count // PER_SERIES
                    data, uids = template.made(series * 10 + 1, series, number)
                    answer = association.store(CT, uids[2], EXPLICIT, [data])
                    assert answer.status == 0, f"{answer.status:04X} {answer.comment}"
                    self.stored.append(uids)
                    count += 1
        except BaseException as error:
            self.failures.append(error)

    def view(self, seed: int) -> None:
        """Open what was stored as a viewer does: the series, its metadata, frames in any syntax, a thumbnail."""
        chance = random.Random(seed)
        any_frame = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
        try:
            with self.served.client() as client:
                while not self.stop.is_set():
                    if not self.stored:
                        time.sleep(0.2)
                        continue
                    study, series, uid = chance.choice(self.stored)
                    one = f"/dicom-web/studies/{study}/series/{series}"
                    begun = time.monotonic()
                    self._get(client, f"/dicom-web/studies/{study}/series")
                    self._get(client, f"{one}/metadata")
                    for _ in range(8):
                        self._get(client, f"{one}/instances/{uid}/frames/1", any_frame)
                    self._get(client, f"{one}/instances/{uid}/thumbnail", {"Accept": "image/jpeg"})
                    self.slowest_view_s = max(self.slowest_view_s, time.monotonic() - begun)
                    self.views += 1
                    time.sleep(0.5)
        except BaseException as error:
            self.failures.append(error)

    @staticmethod
    def _get(client: httpx.Client, path: str, headers: dict[str, str] | None = None) -> None:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])

    def watch(self) -> None:
        """Memory of the server and its children, age of the oldest job and of the oldest copy that waits, once a second."""
        begun = time.monotonic()
        with self.served.client() as client:
            while not self.stop.is_set():
                figures = client.get("/metrics", headers={"Authorization": ""}).text
                memory = sum(resident(pid) for pid in (self.served.pid, *self.served.children()))
                lag = max((figure(figures, name) for name in LAGS), default=0.0)
                self.samples.append((time.monotonic() - begun, memory, lag, len(self.stored)))
                time.sleep(1)


LAGS = ('archipel_jobs_oldest_seconds{state="waiting"}', "archipel_copies_oldest_seconds")


def figure(text: str, name: str) -> float:
    """A figure of the metrics, 0 when it is not there."""
    return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name)), 0.0)


def resident(pid: int) -> int:
    """Resident memory of a process, 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0


def drawn(samples: list[tuple[float, int, float, int]], path: Path, title: str) -> None:
    """Memory and lag over time as a picture."""
    width, height, left, gap = 1000, 260, 80, 50
    image = Image.new("RGB", (width, 2 * height + gap + 40), "white")
    draw = ImageDraw.Draw(image)
    draw.text((left, 8), title, fill="black")
    for row, (name, values) in enumerate((("memory, MB", [s[1] / 1e6 for s in samples]), ("lag, s", [s[2] for s in samples]))):
        top, most, long = 34 + row * (height + gap), max(*values, 1.0) * 1.1, samples[-1][0] or 1.0
        draw.rectangle((left, top, width - 20, top + height), outline="#888888")
        for part in range(5):
            y = top + height - height * part / 4
            draw.line((left, y, width - 20, y), fill="#dddddd")
            draw.text((10, y - 6), f"{most * part / 4:.0f}", fill="black")
        points = [
            (left + (width - 20 - left) * s[0] / long, top + height - height * v / most) for s, v in zip(samples, values, strict=True)
        ]
        draw.line(points, fill="#0b6e99", width=2)
        draw.text((left + 6, top + 4), name, fill="black")
        for part in range(6):
            draw.text((left + (width - 20 - left) * part / 5 - 10, top + height + 4), f"{long * part / 5:.0f} s", fill="black")
    image.save(path)


@pytest.fixture
def busy(tmp_path: Path, s3: Bucket) -> Iterator[Platform]:
    """The platform with a folder before an object store, and little quiet."""
    made = Platform(tmp_path, {
        "ARCHIPEL_BLOBS__URL": s3.url, "ARCHIPEL_BLOBS__ACCESS_KEY": s3.access_key, "ARCHIPEL_BLOBS__SECRET_KEY": s3.secret_key,
        "ARCHIPEL_BLOBS__REGION": s3.region, "ARCHIPEL_BLOBS__LOCAL": str(tmp_path / "local"), "ARCHIPEL_ARCHIVE__QUIET_S": "5",
    })  # fmt: skip
    yield made
    if made.process is not None:
        made.kill()


@pytest.mark.faults
@pytest.mark.parametrize(
    ("per_second", "small_s", "full_s"),
    [(40, 15.0, 5.0), pytest.param(150, 10 * MINUTE, MINUTE, marks=LONG)],
    ids=["short", "long"],
)
def test_the_busy_hour(busy: Platform, per_second: float, small_s: float, full_s: float) -> None:
    busy.device(AET)
    busy.start()
    hour = Hour(Served(busy))
    others = [threading.Thread(target=hour.watch)] + [threading.Thread(target=hour.view, args=(seed,)) for seed in range(VIEWERS)]
    for one in others:
        one.start()
    begun = time.monotonic()
    for side, seconds in ((181, small_s), (512, full_s)):  # 64 kB, 512 kB
        template = Template.of(side)
        lanes = [threading.Thread(target=hour.send, args=(lane + side, template, per_second / LANES, seconds)) for lane in range(LANES)]
        for one in lanes:
            one.start()
        for one in lanes:
            one.join()
    seconds = time.monotonic() - begun
    expected = per_second * (small_s + full_s)

    def drained() -> bool:
        """everything is sealed and copied"""
        figures = httpx.get(f"{busy.url}/metrics").text
        return not figure(figures, 'archipel_jobs{state="waiting"}') and not figure(figures, "archipel_copies_waiting")

    wait_until(drained, 300, every_s=1)
    hour.stop.set()
    for one in others:
        one.join(60)
    assert hour.failures == [], repr(hour.failures[:3])
    growing = [s for s in hour.samples if s[0] < small_s]
    settled = [s[1] for s in growing[len(growing) // 4 : len(growing) // 2]] or [hour.samples[0][1]]
    last = [s[1] for s in growing[-len(growing) // 4 :]]
    grown = sum(last) / len(last) - sum(settled) / len(settled)
    peak, lag = max(s[1] for s in hour.samples), max(s[2] for s in hour.samples)
    said = (
        f"{len(hour.stored)} of {expected:.0f} in {seconds:.0f} s ({len(hour.stored) / seconds:.0f}/s), {hour.late_s:.1f} s behind at most; "
        f"{hour.views} views, slowest {hour.slowest_view_s:.1f} s; memory {peak >> 20} MB at most, grown {grown / 1e6:.0f} MB; lag {lag:.0f} s at most"
    )
    print(f"\n{said}")
    if picture := os.environ.get("ARCHIPEL_TEST_SOAK_PICTURE"):
        drawn(hour.samples, Path(picture), said)
    assert len(hour.stored) >= 0.98 * expected
    assert grown < GROWTH_BYTES_MAX
    assert lag < LAG_S_MAX
    assert busy.stop() == 0
    done = busy.command("verify", seconds=1800).stdout
    assert f"{len(hour.stored)} instances" in done
    assert " 0 damaged" in done


def test_a_template_makes_sound_instances() -> None:
    data, (study, series, uid) = Template.of(64).made(7, 8, 9)
    ds = read_dataset(io.BytesIO(data), False, True)
    assert (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID) == (study, series, uid)
