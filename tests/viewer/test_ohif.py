"""OHIF as we ship it, in a real browser: every kind of exam is shown, measured and kept, under our policy and our cookie."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import pytest
from playwright.sync_api import Browser, expect
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, RLELossless, generate_uid

from tests.servers import wait_until
from tests.viewer.browser import Viewer, viewer
from tests.viewer.server import Server

pytestmark = pytest.mark.timeout(180)

SERVICES = "window.archipel.services"


def refused(server: Server) -> list[tuple[str, str, int]]:
    """Requests that the server did not answer well; objects without a picture have no thumbnail."""
    return [seen for seen in server.store.requests if seen[2] >= 400 and not seen[1].endswith("/thumbnail")]


def test_a_ct_is_shown_with_the_patient_and_a_way_back(screen: Viewer, server: Server, studies: dict[str, str]) -> None:
    screen.open(studies["ct-head"])
    screen.painted(1)
    expect(screen.page.get_by_text("DEMO-PETIT, Émile")).to_be_visible()
    expect(screen.page.get_by_text("DÉMONSTRATION")).to_be_visible()
    expect(screen.page.get_by_text("Études").first).to_be_visible()
    assert refused(server) == []
    screen.page.click("a.archipel-home")
    screen.page.wait_for_url(f"{server.url}/")


def test_the_language_follows_the_address(screen: Viewer, studies: dict[str, str]) -> None:
    screen.open(studies["ct-head"], lng="en")
    expect(screen.page.get_by_text("Studies").first).to_be_visible(timeout=60_000)
    assert screen.page.get_attribute("a.archipel-home", "title") == "Back to the list of exams"


def test_what_upstream_left_in_english_is_french(screen: Viewer, studies: dict[str, str]) -> None:
    page = screen.page
    screen.open(studies["ct-head"])
    screen.painted(1)
    expect(page.get_by_text("28/02/1935")).to_be_visible()
    expect(page.get_by_role("button", name="Superposition")).to_be_attached()
    page.click('[data-cy="Capture-btn"]')
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Enregistrer l’image")).to_be_visible()
    expect(dialog.get_by_role("button", name="Fermer")).to_be_visible()
    shown = set(dialog.inner_text().splitlines())
    assert not shown & {"Save", "Save Image", "Close", "Cancel", "Download", "Series", "File type"}


def test_english_stays_english(screen: Viewer, studies: dict[str, str]) -> None:
    screen.open(studies["ct-head"], lng="en")
    screen.painted(1)
    screen.page.click('[data-cy="Capture-btn"]')
    expect(screen.page.get_by_role("dialog").get_by_role("button", name="Save Image")).to_be_visible()
    expect(screen.page.get_by_role("dialog").get_by_role("button", name="Close")).to_be_visible()


def test_mpr_shows_three_planes(screen: Viewer, studies: dict[str, str]) -> None:
    screen.open(studies["ct-head"], hangingProtocolId="mpr")
    screen.painted(3)


def test_the_volume_is_rendered_in_three_dimensions(screen: Viewer, studies: dict[str, str]) -> None:
    screen.open(studies["ct-head"], hangingProtocolId="mprAnd3DVolumeViewport")
    screen.painted(4)


def test_pet_ct_is_fused_with_suv(screen: Viewer, studies: dict[str, str]) -> None:
    screen.open(studies["pet-ct"], mode="tmtv")
    screen.painted(9)


BREASTS = f"""() => {{
  const {{ viewportGridService, cornerstoneViewportService, displaySetService }} = {SERVICES};
  return [...viewportGridService.getState().viewports.values()].map(({{ viewportId, displaySetInstanceUIDs, x, y }}) => {{
    const instance = displaySetService.getDisplaySetByUID(displaySetInstanceUIDs[0])?.instances?.[0];
    const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportId);
    const image = viewport?.getImageData?.();
    if (!instance || !image) return null;
    const [a, b] = [[0, 0, 0], [image.dimensions[0], 0, 0]].map(index => viewport.worldToCanvas(image.imageData.indexToWorld(index)));
    const width = viewport.element.clientWidth;
    return {{
      place: [Math.round(x * 4), Math.round(y * 2)], view: instance.ImageLaterality + instance.ViewPosition, date: instance.StudyDate,
      mm: image.dimensions[0] * image.spacing[0] / Math.abs(b[0] - a[0]),
      wall: (instance.ImageLaterality === 'R' ? width - b[0] : a[0]),
    }};
  }});
}}"""


def test_mammograms_hang_back_to_back_over_the_prior_at_one_scale(screen: Viewer, studies: dict[str, str]) -> None:
    screen.open(studies["mg-leroy"], studies["mg-leroy-prior"])
    screen.painted(8)
    # The common scale is set when the last image is there.
    screen.page.wait_for_function(f"""() => {{ const seen = ({BREASTS})(); return seen.length === 8 && seen.every(Boolean)
      && Math.max(...seen.map(s => s.mm)) / Math.min(...seen.map(s => s.mm)) < 1.01; }}""", timeout=30_000)  # fmt: skip
    shown = {tuple(one["place"]): one for one in screen.page.evaluate(BREASTS)}
    for column, view in enumerate(("RCC", "LCC", "RMLO", "LMLO")):
        assert (shown[column, 0]["view"], shown[column, 0]["date"]) == (view, "20260113")
        assert (shown[column, 1]["view"], shown[column, 1]["date"]) == (view, "20240113")
    assert all(abs(one["wall"]) < 3 for one in shown.values())  # CSS pixels between chest wall and the edge of its viewport


def test_mammograms_without_prior_hang_as_four_views(screen: Viewer, studies: dict[str, str]) -> None:
    screen.open(studies["mg-leroy"])
    screen.painted(4)
    assert len(screen.page.evaluate(BREASTS)) == 4


def test_segmentation_report_and_pdf_of_an_exam_open(screen: Viewer, server: Server, studies: dict[str, str]) -> None:
    page = screen.page
    screen.open(studies["ct-chest"])
    screen.painted(1)
    page.get_by_text("Mesures des nodules").dblclick()
    expect(page.locator(".viewport-element svg").get_by_text("Long axis").first).to_be_attached(timeout=60_000)
    page.get_by_text("Compte rendu").dblclick()
    wait_until(lambda: [path for _, path, status in server.store.requests if path.endswith("/rendered") and status == 200])
    page.get_by_text("Segmentation des nodules").dblclick()
    segmentations = f"{SERVICES}.segmentationService.getSegmentations()"
    page.wait_for_function(f"() => {segmentations}.length === 1", timeout=60_000)
    labels = page.evaluate(f"() => Object.values({segmentations}[0].segments).map(segment => segment.label)")
    assert labels == ["Nodule 1", "Nodule 2", "Nodule 3", "Nodule 4"]


def test_every_codec_of_the_viewer_decodes(screen: Viewer, server: Server, studies: dict[str, str]) -> None:
    """JPEG-LS, JPEG 2000, HTJ2K, RLE and JPEG in the codec workers, under the workers' policy."""
    for syntax in ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.5"):
        made = compressed(server.store.found(studies["dx-chest"])[0], syntax)
        server.store.add(made)
        screen.open(str(dcmread(io.BytesIO(made), stop_before_pixels=True).StudyInstanceUID))
        screen.painted(1)


