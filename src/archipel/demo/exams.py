"""The exams of the demo region: who had what, where and how many days before the day that the demo is told on."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_testdata_file

from archipel.demo.ct import chest_ct, head_ct
from archipel.demo.dataset import DemoExam, Visit, part10
from archipel.demo.documents import capture, pdf_report
from archipel.demo.dose import dose_report
from archipel.demo.ecg import ecg
from archipel.demo.findings import chest_findings
from archipel.demo.mammography import screening
from archipel.demo.mr import brain_mr
from archipel.demo.pet import pet_ct
from archipel.demo.radiography import chest_dx, hand_cr
from archipel.demo.region import PEOPLE, WRONG_NAME, Person
from archipel.demo.ultrasound import ultrasound

Maker = Callable[[Visit, bool], Iterator[bytes]]

# The exam that comes last: where it is, the whole demo is.
CLOSING_NUMBER = 999

CHU, ROCHE_BLANCHE, ANSE_VERTE = "chu-port-alize", "ch-roche-blanche", "hopital-anse-verte"
SALINES, SCREENING = "cabinet-des-salines", "depistage-archipel"


@dataclass(frozen=True)
class Entry:
    """A line of the catalogue; ``filler`` exams only make the list longer and are left out of a small region."""

    key: str
    person: str
    site_id: str
    days_ago: int
    at: time
    description: str
    station: str
    makers: tuple[Maker, ...]
    filler: bool = False


@dataclass(frozen=True)
class Telling:
    """How the demo is told this time."""

    today: date
    edition: str
    small: bool


HEAD_DOSE = partial(dose_report, region="head")
LEROY_PRIOR = partial(screening, seed="leroy", prior=True)
LEROY_NOW = partial(screening, seed="leroy")
NO_LESION = partial(screening, lesion_side="")

CATALOGUE = (
    Entry("ct-chest", "lefevre", CHU, 1, time(9, 12, 30), "Scanner thoracique injecté", "CHU_CT1",
          (chest_ct, chest_findings, dose_report, pdf_report, capture)),
    Entry("ct-head", "petit", ROCHE_BLANCHE, 0, time(3, 41, 5), "Scanner cérébral, chute", "CHRB_CT1", (head_ct, HEAD_DOSE)),
    Entry("mr-brain", "nguyen", CHU, 3, time(14, 5, 0), "IRM encéphalique", "CHU_MR1", (brain_mr,)),
    Entry("mg-leroy-prior", "leroy", SCREENING, 733, time(10, 20, 0), "Mammographie de dépistage", "DEPIST_MG1", (LEROY_PRIOR,)),
    Entry("mg-leroy", "leroy", SCREENING, 2, time(11, 2, 0), "Mammographie de dépistage", "DEPIST_MG1", (LEROY_NOW,)),
    Entry("mg-morel", "morel", SCREENING, 1, time(8, 47, 0), "Mammographie de dépistage", "DEPIST_MG2", (NO_LESION,), filler=True),
    Entry("pet-ct", "bernard", CHU, 5, time(10, 30, 0), "TEP-TDM au FDG", "CHU_PET", (pet_ct,)),
    Entry("us-aorta", "garcia", SALINES, 1, time(16, 15, 0), "Échographie abdominale", "SALINES_US1", (ultrasound,)),
    Entry("ecg-rest", "dupont", CHU, 6, time(7, 58, 0), "ECG de repos", "CHU_ECG", (ecg,)),
    Entry("dx-chest", "fontaine", ANSE_VERTE, 1, time(17, 33, 0), "Radiographie du thorax", "HLAV_DX1", (chest_dx,)),
    Entry("cr-hand", "martin", SALINES, 4, time(18, 4, 0), "Radiographie de la main gauche", "SALINES_CR1", (hand_cr,)),
)  # fmt: skip

FILLERS = (
    ("dupont", CHU, "CHU_DX1", "dx", (2, 41, 160)),
    ("petit", ROCHE_BLANCHE, "CHRB_DX1", "dx", (0, 12)),
    ("haddad", ROCHE_BLANCHE, "CHRB_DX1", "cr", (0, 2, 30)),
    ("roux", ROCHE_BLANCHE, "CHRB_DX1", "cr", (1, 8)),
    ("fontaine", ANSE_VERTE, "HLAV_DX1", "dx", (8, 90)),
    ("payet", ANSE_VERTE, "HLAV_DX1", "dx", (0, 3)),
    ("payet", ANSE_VERTE, "HLAV_DX1", "cr", (15,)),
    ("garcia", SALINES, "SALINES_CR1", "cr", (0, 60)),
    ("garcia", SALINES, "SALINES_US1", "us", (20,)),
    ("martin", SALINES, "SALINES_CR1", "cr", (1,)),
    ("nguyen", CHU, "CHU_ECG", "ecg", (3,)),
)
FILLER_KINDS: dict[str, tuple[str, Maker]] = {
    "dx": ("Radiographie du thorax", chest_dx),
    "cr": ("Radiographie de la main gauche", hand_cr),
    "us": ("Échographie de contrôle", ultrasound),
    "ecg": ("ECG de repos", ecg),
}

# pydicom's own test files, inside its package: other makers' syntaxes and objects, sent as they are.
SAMPLES = (
    "CT_small.dcm", "MR_small.dcm", "examples_ybr_color.dcm", "examples_palette.dcm", "examples_overlay.dcm", "examples_rgb_color.dcm",
    "examples_jpeg2k.dcm", "JPEG2000.dcm", "JPGExtended.dcm", "SC_rgb_rle.dcm", "waveform_ecg.dcm", "liver_1frame.dcm", "reportsi.dcm",
    "rtplan.dcm", "rtstruct.dcm", "rtdose_1frame.dcm",
)  # fmt: skip


def demo_exams(today: date, small: bool = False, *, edition: str = "") -> Iterator[DemoExam]:
    """Every exam of the demo, told relative to ``today``; Part 10 files are made only when they are read.

    ``small`` gives one exam of each kind with a few small images, for tests. The same arguments give the same bytes;
    another ``edition`` gives the same exams under other UIDs, for a fresh start on the same day.
    """
    telling = Telling(today, f"{today.isoformat()}/{edition}", small)
    for number, entry in enumerate(catalogue(), start=1):
        if small and entry.filler:
            continue
        visit = visit_of(entry, number, telling)
        yield DemoExam(entry.site_id, entry.key, chain.from_iterable(maker(visit, small) for maker in entry.makers))
    yield from conflicting_exams(telling)
    if not small:
        yield DemoExam(CHU, "pydicom-samples", samples())
    closing = Entry("closing", "dupont", CHU, 0, time(7, 30), "ECG de repos", "CHU_ECG", (ecg,))
    yield DemoExam(CHU, "closing", ecg(visit_of(closing, CLOSING_NUMBER, telling), small))


def accession(number: int) -> str:
    """The Accession Number of the demo's exam of that number."""
    return f"DEMO{number:08d}"


