"""What the door works with, and the two questions that every request asks: who, and which instances may they see."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from archipel import archive, sharing, signin
from archipel.dicom import uids
from archipel.dicom.pixels import PixelWorkers
from archipel.dicomweb.lru import Remembered
from archipel.dicomweb.trail import Trail
from archipel.kit.blobs import Blobs
from archipel.kit.database import Database
from archipel.kit.errors import Invalid, NotFound
from archipel.kit.file_cache import FileCache
from archipel.kit.metrics import Metrics
from archipel.kit.settings import HttpSettings
from archipel.kit.spool import Spool

THREADS = 24
PAINTERS = 8
METADATA_BYTES_MAX = 64 << 20
TABLES_BYTES_MAX = 16 << 20
PICTURES_BYTES_MAX = 32 << 20


@dataclass(frozen=True)
class Parts:
    """The parts of the platform that the door was given, and what it remembers."""

    database: Database
    blobs: Blobs
    receiver: archive.Receiver
    spool: Spool
    pixels: PixelWorkers
    settings: HttpSettings
    metrics: Metrics
    ae_title: str
    path: str
    trail: Trail
    cache: FileCache | None = None
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="dicomweb"))
    painters: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(PAINTERS, thread_name_prefix="dicomweb-pictures"))
    metadata: Remembered[bytes] = field(default_factory=lambda: Remembered(METADATA_BYTES_MAX))
    tables: Remembered[Any] = field(default_factory=lambda: Remembered(TABLES_BYTES_MAX))
    pictures: Remembered[bytes] = field(default_factory=lambda: Remembered(PICTURES_BYTES_MAX))


def find_instances(
    parts: Parts, http_request: Request, study_uid: str, series_uid: str = "", sop_instance_uid: str = ""
) -> list[archive.InstanceRef]:
    """The instances under a resource that the caller may see; NotFound when there is none, whether absent or hidden."""
    for name, uid in (("study", study_uid), ("series", series_uid), ("instance", sop_instance_uid)):
        if uid and not uids.is_uid(uid):
            raise Invalid(f"The {name} in the address is no UID.", code="malformed-uid", field=name)
    with parts.database.read() as tx:
        scope = sharing.scope_for(tx, signin.actor_of(http_request), "retrieve")
        found = archive.locate(tx, scope, study_uid=study_uid, series_uid=series_uid or None, sop_instance_uid=sop_instance_uid or None)
    if not found:
        named = sop_instance_uid or series_uid or study_uid
        raise NotFound(f"There is nothing under {named} that you may see.", code="no-such-resource")
    return found


def request_id(http_request: Request) -> str:
    """The id of the HTTP request, as logs and audit name it."""
    return str(http_request.scope.get("state", {}).get("http_request_id", ""))


def root_url(parts: Parts, http_request: Request) -> str:
    """The absolute address of the door as the client reached it, without a slash at its end."""
    if parts.settings.public_url:
        return parts.settings.public_url.rstrip("/") + parts.path
    url = http_request.url
    before, found, _ = url.path.partition(parts.path)
    return f"{url.scheme}://{_host_and_port(http_request)}{before if found else ''}{parts.path}"


def _host_and_port(http_request: Request) -> str:
    """The Host header. A client that reaches us directly and leaves out the port (dicomweb-client 0.61 does) gets it added."""
    netloc = http_request.url.netloc
    address, port = http_request.scope.get("server") or ("", None)
    direct = netloc == address or (netloc == "localhost" and address in ("127.0.0.1", "::1"))
    return f"{netloc}:{port}" if direct and port not in (None, 80, 443) else netloc


def resource_url(root: str, study_uid: str, series_uid: str = "", sop_instance_uid: str = "") -> str:
    """The Retrieve URL of a study, series or instance."""
    url = f"{root}/studies/{study_uid}"
    if series_uid:
        url += f"/series/{series_uid}"
    return f"{url}/instances/{sop_instance_uid}" if sop_instance_uid else url