def compressed(ds: Dataset, syntax: str) -> bytes:
    """The instance in another transfer syntax and study."""
    made = copy.deepcopy(ds)
    pixels = made.pixel_array
    encoders: dict[str, Callable[[], Any]] = {
        "1.2.840.10008.1.2.4.80": lambda: imagecodecs.jpegls_encode(pixels),
        "1.2.840.10008.1.2.4.90": lambda: imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="j2k", mct=False),
        "1.2.840.10008.1.2.4.201": lambda: imagecodecs.htj2k_encode(pixels, reversible=True),
        "1.2.840.10008.1.2.5": lambda: get_encoder(RLELossless).encode(made),
    }
    frame = bytes(encoders[syntax]())
    made.PixelData = encapsulate([frame])
    made["PixelData"].is_undefined_length = True
    made.file_meta.TransferSyntaxUID = UID(syntax)
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = generate_uid(), generate_uid(), generate_uid()
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    buffer = io.BytesIO()
    made.save_as(buffer)
    return buffer.getvalue()


def test_an_ultrasound_cine_plays(screen: Viewer, studies: dict[str, str]) -> None:
    screen.open(studies["us-aorta"])
    screen.painted(1)
    index = f"() => {SERVICES}.cornerstoneViewportService.getCornerstoneViewport('default').getCurrentImageIdIndex()"
    screen.page.wait_for_selector("text=FPS")
    screen.page.evaluate(f"() => {SERVICES}.cineService.setCine({{ id: 'default', isPlaying: true, frameRate: 20 }})")
    screen.page.wait_for_function(f"() => ({index})() > 0", timeout=20_000)


