"""The radiation dose report of a CT exam (TID 10011), written item by item from the scans that were made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.uid import XRayRadiationDoseSRStorage

from archipel.demo.ct import Scan, chest_scans, head_scan
from archipel.demo.dataset import MANUFACTURER, MARK, Series, Visit, code, instance, part10

Concept = tuple[str, str, str]


def dose_report(visit: Visit, small: bool = False, *, region: str = "chest") -> Iterator[bytes]:
    """One X-Ray Radiation Dose SR for the scans of ``ct.chest_ct`` or ``ct.head_ct`` of the same visit."""
    scan = chest_scans(small)[0] if region == "chest" else head_scan(small)
    target = ("43799004", "SCT", "Thoracic cavity structure") if region == "chest" else ("69536005", "SCT", "Head")
    series = Series("dose", 99, "SR", "Rapport de dose", model="Phantom CT", minutes=5)
    ds = instance(visit, series, XRayRadiationDoseSRStorage, 1)
    ds.ContentDate, ds.ContentTime = ds.StudyDate, ds.SeriesTime
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.PerformedProcedureCodeSequence = []
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.SeriesDescription = f"Rapport de dose {MARK}"
    root = report(visit, scan, target)
    for name in ("ValueType", "ConceptNameCodeSequence", "ContinuityOfContent", "ContentTemplateSequence", "ContentSequence"):
        setattr(ds, name, getattr(root, name))
    yield part10(ds)


def report(visit: Visit, scan: Scan, target: Concept) -> Dataset:
    """TID 10011 CT Radiation Dose."""
    dlp = scan.ctdi_vol_mgy * scan.length_mm / 10
    began = datetime.combine(visit.on, visit.at)
    procedure = coded("HAS CONCEPT MOD", ("121058", "DCM", "Procedure reported"), ("77477000", "SCT", "Computed Tomography X-Ray"))
    procedure.ContentSequence = [coded("HAS CONCEPT MOD", ("363703001", "SCT", "Has Intent"), ("261004008", "SCT", "Diagnostic Intent"))]
    scope = coded("HAS OBS CONTEXT", ("113705", "DCM", "Scope of Accumulation"), ("113014", "DCM", "Study"))
    scope.ContentSequence = [unique_id("HAS PROPERTIES", ("110180", "DCM", "Study Instance UID"), visit.study_uid)]
    root = container(
        "",
        ("113701", "DCM", "X-Ray Radiation Dose Report"),
        [
            procedure,
            *device_observer(visit),
            moment("HAS OBS CONTEXT", ("113809", "DCM", "Start of X-Ray Irradiation"), began),
            moment("HAS OBS CONTEXT", ("113810", "DCM", "End of X-Ray Irradiation"), began),
            scope,
            accumulated(dlp),
            acquisition(visit, scan, target, dlp),
            coded("CONTAINS", ("113854", "DCM", "Source of Dose Information"), ("113856", "DCM", "Automated Data Collection")),
        ],
    )
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "10011"
    root.ContentTemplateSequence = [template]
    return root


def device_observer(visit: Visit) -> list[Dataset]:
    """TID 1002 for a device."""
    return [
        coded("HAS OBS CONTEXT", ("121005", "DCM", "Observer Type"), ("121007", "DCM", "Device")),
        unique_id("HAS OBS CONTEXT", ("121012", "DCM", "Device Observer UID"), visit.uid("device observer")),
        text("HAS OBS CONTEXT", ("121013", "DCM", "Device Observer Name"), visit.station),
        text("HAS OBS CONTEXT", ("121014", "DCM", "Device Observer Manufacturer"), MANUFACTURER),
        text("HAS OBS CONTEXT", ("121015", "DCM", "Device Observer Model Name"), "Phantom CT"),
        text("HAS OBS CONTEXT", ("121016", "DCM", "Device Observer Serial Number"), "0001"),
    ]


def accumulated(dlp_mgy_cm: float) -> Dataset:
    """TID 10012 CT Accumulated Dose Data."""
    total = number("CONTAINS", ("113813", "DCM", "CT Dose Length Product Total"), dlp_mgy_cm, ("mGy.cm", "mGy.cm"))
    events = number("CONTAINS", ("113812", "DCM", "Total Number of Irradiation Events"), 1, ("{events}", "events"))
    return container("CONTAINS", ("113811", "DCM", "CT Accumulated Dose Data"), [events, total])


def acquisition(visit: Visit, scan: Scan, target: Concept, dlp_mgy_cm: float) -> Dataset:
    """TID 10013 CT Irradiation Event Data."""
    total_s = scan.length_mm / (scan.pitch * 38.4) * 0.5
    source = container(
        "CONTAINS",
        ("113831", "DCM", "CT X-Ray Source Parameters"),
        [
            text("CONTAINS", ("113832", "DCM", "Identification of the X-Ray Source"), "A"),
            number("CONTAINS", ("113733", "DCM", "KVP"), scan.kvp, ("kV", "kV")),
            number("CONTAINS", ("113833", "DCM", "Maximum X-Ray Tube Current"), scan.mas * 2.6, ("mA", "mA")),
            number("CONTAINS", ("113734", "DCM", "X-Ray Tube Current"), scan.mas * 2, ("mA", "mA")),
            number("CONTAINS", ("113834", "DCM", "Exposure Time per Rotation"), 0.5, ("s", "s")),
        ],
    )
    parameters = container(
        "CONTAINS",
        ("113822", "DCM", "CT Acquisition Parameters"),
        [
            number("CONTAINS", ("113824", "DCM", "Exposure Time"), total_s, ("s", "s")),
            number("CONTAINS", ("113825", "DCM", "Scanning Length"), scan.length_mm, ("mm", "mm")),
            number("CONTAINS", ("113826", "DCM", "Nominal Single Collimation Width"), 0.6, ("mm", "mm")),
            number("CONTAINS", ("113827", "DCM", "Nominal Total Collimation Width"), 38.4, ("mm", "mm")),
            number("CONTAINS", ("113828", "DCM", "Pitch Factor"), scan.pitch, ("{ratio}", "ratio")),
            number("CONTAINS", ("113823", "DCM", "Number of X-Ray Sources"), 1, ("{X-Ray sources}", "X-Ray sources")),
            source,
        ],
    )
    phantom = coded("CONTAINS", ("113835", "DCM", "CTDIw Phantom Type"), (scan.phantom[0], "DCM", scan.phantom[1]))
    dose = container(
        "CONTAINS",
        ("113829", "DCM", "CT Dose"),
        [
            number("CONTAINS", ("113830", "DCM", "Mean CTDIvol"), scan.ctdi_vol_mgy, ("mGy", "mGy")),
            phantom,
            number("CONTAINS", ("113838", "DCM", "DLP"), dlp_mgy_cm, ("mGy.cm", "mGy.cm")),
        ],
    )
    return container(
        "CONTAINS",
        ("113819", "DCM", "CT Acquisition"),
        [
            text("CONTAINS", ("125203", "DCM", "Acquisition Protocol"), scan.series.description),
            coded("CONTAINS", ("123014", "DCM", "Target Region"), target),
            coded("CONTAINS", ("113820", "DCM", "CT Acquisition Type"), ("116152004", "SCT", "Spiral Acquisition")),
            unique_id("CONTAINS", ("113769", "DCM", "Irradiation Event UID"), visit.uid("irradiation event")),
            parameters,
            dose,
        ],
    )


# --- content items (PS3.3 C.17.3) ----------------------------------------------------------------------------------------------------


def item(relationship: str, value_type: str, name: Concept) -> Dataset:
    ds = Dataset()
    if relationship:
        ds.RelationshipType = relationship
    ds.ValueType = value_type
    ds.ConceptNameCodeSequence = [code(*name)]
    return ds


def container(relationship: str, name: Concept, content: list[Dataset]) -> Dataset:
    ds = item(relationship, "CONTAINER", name)
    ds.ContinuityOfContent = "SEPARATE"
    ds.ContentSequence = content
    return ds


def coded(relationship: str, name: Concept, value: Concept) -> Dataset:
    ds = item(relationship, "CODE", name)
    ds.ConceptCodeSequence = [code(*value)]
    return ds


def text(relationship: str, name: Concept, value: str) -> Dataset:
    ds = item(relationship, "TEXT", name)
    ds.TextValue = value
    return ds


def unique_id(relationship: str, name: Concept, value: str) -> Dataset:
    ds = item(relationship, "UIDREF", name)
    ds.UID = value
    return ds


def moment(relationship: str, name: Concept, value: datetime) -> Dataset:
    ds = item(relationship, "DATETIME", name)
    ds.DateTime = value.strftime("%Y%m%d%H%M%S")
    return ds


def number(relationship: str, name: Concept, value: float, unit: tuple[str, str]) -> Dataset:
    """A NUM item; ``unit`` is a UCUM code and its meaning."""
    ds = item(relationship, "NUM", name)
    measured = Dataset()
    measured.NumericValue = f"{value:.6g}"
    measured.MeasurementUnitsCodeSequence = [code(unit[0], "UCUM", unit[1])]
    ds.MeasuredValueSequence = [measured]
    return ds
