"""The browser's files: caching, compression, client routes, security headers, and a page when nothing was built."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.web.door import Door, running

BUILD = "b0123456789ab"
SCRIPT = b"console.log('archipel');\n" * 100


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door over files as the build lays them out."""
    static = tmp_path_factory.mktemp("static")
    files = {
        "app/index.html": b"<!doctype html>app", "app/assets/index-abc123.js": SCRIPT, "app/favicon.svg": b"<svg/>", "app/.stamp": b"secret",
        "ohif/index.html": b"<!doctype html>ohif", f"ohif/{BUILD}/app.bundle.js": SCRIPT, f"ohif/{BUILD}/codec.wasm": b"\0asm" + bytes(2000),
        "ohif/app-config.js": b"window.config = {};", "ohif/.stamp": b"secret", "secret.txt": b"secret",
    }  # fmt: skip
    for name, content in files.items():
        path = static / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if path.suffix in (".js", ".wasm") and len(content) > 1024:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
    with running(tmp_path_factory.mktemp("door"), static=static) as made:
        yield made


def get(door: Door, path: str, **headers: str) -> httpx.Response:
    return httpx.get(door.url + path, headers={"Accept-Encoding": "identity", **headers})


@pytest.mark.parametrize("path", ["/", "/exams", "/exams/1.2.840.1", "/sign-in", "/administration/devices/CT_1"])
def test_client_routes_get_the_app(built: Door, path: str) -> None:
    answer = get(built, path)
    assert answer.status_code == 200 and answer.text == "<!doctype html>app"
    assert answer.headers["cache-control"] == "no-cache" and answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/ohif", "/ohif/"])
def test_the_viewers_own_list_is_our_list(built: Door, path: str) -> None:
    answer = get(built, path)
    assert answer.status_code == 307 and answer.headers["location"] == "/"


@pytest.mark.parametrize("path", ["/ohif/viewer?StudyInstanceUIDs=1.2.3", "/ohif/viewer/dicomweb", "/ohif/index.html"])
def test_the_viewers_routes_get_the_viewer(built: Door, path: str) -> None:
    answer = get(built, path)
    assert answer.status_code == 200 and answer.text == "<!doctype html>ohif"


def test_hashed_files_are_kept_for_ever_and_others_are_asked_for_again(built: Door) -> None:
    for path in ("/assets/index-abc123.js", f"/ohif/{BUILD}/app.bundle.js"):
        assert get(built, path).headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/favicon.svg", "/ohif/app-config.js", "/"):
        answer = get(built, path)
        assert answer.headers["cache-control"] == "no-cache"
        assert get(built, path, **{"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_compressed_siblings_go_to_who_takes_them(built: Door) -> None:
    path = f"/ohif/{BUILD}/codec.wasm"
    plain = get(built, path)
    assert plain.headers["content-type"] == "application/wasm" and "content-encoding" not in plain.headers
    packed = get(built, path, **{"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip" and packed.content == plain.content
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding" and packed.headers["etag"] != plain.headers["etag"]
    assert int(packed.headers["content-length"]) < len(plain.content) == 2004
    assert "content-encoding" not in get(built, path, **{"Accept-Encoding": "gzip;q=0, br"}).headers
    script = get(built, "/assets/index-abc123.js", **{"Accept-Encoding": "gzip"})
    assert script.content == SCRIPT and script.headers["content-type"].startswith("text/javascript")
    head = httpx.head(built.url + "/assets/index-abc123.js")
    assert head.status_code == 200 and head.content == b""


def test_every_page_says_what_it_may_load(built: Door) -> None:
    app, viewer = get(built, "/").headers, get(built, "/ohif/viewer").headers
    for headers in (app, viewer, get(built, "/assets/index-abc123.js").headers):
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'self'" in headers["content-security-policy"] and "camera=()" in headers["permissions-policy"]
    script = [p for p in app["content-security-policy"].split("; ") if p.startswith("script-src")]
    assert script == ["script-src 'self'"]
    assert "script-src 'self' 'unsafe-eval'" in viewer["content-security-policy"]  # the viewer's codecs, and nowhere else
    assert "unsafe-eval" not in get(built, "/assets/index-abc123.js").headers["content-security-policy"]
    assert "unsafe-eval" in get(built, f"/ohif/{BUILD}/app.bundle.js").headers["content-security-policy"]


def test_nothing_outside_is_served(built: Door) -> None:
    host, port = built.url.removeprefix("http://").split(":")
    for path in ("/../secret.txt", "/ohif/../secret.txt", "/%2e%2e/secret.txt", "/ohif/%2e%2e/secret.txt", "/..%2fsecret.txt", "//etc/passwd",
                 "/.stamp", "/ohif/.stamp", "/assets/index-abc123.js.gz", "/\0", "/assets/../../secret.txt"):  # fmt: skip
        with socket.create_connection((host, int(port)), timeout=10) as peer:
            peer.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while chunk := peer.recv(65536):
                answer += chunk
        assert b"secret" not in answer.split(b"\r\n\r\n", 1)[-1] and b"root:" not in answer, path


def test_what_is_missing_or_no_page_is_said(built: Door) -> None:
    assert get(built, "/assets/gone-123.js").status_code == 404
    assert get(built, f"/ohif/{BUILD}/gone.wasm").status_code == 404
    for path in ("/api/v2/exams", "/api", "/dicom-web/studies", "/healthz"):
        answer = get(built, path)
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "no-route", path
    answer = httpx.post(built.url + "/exams")
    assert answer.status_code == 405 and answer.headers["allow"] == "GET, HEAD"


def test_a_page_says_when_nothing_was_built(door: Door) -> None:
    for path in ("/", "/ohif/viewer"):
        answer = get(door, path)
        assert answer.status_code == 503 and "make web" in answer.text and answer.headers["cache-control"] == "no-store"


def test_the_real_build_is_served_when_it_is_there(tmp_path: Path) -> None:
    static = Path(__file__).parents[2] / "src" / "archipel" / "static"
    if not (static / "ohif" / "index.html").exists():
        pytest.skip("the browser's files are not built")
    with running(tmp_path, static=static) as door:
        page = get(door, "/ohif/viewer?StudyInstanceUIDs=1").text
        sources = [part.split('"')[1] for part in page.split("src=")[1:]]
        assert sources
        for source in sources:
            answer = get(door, source, **{"Accept-Encoding": "gzip"})
            assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/javascript"), source
