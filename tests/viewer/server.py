"""A plain DICOMweb server in memory and OHIF's files beside it: what the viewer needs of a server, and nothing else.

It stands in for the platform where a test is about the viewer alone; it shares no code with the platform's own doors.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.processing import apply_rescale
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.servers import free_port, wait_until

OHIF = Path(__file__).parents[2] / "src" / "archipel" / "static" / "ohif"
CSRF = "csrf-token-of-the-test"

# The least that OHIF 3.13.2 runs under, on its page and on its scripts (a worker obeys the policy of its own script's answer).
# 'unsafe-eval': the codecs (JPEG-LS, JPEG 2000, HTJ2K) in the workers and segmentations on the page build functions from text.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self' blob: data:; object-src 'self' blob:; frame-src 'self' blob:; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
TYPES = {".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".svg": "image/svg+xml", ".html": "text/html"}


@dataclass
class Store:
    """Instances by SOP Instance UID, and what the browser did."""

    instances: dict[str, Dataset] = field(default_factory=dict)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    stored: list[Dataset] = field(default_factory=list)

    def add(self, content: bytes) -> Dataset:
        ds = dcmread(io.BytesIO(content))
        self.instances[ds.SOPInstanceUID] = ds
        return ds

    def found(self, study: str = "", series: str = "", instance: str = "") -> list[Dataset]:
        wanted = (("StudyInstanceUID", study), ("SeriesInstanceUID", series), ("SOPInstanceUID", instance))
        return [ds for ds in self.instances.values() if all(not uid or ds.get(keyword) == uid for keyword, uid in wanted)]


class Server:
    """The server in a thread; ``with Server(contents) as server``."""

    def __init__(self, contents: Iterable[bytes]) -> None:
        self.store = Store()
        for content in contents:
            self.store.add(content)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(application(self.store), host="127.0.0.1", port=self.port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        wait_until(lambda: self._server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


def application(store: Store) -> ASGIApp:
    study, series = "/dicom-web/studies/{study}", "/dicom-web/studies/{study}/series/{series}"
    one = series + "/instances/{instance}"
    routes = [
        Route("/", lambda request: Response("<title>Archipel</title>liste", media_type="text/html")),
        Route("/api/v1/session", lambda request: JSONResponse({"demo": True})),
        Route("/dicom-web/studies", find("study"), methods=["GET"]),
        Route("/dicom-web/studies", keep, methods=["POST"]),
        Route(study, keep, methods=["POST"]),
        Route(study + "/series", find("series")),
        Route(series + "/instances", find("instance")),
        *(Route(level + "/metadata", metadata) for level in (study, series, one)),
        *(Route(level + "/thumbnail", thumbnail) for level in (series, one)),
        Route(one + "/frames/{number:int}", frame),
        Route(one + "/rendered", rendered),
        Route(one + "/bulkdata/{path:path}", bulk),
        Route(one, whole),
        Route("/ohif/{path:path}", static),
    ]
    made = Starlette(routes=routes, middleware=[Middleware(Watched, store=store)])
    made.state.store = store
    return made


class Watched:
    """Asks for the session cookie, and for the CSRF token where something is changed; adds the policy; keeps a record."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self.app, self.store = app, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        refused = 0
        if request.url.path.startswith("/dicom-web"):
            refused = 401 if request.cookies.get("archipel_session") != "known" else 0
            if request.method == "POST" and request.headers.get("x-archipel-csrf") != CSRF:
                refused = 403

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.store.requests.append((request.method, request.url.path, message["status"]))
                message["headers"].append((b"content-security-policy", POLICY.encode()))
            await send(message)

        await (Response(status_code=refused) if refused else self.app)(scope, receive, answered)


async def static(request: Request) -> Response:
    """Files of the build, compressed where the browser takes it; every other path is the single page."""
    path = request.path_params["path"]
    file = OHIF / path
    if not path:
        return RedirectResponse("/")
    if ".." in path or not file.is_file():
        return FileResponse(OHIF / "index.html", headers={"cache-control": "no-cache"})
    headers = {"cache-control": "public, max-age=31536000, immutable" if path.startswith("b") and "/" in path else "no-cache"}
    packed = file.with_name(file.name + ".gz")
    media_type = TYPES.get(file.suffix)
    if packed.is_file():
        return FileResponse(packed, media_type=media_type, headers=headers | {"content-encoding": "gzip"})
    return FileResponse(file, media_type=media_type, headers=headers)


def find(level: str) -> Any:
    async def answer(request: Request) -> Response:
        uids = request.path_params
        asked = request.query_params
        study = uids.get("study") or asked.get("StudyInstanceUID") or asked.get("0020000D") or ""
        found = request.app.state.store.found(study, uids.get("series", ""))
        patient = asked.get("00100020") or asked.get("PatientID")
        if patient:
            found = [ds for ds in found if ds.PatientID == patient.replace("*", "")]
        key = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID", "instance": "SOPInstanceUID"}[level]
        groups: dict[str, list[Dataset]] = {}
        for ds in found:
            groups.setdefault(ds[key].value, []).append(ds)
        return JSONResponse([row(group) for group in groups.values()], media_type="application/dicom+json")

    return answer


