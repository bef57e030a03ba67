#!/usr/bin/env python3
"""Write docs/reference from the code: settings from their classes, commands from the command line, routes from the running platform.

tools/docs.py [--into FOLDER] [--page settings|commands|routes]. Ends with 3 when the code does not have what a page describes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

REPOSITORY = Path(__file__).resolve().parents[1]
HEAD = "<!-- Written by `make docs`; change the code, not this page. -->\n\n"
METHODS = ("get", "post", "put", "patch", "delete")


class NothingYet(Exception):
    """The code has no such part."""


# --- settings ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """One option: ``name`` is its path in the TOML file."""

    name: str
    kind: str
    default: str
    bounds: str
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return "ARCHIPEL_" + self.name.replace(".", "__").upper()


def settings() -> Iterator[Setting]:
    """Every option, those of the tables after those of the root."""
    from archipel.kit.settings import Settings

    tables = {name: f for name, f in Settings.model_fields.items() if _is_table(f)}
    yield from (_setting(name, f) for name, f in Settings.model_fields.items() if name not in tables)
    for table, f in tables.items():
        model = f.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        yield from (_setting(f"{table}.{name}", inner) for name, inner in model.model_fields.items())


def _is_table(f: FieldInfo) -> bool:
    return isinstance(f.annotation, type) and issubclass(f.annotation, BaseModel)


def _setting(name: str, f: FieldInfo) -> Setting:
    bounds = []
    for constraint in f.metadata:
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if getattr(constraint, attribute, None) is not None:
                bounds.append(f"{sign} {getattr(constraint, attribute)}")
    default = "" if f.default is PydanticUndefined else f.default
    shown = json.dumps(default) if isinstance(default, bool | int | float) else str(default) if default != () else ""
    return Setting(name, getattr(f.annotation, "__name__", str(f.annotation)), shown, ", ".join(bounds), f.description or "")


def settings_page() -> str:
    """The page of settings."""
    text = "# Settings\n\nOne TOML file (`archipel.toml` in the data folder, or `--config FILE`); the environment overrides it. "
    text += "An unknown option refuses to start.\n"
    table = None
    for s in settings():
        head = s.name.rpartition(".")[0]
        if head != table:
            table = head
            text += f"\n## {f'[{head}]' if head else 'Root'}\n\n| option | default | bounds | environment | |\n|---|---|---|---|---|\n"
        text += f"| `{s.name}` | {f'`{s.default}`' if s.default else ''} | {s.bounds} | `{s.variable}` | {s.help} |\n"
    return text


def _has_command_line() -> bool:
    specification = importlib.util.find_spec("archipel.cli")
    return specification is not None and specification.origin is not None


# --- commands ---------------------------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """The page of commands."""
    if not _has_command_line():
        raise NothingYet("no command line")
    import typer

    from archipel import cli

    app = _root(cli, typer.Typer)
    text = "# Commands\n\nEvery command ends with 0 on success and writes errors to stderr. "
    text += "All work beside a running server and on an unused folder.\n"
    return text + "".join(_command(typer.main.get_command(app), "archipel"))


def _root(cli: Any, kind: type) -> Any:
    """The application that no other one contains."""
    apps = [v for v in vars(cli).values() if isinstance(v, kind)]
    contained = {id(group.typer_instance) for app in apps for group in app.registered_groups}
    return next(app for app in apps if id(app) not in contained)


def _command(command: Any, path: str) -> Iterator[str]:
    if getattr(command, "commands", None):
        for name, inner in sorted(command.commands.items()):
            yield from _command(inner, f"{path} {name}")
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([path, *((p.metavar or p.name.upper()) + ("..." if p.nargs == -1 else "") for p in arguments)])
    yield f"\n### `{usage}`\n\n{(command.help or '').strip()}\n\n"
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden and p.name != "help"]
    if options:
        yield "| option | default | |\n|---|---|---|\n"
    for p in options:
        default = "" if p.default in (None, (), "", False) or callable(p.default) else f"`{p.default}`"
        yield f"| `{', '.join(p.opts)}` | {default} | {' '.join((getattr(p, 'help', '') or '').split())} |\n"


# --- routes -----------------------------------------------------------------------------------------------------------------------


def routes_page() -> str:
    """The page of routes, from the OpenAPI description that a running platform gives."""
    if not _has_command_line():
        raise NothingYet("no command line")
    text = "# Routes\n\nThe public API; a running platform shows it at `/api/docs`. DICOMweb stands below `/dicom-web` (PS3.18).\n"
    tag = None
    operations = [(p, m, o) for p, item in _openapi()["paths"].items() for m, o in item.items() if m in METHODS]
    for path, method, operation in sorted(operations, key=lambda found: (_tag(found[2]), found[0], METHODS.index(found[1]))):
        if _tag(operation) != tag:
            tag = _tag(operation)
            text += f"\n## {tag}\n\n| route | |\n|---|---|\n"
        summary = (operation.get("description") or operation.get("summary") or "").strip().split("\n\n")[0]
        text += f"| `{method.upper()} {path}` | {' '.join(summary.split()).replace('|', chr(92) + '|')} |\n"
    return text


def _tag(operation: dict[str, Any]) -> str:
    return str((operation.get("tags") or ["Other"])[0])


def _openapi() -> Any:
    with tempfile.TemporaryDirectory(prefix="archipel-docs-") as folder, socket.socket() as a, socket.socket() as b:
        for probe in (a, b):
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in (a, b)]
        a.close(), b.close()
        argv = [
            str(Path(sys.executable).with_name("archipel")),
            "serve",
            "--data",
            folder,
            "--http-port",
            str(ports[0]),
            "--dicom-port",
            str(ports[1]),
        ]
        with open(f"{folder}/log", "wb") as log:
            server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            return _answer(server, f"http://127.0.0.1:{ports[0]}/api/openapi.json", Path(folder, "log"))
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
                try:
                    server.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(server.pid, signal.SIGKILL)


def _answer(server: subprocess.Popen[bytes], url: str, log: Path) -> Any:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    raise SystemExit(f"the platform gives no {url}\n{log.read_text(errors='replace')[-3000:]}")


# --- pages ------------------------------------------------------------------------------------------------------------------------

PAGES = {"settings": settings_page, "commands": commands_page, "routes": routes_page}


def main() -> int:
    """Write the pages that the code can fill."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--into", type=Path, default=REPOSITORY / "docs" / "reference")
    parser.add_argument("--page", choices=PAGES)
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    status = 0
    for name in [options.page] if options.page else PAGES:
        try:
            text = HEAD + PAGES[name]()
        except NothingYet as reason:
            print(f"{name}: {reason}", file=sys.stderr)
            status = 3 if options.page else 0
            continue
        path = options.into / f"{name}.md"
        path.write_text(text)
        print(f"wrote {path}")
    return status


if __name__ == "__main__":
    sys.exit(main())
