"""What a reader adds to the chest CT: a segmentation of the nodules and a measurement report (TID 1500), made with highdicom."""

from __future__ import annotations

from collections.abc import Iterator

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID

from archipel.demo.ct import Scan, chest_scans, scan_headers
from archipel.demo.dataset import MANUFACTURER, SOFTWARE, Visit, part10
from archipel.demo.thorax import NODULES, Nodule

NODULE = Code("27925004", "SCT", "Nodule")
LUNG = Code("39607008", "SCT", "Lung")


def chest_findings(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """SEG and SR on the lung series of ``ct.chest_ct`` of the same visit."""
    scan = chest_scans(small)[0]
    source, depths = [], []
    for header, depth in scan_headers(visit, scan):
        source.append(header)
        depths.append(depth)
    yield part10(segmentation(visit, scan, source, depths))
    yield part10(measurements(visit, scan, source, depths))


def segmentation(visit: Visit, scan: Scan, source: list[Dataset], depths: list[float]) -> Dataset:
    """One binary segment per nodule (PS3.3 A.51)."""
    masks = np.zeros((len(source), scan.size, scan.size, len(NODULES)), dtype=np.uint8)
    for index, depth in enumerate(depths):
        for segment, nodule in enumerate(NODULES):
            masks[index, :, :, segment] = disc(scan, nodule, depth)
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"Nodule {nodule.name}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=NODULE,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            tracking_uid=visit.uid("nodule", nodule.name),
            tracking_id=f"nodule-{nodule.name}",
            anatomic_regions=[LUNG],
        )
        for number, nodule in enumerate(NODULES, start=1)
    ]
    seg = hd.seg.Segmentation(
        source_images=source,
        pixel_array=masks,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=visit.uid("series", "seg"),
        series_number=20,
        sop_instance_uid=visit.uid("seg", 1),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="Phantom SEG",
        software_versions=SOFTWARE,
        device_serial_number="0001",
        content_description="Nodules pulmonaires",
        content_creator_name="DEMO-RIVIERE^Camille",
        content_label="NODULES",
    )
    seg.SeriesDescription = "Segmentation des nodules"
    settle(seg, visit, "seg")
    return seg


def disc(scan: Scan, nodule: Nodule, depth: float) -> NDArray[np.uint8]:
    rest = nodule.radius**2 - (depth - nodule.z) ** 2
    if rest <= 0:
        return np.zeros((scan.size, scan.size), dtype=np.uint8)
    pixel = scan.field_mm / scan.size
    axis = (np.arange(scan.size) - (scan.size - 1) / 2) * pixel
    inside = (axis[None, :] - nodule.x) ** 2 + (axis[:, None] - nodule.y) ** 2 <= rest
    return inside.astype(np.uint8)


def measurements(visit: Visit, scan: Scan, source: list[Dataset], depths: list[float]) -> Dataset:
    """A report with the long axis of each nodule, drawn on the slice nearest to its middle."""
    groups = [planar_group(visit, scan, nodule, source[nearest(depths, nodule.z)]) for nodule in NODULES]
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(name="DEMO-RIVIERE^Camille"),
    )
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_person_context=observer),
        procedure_reported=Code("169069000", "SCT", "CT of chest"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    sr = hd.sr.ComprehensiveSR(
        evidence=source,
        content=report[0],
        series_instance_uid=visit.uid("series", "sr"),
        series_number=21,
        sop_instance_uid=visit.uid("sr", 1),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        institution_name=source[0].InstitutionName,
    )
    sr.SeriesDescription = "Mesures des nodules"
    settle(sr, visit, "sr")
    return sr


def planar_group(visit: Visit, scan: Scan, nodule: Nodule, image: Dataset) -> hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    pixel = scan.field_mm / scan.size
    column, row = nodule.x / pixel + (scan.size - 1) / 2 + 0.5, nodule.y / pixel + (scan.size - 1) / 2 + 0.5
    reach = nodule.radius / pixel
    line = np.array([[column - reach, row], [column + reach, row]])
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=UID(visit.uid("nodule", nodule.name)), identifier=f"nodule-{nodule.name}"),
        referenced_region=hd.sr.ImageRegion(
            graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
            graphic_data=line,
            source_image=hd.sr.SourceImageForRegion.from_source_image(image),
        ),
        finding_type=NODULE,
        finding_sites=[hd.sr.FindingSite(anatomic_location=LUNG)],
        measurements=[hd.sr.Measurement(name=codes.SCT.LongAxis, value=round(2 * nodule.radius, 1), unit=codes.UCUM.Millimeter)],
    )


def nearest(depths: list[float], z: float) -> int:
    return min(range(len(depths)), key=lambda index: abs(depths[index] - z))


def settle(ds: Dataset, visit: Visit, key: str) -> None:
    """Replace what highdicom takes from the clock and from random numbers, so that the file is the same on every run."""
    moment = visit.at.strftime("%H%M%S")
    ds.ContentDate = ds.SeriesDate = ds.InstanceCreationDate = ds.StudyDate
    ds.ContentTime = ds.SeriesTime = ds.InstanceCreationTime = moment
    organization = visit.uid(key, "dimension organization")
    for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in ds.get(sequence) or []:
            item.DimensionOrganizationUID = organization
    for item in ds.get("ContributingEquipmentSequence") or []:
        if "ContributionDateTime" in item:
            item.ContributionDateTime = ds.ContentDate + moment
