"""Sheets: structures and professionals from and to CSV (RFC 4180, with the separators and encodings that spreadsheets write)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from archipel import audit
from archipel.directory import people
from archipel.directory.model import Membership, Professional, Structure
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.errors import ArchipelError, Invalid

KINDS = ("professionals", "structures")
BYTES_MAX = 64 << 20
LINE_COUNT_MAX = 200_000
_COLUMNS = {
    "structures": ("kind", "finess", "name", "legal_finess"),
    "professionals": ("rpps", "family", "given", "profession", "specialty", "finess", "role", "from_on", "to_on"),
}
_NEEDED = {"structures": ("kind", "finess", "name"), "professionals": ("rpps", "family", "given")}


@dataclass(frozen=True)
class Line:
    """What becomes of one line: ``fate`` is added, changed, unchanged or refused; ``why`` says what changed or what is wrong."""

    number: int
    fate: str
    key: str
    why: str = ""


@dataclass(frozen=True)
class Report:
    """The lines of a sheet, and whether something was written."""

    lines: tuple[Line, ...]
    written: bool

    @property
    def counts(self) -> dict[str, int]:
        """How many lines there are of each fate."""
        return {fate: sum(line.fate == fate for line in self.lines) for fate in ("added", "changed", "unchanged", "refused")}


@dataclass
class _Plan:
    """What the sheet would make of what is there: the state that grows line by line, and the acts that lead to it."""

    known: dict[Any, Any]
    by: dict[Any, int]  # what this sheet has said already, and in which line
    acts: list[Callable[[Tx, Actor], Any]]


def take_sheet(tx: Tx, actor: Actor, kind: str, contents: bytes, *, dry_run: bool = False, partial: bool = False) -> Report:
    """Bring structures or professionals up to date from a sheet; says of each line what becomes of it.

    Nothing is written in a dry run, nor when a line is refused, unless ``partial`` asks for the others. What the sheet does not name stays
    as it is. Invalid when it is no sheet of this kind at all.
    """
    plan = _Plan(_known(tx, kind), {}, [])
    read = _read_structure if kind == "structures" else _read_professional
    rows = list(_rows(kind, contents))
    if kind == "structures":  # what is belonged to before what belongs
        rows.sort(key=lambda row: (row[1].get("kind", "").strip().lower() != "legal", row[0]))
    lines = sorted((_line(tx, plan, read, number, row) for number, row in rows), key=lambda line: line.number)
    good = not dry_run and (partial or all(line.fate != "refused" for line in lines))
    if good and plan.acts:
        for act in plan.acts:
            act(tx, actor)
    report = Report(tuple(lines), good and bool(plan.acts))
    if report.written:
        audit.record(tx, actor, "directory.take_sheet", object_id=kind, lines=report.counts)
    return report


def sheet(tx: Tx, kind: str) -> bytes:
    """All structures or professionals as a sheet that :func:`take_sheet` finds unchanged: UTF-8 with its mark, semicolons."""
    _check_kind(kind)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(_COLUMNS[kind])
    if kind == "structures":
        writer.writerows((s.kind, s.finess, s.name, s.legal_finess) for s in people.structures(tx))
    else:
        of: dict[str, list[Membership]] = {}
        for one in people.memberships(tx):
            of.setdefault(one.rpps, []).append(one)
        for p in people.professionals(tx):
            said = (p.rpps, p.family, p.given, p.profession, p.specialty)
            for m in of.get(p.rpps) or [Membership("", "", "", "")]:
                writer.writerow((*said, m.finess, m.role, m.from_on, m.to_on))
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise Invalid(f"A sheet is of one of: {', '.join(KINDS)}.", code="sheet-kind", field="kind")


def _rows(kind: str, contents: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a sheet by column, with their numbers in the file; empty ones are left out."""
    _check_kind(kind)
    if len(contents) > BYTES_MAX:
        raise Invalid(f"A sheet has at most {BYTES_MAX} bytes.", code="sheet-size", field="file")
    try:
        text = contents.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = contents.decode("cp1252", "replace")
    first = text.lstrip("\r\n").split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(";,|", key=first.count), strict=True)
    names: list[str] = []
    try:
        for count, cells in enumerate(reader):
            if count > LINE_COUNT_MAX:
                raise Invalid(f"A sheet has at most {LINE_COUNT_MAX} lines.", code="sheet-size", field="file")
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if not names:
                names = _header(kind, cells)
            elif len(cells) > len(names) and any(cells[len(names) :]):
                yield reader.line_num, {"": "more cells than columns"}
            else:
                yield reader.line_num, dict(zip(names, [*cells, *[""] * len(names)], strict=False))
    except csv.Error as error:
        raise Invalid(f"Line {reader.line_num} cannot be read: {error}.", code="sheet", field="file") from None
    if not names:
        raise Invalid("The sheet is empty.", code="sheet", field="file")


