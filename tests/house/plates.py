"""Door plates: what the docstring of a room says it owns, offers, emits and follows, against what its code does.

A room that emits or follows nothing may leave that line out.
"""

from __future__ import annotations

import ast
import importlib
import re
import tempfile
from pathlib import Path
from typing import Any

from archipel.kit.blobs import open_blobs
from archipel.kit.feed import Follower
from archipel.kit.settings import Settings
from tests.house.rules import PACKAGE, Source, given_by, is_rows, tables

LINES = ("Standards", "Owns", "Offers", "Emits", "Follows")
NEEDED = LINES[:3]
NOTHING = re.compile(r"((nothing|none)\b.*|[-–—])", re.DOTALL)


def read_plate(docstring: str) -> dict[str, list[str]]:
    """The lines of a plate as lists of words; a line that says nothing is an empty list."""
    plate: dict[str, list[str]] = {}
    current = ""
    for line in docstring.splitlines()[1:]:
        named = re.match(r"([A-Z][a-z]+):\s*(.*)", line)
        if named and named[1] in LINES:
            current = named[1]
            plate[current] = [named[2]]
        elif current and line.startswith(" "):
            plate[current].append(line.strip())
        else:
            current = ""
    return {key: words(" ".join(values)) for key, values in plate.items()}


def words(text: str) -> list[str]:
    """The names of a list, without what stands in parentheses; the ground may list its modules: ``modules: one two``."""
    text = re.sub(r"\([^)]*\)", "", text).removeprefix("modules:").strip().rstrip(".")
    return [] if NOTHING.fullmatch(text) else [word for word in re.split(r"[,;·\s]+", text) if word]


def room_sources(room: str, package: Path = PACKAGE) -> dict[str, Source]:
    """The files of a room by their path inside it."""
    folder = package / room
    return {str(p.relative_to(folder)): Source(str(p.relative_to(package)), p.read_text()) for p in sorted(folder.rglob("*.py"))}


def offered(front_door: Source, files: dict[str, Source]) -> set[str]:
    """The names that a front door gives, and its modules."""
    modules = {Path(name).stem for name in files if "/" not in name} | {name.split("/")[0] for name in files if "/" in name}
    return modules | given_by(front_door.tree)


def emitted(files: dict[str, Source]) -> set[str]:
    """The changes that a room defines."""
    if "changes.py" not in files:
        return set()
    return {
        node.name
        for node in files["changes.py"].tree.body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).split(".")[-1] == "Change" for base in node.bases)
    }


def check_plate(room: str, files: dict[str, Source], follows: set[str] | None) -> list[str]:
    """The complaints about one room; ``follows`` are the changes that ``flow.py`` gives it, None when there is no flow yet."""
    front_door = files["__init__.py"]
    docstring = ast.get_docstring(front_door.tree, clean=True) or ""
    plate = read_plate(docstring)
    complaints = [f"{room}: the plate has no line {line}" for line in NEEDED if line not in plate]
    if complaints:
        return complaints
    if not re.match(rf"{room}: \S", docstring, re.IGNORECASE):
        complaints.append(f"{room}: the plate starts with `{room.capitalize()}: what it is`")
    owned = {table for name, source in files.items() if is_rows(name) for table in tables(source)}
    complaints += differences(room, "Owns", set(plate["Owns"]), owned)
    complaints += differences(room, "Emits", set(plate.get("Emits", [])), emitted(files))
    if follows is not None:
        complaints += differences(room, "Follows", set(plate.get("Follows", [])), follows)
    unknown = set(plate["Offers"]) - offered(front_door, files)
    return complaints + [f"{room}: the plate offers {name}, the front door does not" for name in sorted(unknown)]


def differences(room: str, line: str, said: set[str], real: set[str]) -> list[str]:
    """Names on the plate that the code does not have, and the reverse."""
    return [f"{room}: {line} says {name}, the code does not" for name in sorted(said - real)] + [
        f"{room}: {line} leaves out {name}" for name in sorted(real - said)
    ]


def followers() -> list[Follower]:
    """The followers that ``flow.py`` lists; none while there is no flow."""
    if not (PACKAGE / "flow.py").exists():
        return []
    flow = importlib.import_module("archipel.flow")
    with tempfile.TemporaryDirectory() as folder:
        return list(flow.followers(open_blobs(f"file://{folder}"), Settings()))


def followed(all_followers: list[Follower]) -> dict[str, set[str]]:
    """Per room, the changes that its followers follow."""
    found: dict[str, set[str]] = {}
    for follower in all_followers:
        act: Any = follower.act
        while hasattr(act, "func"):  # functools.partial
            act = act.func
        found.setdefault(act.__module__.split(".")[1], set()).update(follower.names)
    return found


def flow_complaints(docstring: str, all_followers: list[Follower]) -> list[str]:
    """The table at the head of ``flow.py`` names exactly the followers of each change."""
    said = {
        (change, follower)
        for change, cell in re.findall(r"^\| (\w+) +\| (.+?) *\|$", docstring, re.MULTILINE)
        for follower in re.findall(r"\b[a-z_]+\.[a-z_]+\b", cell)
    }
    real = {(change, follower.name) for follower in all_followers for change in follower.names}
    return [f"flow.py says that {name} follows {change}" for change, name in sorted(said - real)] + [
        f"flow.py leaves out that {name} follows {change}" for change, name in sorted(real - said)
    ]