def row(group: list[Dataset]) -> dict[str, Any]:
    """The attributes of PS3.18 10.6.3 that OHIF reads."""
    first = group[0]
    ds = Dataset()
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyDescription",
                    "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "SOPClassUID", "SOPInstanceUID", "SeriesDate",
                    "SeriesTime", "InstanceNumber"):  # fmt: skip
        if keyword in first:
            ds[keyword] = first[keyword]
    ds.ModalitiesInStudy = sorted({one.Modality for one in group})
    ds.NumberOfStudyRelatedInstances = ds.NumberOfSeriesRelatedInstances = len(group)
    ds.NumberOfStudyRelatedSeries = len({one.SeriesInstanceUID for one in group})
    return ds.to_json_dict()


async def metadata(request: Request) -> Response:
    uids = request.path_params
    answer = []
    for ds in request.app.state.store.found(uids["study"], uids.get("series", ""), uids.get("instance", "")):
        base = address(ds)
        plain = Dataset()
        plain.update({tag: ds[tag] for tag in ds.keys() if tag != 0x7FE00010})  # noqa: SIM118 a Dataset iterates over elements
        row = plain.to_json_dict(bulk_data_threshold=1024, bulk_data_element_handler=partial(bulk_address, base))
        row["00083002"] = {"vr": "UI", "Value": [ds.file_meta.TransferSyntaxUID]}
        if "PixelData" in ds:
            row["7FE00010"] = {"vr": ds["PixelData"].VR, "BulkDataURI": f"{base}/frames"}
        answer.append(row)
    return JSONResponse(answer, media_type="application/dicom+json")


def bulk_address(base: str, element: DataElement) -> str:
    return f"{base}/bulkdata/{element.tag:08X}"


def address(ds: Dataset) -> str:
    return f"/dicom-web/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"


def chosen(request: Request) -> Dataset:
    uids = request.path_params
    found: list[Dataset] = request.app.state.store.found(uids["study"], uids.get("series", ""), uids.get("instance", ""))
    return found[len(found) // 2]


async def frame(request: Request) -> Response:
    ds = chosen(request)
    index = request.path_params["number"] - 1
    count = int(ds.get("NumberOfFrames", 1))
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        data = get_frame(ds.PixelData, index, number_of_frames=count)
    elif ds.BitsAllocated == 1:
        data = np.packbits(ds.pixel_array.reshape(count, -1)[index], bitorder="little").tobytes()
    else:
        size = ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated // 8
        data = ds.PixelData[index * size : (index + 1) * size]
    return related(data, f"application/octet-stream; transfer-syntax={syntax}")


async def bulk(request: Request) -> Response:
    value: Any = chosen(request)
    for part in request.path_params["path"].split("/"):
        tag = int(part, 16)
        value = value[tag].value if tag in value else next(item[tag].value for item in value.WaveformSequence if tag in item)
    if "multipart" in request.headers.get("accept", ""):
        return related(value, "application/octet-stream")
    return Response(value, media_type="application/octet-stream")


async def whole(request: Request) -> Response:
    buffer = io.BytesIO()
    chosen(request).save_as(buffer)
    return related(buffer.getvalue(), "application/dicom")


async def rendered(request: Request) -> Response:
    ds = chosen(request)
    if "EncapsulatedDocument" in ds:
        return Response(ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength], media_type="application/pdf")
    return await thumbnail(request)


async def thumbnail(request: Request) -> Response:
    ds = chosen(request)
    if "PixelData" not in ds or ds.Modality == "SEG":
        return Response(status_code=404)
    pixels = ds.pixel_array
    if int(ds.get("NumberOfFrames", 1)) > 1:
        pixels = pixels[len(pixels) // 2]
    if ds.SamplesPerPixel == 1:
        values = apply_rescale(pixels, ds).astype(np.float32)
        low, high = np.percentile(values, (1, 99.5))
        pixels = (np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(pixels)
    picture.thumbnail((128, 128))
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG")
    return Response(buffer.getvalue(), media_type="image/jpeg")


async def keep(request: Request) -> Response:
    boundary = request.headers["content-type"].split("boundary=")[1].split(";")[0].strip('"').encode()
    for part in (await request.body()).split(b"--" + boundary)[1:-1]:
        request.app.state.store.stored.append(request.app.state.store.add(part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")))
    return JSONResponse({}, media_type="application/dicom+json")


def related(data: bytes, content_type: str) -> Response:
    """One part of multipart/related (RFC 2387)."""
    head = f"--part\r\nContent-Type: {content_type}\r\n\r\n".encode()
    root = content_type.split(";", maxsplit=1)[0]
    return Response(head + data + b"\r\n--part--\r\n", media_type=f'multipart/related; type="{root}"; boundary=part')


def contents_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*.dcm"))]