def _header(kind: str, cells: list[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    missing = [name for name in _NEEDED[kind] if name not in names]
    unknown = [name for name in names if name not in _COLUMNS[kind]]
    if missing or unknown or len(set(names)) < len(names):
        what = f"lacks the column {missing[0]}" if missing else f"has an unknown column {unknown[0]!r}" if unknown else "has a column twice"
        raise Invalid(f"The sheet {what}; there are: {', '.join(_COLUMNS[kind])}.", code="sheet-columns", field="file")
    return names


def _known(tx: Tx, kind: str) -> dict[Any, Any]:
    if kind == "structures":
        return {s.finess: s for s in people.structures(tx)}
    known: dict[Any, Any] = {p.rpps: p for p in people.professionals(tx)}
    known |= {(m.rpps, m.finess, m.role, m.from_on): m for m in people.memberships(tx)}
    return known | {("structure", s.finess): s for s in people.structures(tx)}


def _line(tx: Tx, plan: _Plan, read: Callable[..., list[tuple[Any, Any, Callable[..., Any]]]], number: int, row: dict[str, str]) -> Line:
    """Plan one line; what is wrong with it changes nothing of the plan."""
    key = row.get("rpps") or row.get("finess") or ""
    if "" in row:
        return Line(number, "refused", key, row[""])
    try:
        said = read(tx, plan, row)
        for where, value, _ in said:
            if where in plan.by and plan.known[where] != value:
                raise Invalid(f"Line {plan.by[where]} says otherwise of {where if isinstance(where, str) else where[0]}.", code="line")
    except ArchipelError as error:
        return Line(number, "refused", key, str(error))
    before = {where: plan.known.get(where) for where, _, _ in said}
    changes: list[str] = []
    for where, value, act in said:
        plan.by.setdefault(where, number)
        if before[where] != value:
            changes += _differences(before[where], value)
            plan.known[where] = value
            plan.acts.append(_act(act, value))
    fate = "unchanged" if not changes else "added" if before[said[0][0]] is None else "changed"
    return Line(number, fate, key, ", ".join(changes) if fate == "changed" else "")


def _act(act: Callable[..., Any], value: Any) -> Callable[[Tx, Actor], Any]:
    return lambda tx, actor: act(tx, actor, value)


def _differences(before: Any, after: Any) -> list[str]:
    if before is None:
        return [f"new membership in {after.finess}" if isinstance(after, Membership) else "new"]
    return [
        f"{name}: {getattr(before, name) or '-'} -> {value or '-'}" for name, value in vars(after).items() if getattr(before, name) != value
    ]


def _read_structure(tx: Tx, plan: _Plan, row: dict[str, str]) -> list[tuple[Any, Any, Callable[..., Any]]]:
    made = people.check_structure(Structure(row["finess"].upper(), row["kind"].lower(), row["name"], row.get("legal_finess", "").upper()))
    known = plan.known.get(made.finess)
    if known and known.kind != made.kind:
        raise Invalid(f"{made.finess} is a {known.kind} entity.", code="structure-kind")
    parent = plan.known.get(made.legal_finess)
    if made.legal_finess and (parent is None or parent.kind != "legal"):
        raise Invalid(f"There is no legal entity {made.legal_finess}.", code="no-structure")
    return [(made.finess, made, people.put_structure)]


def _read_professional(tx: Tx, plan: _Plan, row: dict[str, str]) -> list[tuple[Any, Any, Callable[..., Any]]]:
    rpps, known = row["rpps"], plan.known.get(row["rpps"])
    codes = {  # a column that the sheet has not changes nothing
        name: row[name] if name in row else getattr(known, name, "") for name in ("profession", "specialty")
    }
    who = people.check_professional(Professional(rpps, row["family"], row["given"], **codes), tx.now().date())
    said: list[tuple[Any, Any, Callable[..., Any]]] = [(rpps, who, people.put_professional)]
    if any(row.get(name) for name in ("finess", "role", "from_on", "to_on")):
        one = Membership(rpps, row.get("finess", "").upper(), row.get("role", ""), row.get("from_on", ""), row.get("to_on", ""))
        people.check_membership(one)
        if ("structure", one.finess) not in plan.known:
            raise Invalid(f"There is no structure {one.finess}.", code="no-structure")
        said.append(((one.rpps, one.finess, one.role, one.from_on), one, people.put_membership))
    return said