def catalogue() -> Iterator[Entry]:
    yield from CATALOGUE
    for person, site_id, station, kind, days in FILLERS:
        description, maker = FILLER_KINDS[kind]
        for days_ago in days:
            at = time(8 + (days_ago * 7 + len(person)) % 11, (days_ago * 13) % 60)
            yield Entry(f"{kind}-{person}-{days_ago}", person, site_id, days_ago, at, description, station, (maker,), filler=True)


def visit_of(entry: Entry, number: int, telling: Telling, person: Person | None = None) -> Visit:
    return Visit(
        key=entry.key,
        person=person or PEOPLE[entry.person],
        site_id=entry.site_id,
        edition=telling.edition,
        on=telling.today - timedelta(days=entry.days_ago),
        at=entry.at,
        description=entry.description,
        accession=accession(number),
        station=entry.station,
    )


def conflicting_exams(telling: Telling) -> Iterator[DemoExam]:
    """What the conflict screens are for: they come after the exams that they contradict."""
    hand = Entry("conflict-name", "bernard", CHU, 4, time(12, 20), "Radiographie de la main gauche", "CHU_DX1", (hand_cr,))
    yield DemoExam(CHU, "conflict-name", hand_cr(visit_of(hand, 901, telling, WRONG_NAME), telling.small))

    other_birth = replace(PEOPLE["leroy"], birth="19640225")
    breast = Entry("conflict-birth-date", "leroy", SCREENING, 1, time(11, 40), "Échographie mammaire", "DEPIST_US1", (ultrasound,))
    yield DemoExam(SCREENING, "conflict-birth-date", ultrasound(visit_of(breast, 902, telling, other_birth), telling.small))

    number, wrist = numbered("cr-hand")
    wrong_person = visit_of(wrist, number, telling, PEOPLE["garcia"])
    yield DemoExam(
        wrist.site_id, "conflict-patient", pdf_report(wrong_person, telling.small, lines=("Compte rendu classé au mauvais nom.",))
    )

    number, chest = numbered("dx-chest")
    yield DemoExam(chest.site_id, "conflict-content", resent(chest_dx(visit_of(chest, number, telling), telling.small)))


def numbered(key: str) -> tuple[int, Entry]:
    return next((number, entry) for number, entry in enumerate(CATALOGUE, start=1) if entry.key == key)


def resent(files: Iterator[bytes]) -> Iterator[bytes]:
    """The same instances with other content: somebody corrected the view at the device and sent again."""
    for content in files:
        ds = dcmread(io.BytesIO(content))
        ds.ViewPosition = "AP"
        ds.ImageComments = f"{ds.ImageComments}, incidence corrigée"
        yield part10(ds, ds.file_meta.TransferSyntaxUID)


def samples() -> Iterator[bytes]:
    for name in SAMPLES:
        path = get_testdata_file(name, download=False)
        if path is not None:
            yield Path(str(path)).read_bytes()
