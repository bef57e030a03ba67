"""Backup and restore: the database and every object that it names, as of one instant.

A backup folder holds one folder of objects for all backups, and a folder for each: the dump of the database and a record of what it
needs, written last. Objects never change, so each backup adds what is new. With a key file all of it is encrypted under the same keys.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from archipel import __version__, archive, migrations
from archipel import app as composition
from archipel.cli.options import Config, Data, opened
from archipel.kit import dump
from archipel.kit.blobs import Blobs, FileBlobs
from archipel.kit.cipher import Cipher, read_keys
from archipel.kit.database import Database, Tx
from archipel.kit.disk import sync_folder
from archipel.kit.encrypted import EncryptedBlobs
from archipel.kit.errors import Conflict, Invalid, NotFound
from archipel.kit.ids import new_id
from archipel.kit.processes import leave_all
from archipel.kit.settings import Settings, load_settings

FORMAT = 1
CHUNK_BYTES = 1 << 20


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    to: Annotated[Path, typer.Option("--to", help="The backup folder; each backup adds to it.")],
    data: Data = Path("var"),
    config: Config = None,
) -> None:
    """Write the database and all objects that it names to a folder, while the platform runs."""
    with opened(data, config) as (settings, database):
        source, cipher = composition.open_objects(settings), _cipher(settings)
        target = _objects(to, cipher)
        at = database.clock.now().astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        folder = to / at
        folder.mkdir(parents=True, exist_ok=False)
        # In clear only where the database itself is.
        plain = settings.data / f"backup-{new_id()}" if cipher else folder / "database"
        try:
            with dump.dumped(database, plain) as tx, _progress("backup") as said:
                counted = _all_copied(tx, source, target, said)
            record = {
                "format": FORMAT, "at": at, "version": __version__, "database": dump.kind(settings.database_url),
                "sha256": _digest(plain), "encrypted": cipher is not None, **counted,
            }  # fmt: skip
            if cipher:
                _crypt_file(cipher, plain, folder / f"database-{new_id()}{cipher.suffix}")
            _write_last(folder / "backup.json", record)
        finally:
            if cipher:
                plain.unlink(missing_ok=True)
    new = f"{counted['copied']} of them new, {counted['copied_bytes']} bytes"
    print(f"{folder}: {counted['objects']} objects, {counted['bytes']} bytes; {new}")


def restore(
    from_: Annotated[Path, typer.Option("--from", help="A backup: the folder named by its instant.", exists=True, file_okay=False)],
    data: Data = Path("var"),
    config: Config = None,
) -> None:
    """Fill an unused data folder, and the stores of its settings, from a backup; then bring the tables up to date."""
    settings = load_settings(data, config)
    try:
        record: dict[str, Any] = json.loads((from_ / "backup.json").read_text())
    except (OSError, ValueError) as error:
        raise Invalid("This is no backup that was finished: it has no record.", code="no-backup", detail=str(error)) from error
    if record["format"] != FORMAT or record["database"] != dump.kind(settings.database_url):
        raise Invalid(f"The backup is of {record['database']}, in format {record['format']}.", code="other-backup")
    _require_unused(settings)
    cipher = _cipher(settings)
    if record["encrypted"] and cipher is None:
        raise Invalid("The backup is encrypted: name its key file in [blobs] key_file.", code="key-file", field="blobs.key_file")
    settings.data.mkdir(parents=True, exist_ok=True)
    with _plain_dump(from_, cipher if record["encrypted"] else None, settings.data) as path:
        if _digest(path) != record["sha256"]:
            raise Invalid("The dump of the database is damaged, or the key is another.", code="backup-damaged")
        dump.load(settings.database_url, path)
    database = Database(settings.database_url)
    source, target, count = _objects(from_.parent, cipher), composition.open_objects(settings), 0
    try:
        migrations.upgrade(database)
        database.transact(leave_all)
        with database.read() as tx, _progress("restore") as said:
            for key in archive.object_keys(tx):
                _copied(source, target, key, source.size(key))
                count += 1
                said(f"{count} of {record['objects']} objects")
    finally:
        database.close()
        target.close()
    print(f"restored as of {record['at']}: {count} objects; archipel verify --data {data} compares every one with its digest")


def _all_copied(tx: Tx, source: Blobs, target: Blobs, said: Callable[[str], None]) -> dict[str, int]:
    """Bring every object that the database names to the target; how many there are and how many are new, with their bytes."""
    counted = {"objects": 0, "bytes": 0, "copied": 0, "copied_bytes": 0}
    for key in archive.object_keys(tx):
        size = source.size(key)
        new = _copied(source, target, key, size)
        for name, value in (("objects", 1), ("bytes", size), ("copied", int(new)), ("copied_bytes", size if new else 0)):
            counted[name] += value
        said(f"{counted['objects']} objects, {counted['copied']} new")
    return counted


def _copied(source: Blobs, target: Blobs, key: str, size: int) -> bool:
    """Bring an object to the target; False when it is there already. A segment that has grown since is taken anew."""
    try:
        if target.size(key) >= size:
            return False
        target.delete(key)
    except NotFound:
        pass
    target.put(key, source.stream(key, 0, size, CHUNK_BYTES))
    return True


def _cipher(settings: Settings) -> Cipher | None:
    return read_keys(Path(settings.blobs.key_file), apart_from=settings.data) if settings.blobs.key_file else None


def _objects(folder: Path, cipher: Cipher | None) -> Blobs:
    files = FileBlobs(folder / "objects")
    return EncryptedBlobs(files, cipher) if cipher else files


def _require_unused(settings: Settings) -> None:
    if dump.kind(settings.database_url) == "sqlite":
        used = (settings.data / "archipel.db").exists()
    else:
        database = Database(settings.database_url)
        try:
            used = bool(dump.tables(database))
        finally:
            database.close()
    if used:
        raise Conflict("There is a database already; a backup goes into an unused data folder.", code="in-use")


def _crypt_file(cipher: Cipher, source: Path, target: Path, *, name: str = "") -> None:
    """Encrypt a dump under the name of its target, which no other dump has or had; or decrypt it under that name. The source goes."""
    with source.open("rb") as plain, target.open("xb") as out:
        for piece in cipher.pieces(name or target.name, iter(lambda: plain.read(CHUNK_BYTES), b"")):
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    source.unlink()


@contextmanager
def _plain_dump(folder: Path, cipher: Cipher | None, aside: Path) -> Iterator[Path]:
    if cipher is None:
        yield folder / "database"
        return
    path = next((one for one in folder.glob("database-*") if cipher.knows(one.name)), None)
    if path is None:
        raise Invalid("The key file has no key of this backup.", code="key-file", field="blobs.key_file")
    plain = aside / f"restore-{new_id()}"
    copy = plain.with_suffix(path.suffix)
    shutil.copyfile(path, copy)
    try:
        _crypt_file(cipher, copy, plain, name=path.name)
        yield plain
    finally:
        plain.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_last(path: Path, record: dict[str, Any]) -> None:
    aside = path.with_suffix(".part")
    with aside.open("x") as file:
        file.write(json.dumps(record, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    for folder in (path.parent, path.parent.parent):  # the backup counts from here on, after a power cut too
        sync_folder(folder)


@contextmanager
def _progress(name: str) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda text: progress.update(task, description=f"{name}: {text}")