def test_an_ecg_draws_its_leads(screen: Viewer, server: Server, studies: dict[str, str]) -> None:
    screen.open(studies["ecg-rest"])
    screen.painted(1)
    assert any("/bulkdata/" in path and status == 200 for _, path, status in server.store.requests)


def test_a_measurement_is_kept_as_structured_report(screen: Viewer, server: Server, studies: dict[str, str]) -> None:
    page = screen.page
    screen.open(studies["ct-chest"])
    screen.painted(1)
    page.click('[data-cy="MeasurementTools-split-button-primary"]')
    box = page.locator(".cornerstone-canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5
    for at in (x, x + 60):
        page.mouse.move(at, y)
        page.mouse.click(at, y)
    page.click('[data-cy="prompt-begin-tracking-yes-btn"]')
    page.click('[data-cy="trackedMeasurements-btn"]')
    # Read before it is kept: the report that comes back takes its place.
    shown = page.evaluate(f"() => {SERVICES}.measurementService.getMeasurements().map(m => m.displayText.primary[0])")
    page.get_by_text("Créer SR").first.click()
    page.get_by_role("dialog").get_by_placeholder("Nom du compte rendu").fill("Nodule suivi")
    page.get_by_role("dialog").get_by_role("button", name="Enregistrer").click()
    wait_until(lambda: server.store.stored, 30)
    report = server.store.stored[0]
    assert report.Modality == "SR" and report.StudyInstanceUID == studies["ct-chest"] and report.PatientID == "DEMO-PA-0002"
    assert f"{lengths(report)[0]:.1f} mm" == shown[0]
    screen.open(studies["ct-chest"])
    screen.painted(1)
    page.get_by_text("Nodule suivi").first.dblclick()
    expect(page.locator(".viewport-element svg").get_by_text(f"{lengths(report)[0]:.2f} mm").first).to_be_attached(timeout=60_000)
    expect(page.get_by_text("Continuer à suivre les mesures de cet examen ?")).to_be_visible()
    expect(page.locator("[data-cy=viewport-notification]").get_by_role("button", name="Oui")).to_be_visible()


def lengths(ds: Dataset) -> list[float]:
    """Values of the NUM items called Length (SRT G-D7FE, SCT 410668003)."""
    found = []
    for item in ds.get("ContentSequence") or []:
        if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0].CodeValue in {"G-D7FE", "410668003"}:
            found.append(float(item.MeasuredValueSequence[0].NumericValue))
        found += lengths(item)
    return found


def test_an_ended_session_leads_to_the_sign_in(browser: Browser, server: Server, studies: dict[str, str]) -> None:
    with viewer(browser, server.url) as screen:
        screen.page.context.clear_cookies()
        screen.open(studies["ct-head"])
        screen.page.wait_for_url(f"{server.url}/?next=%2Fohif%2Fviewer**", timeout=60_000)


@pytest.mark.parametrize(
    "address",
    ["viewer/dicomjson?url=https://example.org/x.json", "viewer/dicomwebproxy?url=https://example.org/x.json",
     "viewer?configUrl=https://example.org/c.js", "viewer?customization=https://example.org/c.js", "local"],
)  # fmt: skip
def test_no_address_makes_the_viewer_ask_another_host(screen: Viewer, server: Server, address: str) -> None:
    screen.page.goto(f"{server.url}/ohif/{address}")
    screen.page.wait_for_load_state("networkidle")
    screen.errors.clear()  # some of these addresses are no page, and say so
