"""The rules of docs/house.md that a program can check: each takes a source file and returns its complaints.

A complaint reads ``path:line: what is wrong``. The lists of exceptions are here, each with its bound; they only ever shrink.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "archipel"

GROUND = {"kit", "dicom", "hl7"}
"""Rooms whose modules may be imported one by one."""
NO_ROOMS = {"cli", "migrations", "static"}

BROAD_EXCEPTS = {
    "kit/feed.py": 4,  # the follower runner
    "kit/jobs.py": 2,  # the job worker
    "dicom/pixel_worker.py": 1,  # foreign bytes must not end the child
    "dicom/codecs.py": 1,  # a panic of the Rust decoder is no Exception; everything else is raised again
    "kit/ticker.py": 1,  # work that comes round
    "archive/receiver.py": 2,  # the receiving loop: senders wait for an outcome, whatever went wrong
    "dimse/door.py": 2,  # the door loop: one per connection, one per message
    "mllp/door.py": 2,  # the same
    "mllp/apply.py": 1,  # applying: whatever an act does, the sender is answered and the message is kept as failed
}
"""Where everything may be caught, and how often."""

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FRONT_DOOR_LINES_MAX = 40
LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {
    "dicom/walk.py::tokens": 104,  # one loop over millions of elements: a call for each would double its time
}

PERSON_WORDS = re.compile(
    r"^(patient(_?(name|id|birth_?date|sex|age|address|phone|mother.*))?|birth_?date|date_of_birth|sex|person_name|given_name|family_name|"
    r"surname|first_name|last_name|other_patient_ids?|accession_number|referring_physician.*|ins|nir|ds|dataset|header)$",
    re.IGNORECASE,
)
LOG_METHODS = {"debug", "info", "warning", "error", "critical", "exception", "bind", "new", "log"}


@dataclass(frozen=True)
class Source:
    """One Python file of the package: ``name`` is its path below ``src/archipel``."""

    name: str
    text: str
    path: Path | None = field(default=None, compare=False)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """The folder below the package, or the module itself for the floors that are one file."""
        return self.name.split("/")[0].removesuffix(".py")

    def complaint(self, node: ast.AST | int, text: str) -> str:
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return f"src/archipel/{self.name}:{line}: {text}"


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of the package, parsed once for all rules."""
    paths = (path for path in sorted(PACKAGE.rglob("*.py")) if "static" not in path.parts)
    return tuple(Source(str(path.relative_to(PACKAGE)), path.read_text(), path) for path in paths)


def rooms() -> list[str]:
    """The rooms that exist, doors included."""
    return sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py") if p.parent.name not in NO_ROOMS)


# --- imports ----------------------------------------------------------------------------------------------------------------------


def imported(tree: ast.AST) -> Iterator[tuple[ast.stmt, str, str]]:
    """Each import as (statement, module, name); the name is empty for ``import module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node, node.module, alias.name) for alias in node.names)


@cache
def front_door_of(room: str) -> ast.Module:
    """The parsed ``__init__.py`` of a room."""
    return ast.parse((PACKAGE / room / "__init__.py").read_text())


def given_by(front_door: ast.Module) -> set[str]:
    """The names that a front door binds: what it imports, defines or assigns."""
    names: set[str] = set()
    for node in front_door.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def front_doors_only(source: Source) -> list[str]:
    """From outside a room: the room (``from archipel import archive``), a name that its front door gives, or its ``changes``.

    Modules of the ground may be named. ``migrations`` gathers the tables of all rooms.
    """
    if source.room == "migrations":
        return []
    complaints = []
    for node, module, name in imported(source.tree):
        parts = module.split(".")
        if parts[0] != "archipel" or len(parts) == 1:
            continue
        room, inside = parts[1], [part for part in (*parts[2:], name) if part]
        if room == source.room or room in GROUND | NO_ROOMS or not inside or inside[0] == "changes":
            continue
        if (PACKAGE / room / "__init__.py").exists() and (len(inside) > 1 or inside[0] not in given_by(front_door_of(room))):
            complaints.append(
                source.complaint(node, f"reaches into {room} ({inside[0]}): use its front door, `from archipel import {room}`")
            )
    return complaints


def imports_at_the_top(source: Source) -> list[str]:
    """No import of our own inside a function: a cycle means that a rule sits on the wrong floor. The command line may start lazily."""
    if source.room == "cli":
        return []
    complaints = []
    for function in ast.walk(source.tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node, module, _ in imported(function):
                if module.split(".")[0] == "archipel":
                    complaints.append(source.complaint(node, f"{function.name} imports {module} inside a function"))
    return complaints


def no_parts_of_the_tests(source: Source) -> list[str]:
    """What the tests use as an independent second opinion never runs in the platform (decision 0002)."""
    return [
        source.complaint(node, f"imports {module}, which is for tests")
        for node, module, _ in imported(source.tree)
        if module.split(".")[0] in {"pynetdicom", "dicomweb_client", "hl7", "hypothesis", "pytest", "schemathesis", "tests", "tools"}
    ]


def no_temporary_file_in_clear(source: Source) -> list[str]:
    """What passes over the disk is encrypted: files of one piece of work come from ``kit/scratch.py``."""
    makers = {"TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"}
    return [
        source.complaint(node, f"{node.attr} makes a file in clear; use kit.scratch")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in makers and source.name != "kit/scratch.py"
    ]


# --- the database -----------------------------------------------------------------------------------------------------------------


def is_rows(name: str) -> bool:
    """Whether a file holds the SQL of its room: ``rows.py``, or ``rows_<part>.py`` where one would be too long."""
    return re.fullmatch(r"rows(_\w+)?\.py", Path(name).name) is not None


def sql_in_rows_only(source: Source) -> list[str]:
    """SQLAlchemy is imported, and statements are executed, in ``rows.py`` of a room, in ``kit`` and in ``migrations``."""
    if source.room in {"kit", "migrations"} or is_rows(source.name):
        return []
    complaints = [
        source.complaint(node, f"imports {module} ({name}): SQL belongs into rows.py")
        for node, module, name in imported(source.tree)
        if module.split(".")[0] in {"sqlalchemy", "sqlite3", "psycopg", "alembic"}
    ]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute":
            if isinstance(node.func.value, ast.Name) and node.func.value.id in {"tx", "connection", "cursor"}:
                complaints.append(source.complaint(node, "executes a statement: SQL belongs into rows.py"))
    return complaints


def one_commit_place(source: Source) -> list[str]:
    """Nobody commits or rolls back but ``kit/database.py``."""
    if source.name == "kit/database.py":
        return []
    return [
        source.complaint(node, f"calls {node.func.attr}: a transaction ends in kit/database.py alone")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"commit", "rollback"}
    ]


def tables_carry_the_room(source: Source) -> list[str]:
    """A table is named ``<room>_...``."""
    return [
        source.complaint(1, f"the table {table} does not start with {source.room}_")
        for table in tables(source)
        if not table.startswith(f"{source.room}_")
    ]


def tables(source: Source) -> list[str]:
    """The tables that a file defines."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Table":
            if node.args and isinstance(node.args[0], ast.Constant):
                found.append(str(node.args[0].value))
    return found


# --- failures and logs ------------------------------------------------------------------------------------------------------------


def broad_excepts(source: Source) -> list[str]:
    """``except Exception`` only in a door's loop, the follower runner and the job worker; one that raises again catches nothing."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            names = [n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)] if node.type else ["everything"]
            if not raises_again(node) and {"Exception", "BaseException", "everything"} & set(names):
                found.append(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"suppress", "contextlib.suppress"}:
            if {"Exception", "BaseException"} & {ast.unparse(a) for a in node.args}:
                found.append(node)
    allowed = BROAD_EXCEPTS.get(source.name, 0)
    return [source.complaint(node, "catches everything") for node in found[allowed:]] if len(found) > allowed else []


def raises_again(handler: ast.ExceptHandler) -> bool:
    """Whether a handler ends by raising what it caught."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and (last.exc is None or (isinstance(last.exc, ast.Name) and last.exc.id == handler.name))


def no_person_in_logs(source: Source) -> list[str]:
    """Logs carry ids and UIDs, never person attributes, whole datasets or headers."""
    complaints = []
    for node in ast.walk(source.tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOG_METHODS):
            continue
        if not re.search(r"(^|[._])log(ger|ging)?$", ast.unparse(node.func.value)):
            continue
        words = [keyword.arg or "" for keyword in node.keywords]
        for value in [*node.args, *(keyword.value for keyword in node.keywords)]:
            words += [n.attr for n in ast.walk(value) if isinstance(n, ast.Attribute)]
            words += [n.id for n in ast.walk(value) if isinstance(n, ast.Name)]
        complaints += [source.complaint(node, f"logs {word}") for word in words if PERSON_WORDS.match(word)]
    return complaints


def no_house_words(source: Source) -> list[str]:
    """No module or class is called service, manager, handler, util, helper or common."""
    pattern = re.compile(r"(service|manager|handler|utils?|helpers?|common)s?$", re.IGNORECASE)
    stem = Path(source.name).stem
    complaints = [source.complaint(1, f"the module is called {stem}")] if pattern.search(stem) else []
    return complaints + [
        source.complaint(node, f"the class is called {node.name}")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef) and pattern.search(node.name)
    ]


# --- lengths ----------------------------------------------------------------------------------------------------------------------


def lengths(source: Source, *, long_files: dict[str, int] | None = None, long_functions: dict[str, int] | None = None) -> list[str]:
    """Files to 400 lines, functions to 60, a front door to 40. What is longer stands in the ratchet with its length, which only falls."""
    long_files = LONG_FILES if long_files is None else long_files
    long_functions = LONG_FUNCTIONS if long_functions is None else long_functions
    if source.name.startswith("migrations/versions/"):
        return []  # a list of operations, written once
    line_count = len(source.text.splitlines())
    complaints = []
    is_front_door = re.fullmatch(r"\w+/__init__\.py", source.name) and source.room not in NO_ROOMS
    limit = FRONT_DOOR_LINES_MAX if is_front_door else FILE_LINES_MAX
    if line_count > max(limit, long_files.get(source.name, 0)):
        complaints.append(source.complaint(1, f"{line_count} lines, {limit} are the limit: split it by act"))
    if source.name in long_files and line_count < long_files[source.name]:
        complaints.append(source.complaint(1, f"{line_count} lines now: lower its entry in LONG_FILES"))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            key = f"{source.name}::{node.name}"
            if length > max(FUNCTION_LINES_MAX, long_functions.get(key, 0)):
                complaints.append(source.complaint(node, f"{node.name} has {length} lines, {FUNCTION_LINES_MAX} are the limit"))
            if key in long_functions and length < long_functions[key]:
                complaints.append(source.complaint(node, f"{node.name} has {length} lines now: lower its entry in LONG_FUNCTIONS"))
    return complaints


RULES: list[Callable[[Source], list[str]]] = [
    front_doors_only,
    imports_at_the_top,
    no_parts_of_the_tests,
    no_temporary_file_in_clear,
    sql_in_rows_only,
    one_commit_place,
    tables_carry_the_room,
    broad_excepts,
    no_person_in_logs,
    no_house_words,
    lengths,
]
