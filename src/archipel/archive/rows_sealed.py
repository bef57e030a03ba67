"""SQL of sealed series: one row for all instances of a series, and the way to it from a SOP Instance UID.

The instances are in a manifest, compressed JSON: a list of lists, the columns of ``archive_instance`` in the order of InstanceRow. A query
that needs SQL gets them as one parameter, under the name of the table that they were dropped from (``beside``).
"""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, UniqueConstraint, bindparam, delete, func, insert
from sqlalchemy import select as select_
from sqlalchemy import text as literal_sql

from archipel import directory
from archipel.archive.rows import chunks, instance, patient, series, study, words
from archipel.archive.rows_review import rejection
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared, among
from archipel.kit.rows import Sequence64, metadata

FORMAT = 1
# Manifests that a process keeps at hand: a viewer asks for the frames of a series one by one.
KEPT_INSTANCES_MAX = 10_000


class InstanceRow(NamedTuple):
    """The columns of ``archive_instance`` in the order of a manifest of this format."""

    sop_instance_uid: str
    study_uid: str
    series_uid: str
    sop_class_uid: str
    number: int | None
    transfer_syntax_uid: str
    blob_key: str
    offset: int
    length_bytes: int
    dataset_offset: int
    pixel_data_offset: int | None
    frame_count: int
    digest: str
    attributes: dict[str, str]
    site_id: str
    source_ae: str
    rejection_id: str
    received_at: str
    packed: str


COLUMNS = InstanceRow._fields

sealed = Table(
    "archive_sealed",
    metadata,
    Column("id", Sequence64, primary_key=True, autoincrement=True),
    Column("study_uid", words(64), nullable=False),
    Column("series_uid", words(64), nullable=False),
    Column("blob_key", words(120), nullable=False, unique=True),
    Column("instance_count", Integer, nullable=False),
    Column("sealed_at", words(27), nullable=False),
    Column("format", Integer, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    UniqueConstraint("study_uid", "series_uid"),
    Index(None, "series_uid"),
    sqlite_autoincrement=True,
)

sealed_uid = Table(
    "archive_sealed_uid",
    metadata,
    Column("uid_hash", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed_id", Sequence64, ForeignKey("archive_sealed.id"), primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# Objects that the index has turned away from, or is about to turn to: the sweeper removes those that nothing names after a time.
let_go = Table(
    "archive_let_go",
    metadata,
    Column("blob_key", words(120), primary_key=True),
    Column("at", words(27), nullable=False),
    Index(None, "at"),
)

_HEAD = (sealed.c.id, sealed.c.study_uid, sealed.c.series_uid, sealed.c.blob_key)
_OF_STUDIES = Prepared(lambda dialect: select_(*_HEAD).where(among(dialect, sealed.c.study_uid, "uids")))
_OF_SERIES = Prepared(lambda dialect: select_(*_HEAD).where(among(dialect, sealed.c.series_uid, "uids")))
_OF_HASHES = Prepared(
    lambda dialect: (
        select_(*_HEAD).join_from(sealed, sealed_uid, sealed_uid.c.sealed_id == sealed.c.id).where(
            among(dialect, sealed_uid.c.uid_hash, "hashes")
        )
    )
)  # fmt: skip
_FORGET = Prepared(
    lambda dialect: delete(sealed_uid).where(
        among(dialect, sealed_uid.c.uid_hash, "hashes"), sealed_uid.c.sealed_id == bindparam("sealed_id")
    )
)


@dataclass(frozen=True)
class Sealed:
    """One sealed series. ``text`` is the JSON of its rows."""

    id: int
    study_uid: str
    series_uid: str
    blob_key: str
    text: str

    @cached_property
    def rows(self) -> tuple[InstanceRow, ...]:
        """Its instances, as rows of ``archive_instance``."""
        return tuple(InstanceRow(*one) for one in json.loads(self.text))

    @cached_property
    def by_uid(self) -> Mapping[str, InstanceRow]:
        """The same by SOP Instance UID."""
        return {row.sop_instance_uid: row for row in self.rows}

    def named(self, sop_instance_uids: Iterable[str]) -> Iterable[InstanceRow]:
        """Those of its instances that have one of these UIDs; all when none is given."""
        uids = list(dict.fromkeys(sop_instance_uids))
        return [self.by_uid[uid] for uid in uids if uid in self.by_uid] if uids else self.rows


class _Kept:
    """The sealed series last read, by object: an object never changes, and its key is never used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: OrderedDict[str, tuple[Sealed, int]] = OrderedDict()
        self._count = 0

    def get(self, head: Any) -> Sealed | None:
        with self._lock:
            found = self._by_key.get(head.blob_key)
            if found is None or found[0].id != head.id:  # another archive's, in tests
                return None
            self._by_key.move_to_end(head.blob_key)
            return found[0]

    def put(self, one: Sealed, instance_count: int) -> None:
        with self._lock:
            if one.blob_key in self._by_key:
                self._count -= self._by_key.pop(one.blob_key)[1]
            self._by_key[one.blob_key] = (one, instance_count)
            self._count += instance_count
            while self._count > KEPT_INSTANCES_MAX and len(self._by_key) > 1:
                self._count -= self._by_key.popitem(last=False)[1][1]


_kept = _Kept()


def uid_hash(uid: str) -> int:
    """The first 64 bits of the SHA-256 of a UID, as a signed number. Two UIDs may share it: the manifest decides."""
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big", signed=True)


def heads(tx: Tx, *, study_uids: Iterable[str] = (), series_uids: Iterable[str] = (), sop_instance_uids: Iterable[str] = ()) -> list[Any]:
    """The sealed series (id, study_uid, series_uid, blob_key) that may hold what meets all that is given; something must be."""
    studies, series, uids = list(study_uids), list(series_uids), list(sop_instance_uids)
    if uids:
        found = list({row.id: row for row in _OF_HASHES.all(tx, hashes=[uid_hash(uid) for uid in uids])}.values())
    elif studies:
        found = _OF_STUDIES.all(tx, uids=studies)
    else:
        found = _OF_SERIES.all(tx, uids=series)
    return [row for row in found if (not studies or row.study_uid in studies) and (not series or row.series_uid in series)]


def load(tx: Tx, found: Sequence[Any]) -> list[Sealed]:
    """The sealed series of these heads, manifests included, in their order."""
    held = {head.id: one for head in found if (one := _kept.get(head)) is not None}
    missing = [head.id for head in found if head.id not in held]
    for start in range(0, len(missing), 100):
        s = sealed.c
        statement = select_(*_HEAD, s.format, s.manifest, s.instance_count).where(s.id.in_(missing[start : start + 100]))
        for row in tx.execute(statement):
            if row.format != FORMAT:
                raise ValueError(f"a manifest of format {row.format} is of a later version")
            one = Sealed(row.id, row.study_uid, row.series_uid, row.blob_key, zlib.decompress(row.manifest).decode())
            _kept.put(one, row.instance_count)
            held[row.id] = one
    return [held[head.id] for head in found if head.id in held]


def known(tx: Tx, uids: Iterable[str]) -> dict[str, InstanceRow]:
    """The rows of those instances that are in sealed series, by SOP Instance UID."""
    wanted = list(uids)
    found: dict[str, InstanceRow] = {}
    for some in chunks(wanted):
        for one in load(tx, heads(tx, sop_instance_uids=some)):
            found.update((uid, one.by_uid[uid]) for uid in some if uid in one.by_uid)
    return found


def of_series(tx: Tx, study_uid: str, series_uid: str) -> list[Sealed]:
    """What is sealed of a series: one or nothing."""
    return load(tx, heads(tx, study_uids=[study_uid], series_uids=[series_uid]))


def of_study(tx: Tx, study_uid: str) -> list[Sealed]:
    """The sealed series of a study."""
    return load(tx, heads(tx, study_uids=[study_uid]))


def facts(tx: Tx, study_uid: str, series_uid: str) -> dict[str, Any]:
    """What the index holds of a series besides its instances, for who has the object alone.

    The rows of its patient, its study, itself and its study's rejections, by table; its site; and now, as ``sealed_at``.
    """
    columns = {"patient": patient, "study": study, "series": series}
    statement = (
        select_(*(c.label(f"{name}:{c.name}") for name, table in columns.items() for c in table.c))
        .join_from(study, patient, patient.c.id == study.c.patient_key)
        .join(series, series.c.study_uid == study.c.study_uid)
        .where(study.c.study_uid == study_uid, series.c.series_uid == series_uid)
    )
    row = tx.execute(statement).one()._mapping
    found = {name: {c.name: row[f"{name}:{c.name}"] for c in table.c} for name, table in columns.items()}
    sites = [asdict(site) for site in directory.sites(tx) if site.id == found["study"]["site_id"]]
    rejections = [dict(one._mapping) for one in tx.execute(select_(rejection).where(rejection.c.study_uid == study_uid))]
    return {**found, "rejections": rejections, "site": sites[0] if sites else None, "sealed_at": to_text(tx.now())}


def left_open(tx: Tx, after: str, settled_before: str, limit: int) -> list[str]:
    """Studies that settled before an instant and have open rows, in the order of their UIDs, behind one."""
    s, i = study.c, instance.c
    has_open = select_(i.study_uid).where(i.study_uid == s.study_uid).exists()
    statement = select_(s.study_uid).where(s.study_uid > after, s.settled_at != "", s.settled_at < settled_before, has_open)
    return list(tx.execute(statement.order_by(s.study_uid).limit(limit)).scalars())


def count(tx: Tx) -> int:
    """How many series are sealed."""
    return int(tx.execute(select_(func.count()).select_from(sealed)).scalar_one())


def volume(tx: Tx) -> tuple[int, int]:
    """How many series have open rows, and how many bytes all instances had as received; reads every open row and every study."""
    opened = select_(instance.c.study_uid, instance.c.series_uid).distinct().subquery()
    size = tx.execute(select_(func.sum(study.c.size_bytes))).scalar_one()
    return int(tx.execute(select_(func.count()).select_from(opened)).scalar_one()), int(size or 0)


def any_sealed(tx: Tx) -> bool:
    """Whether there is a sealed series at all."""
    return tx.execute(select_(sealed.c.id).limit(1)).first() is not None


def page(tx: Tx, after: int, limit: int) -> list[Sealed]:
    """Sealed series in the order of their ids, behind one."""
    return load(tx, list(tx.execute(select_(*_HEAD).where(sealed.c.id > after).order_by(sealed.c.id).limit(limit))))


def blob_keys(tx: Tx) -> set[str]:
    """The objects that hold sealed series."""
    return set(tx.execute(select_(sealed.c.blob_key)).scalars())


def let_go_keys(tx: Tx) -> set[str]:
    """The objects that the sweeper will look at."""
    return set(tx.execute(select_(let_go.c.blob_key)).scalars())


def as_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows of ``archive_instance`` as the JSON of a manifest."""
    return json.dumps([list(row) for row in rows], ensure_ascii=False, separators=(",", ":"))


def add(tx: Tx, study_uid: str, series_uid: str, blob_key: str, rows: Sequence[InstanceRow], sealed_at: str) -> None:
    """Insert a sealed series; the rows of its instances must be gone, and the study locked."""
    values = {
        "study_uid": study_uid, "series_uid": series_uid, "blob_key": blob_key, "instance_count": len(rows), "sealed_at": sealed_at,
        "format": FORMAT, "manifest": zlib.compress(as_text(rows).encode(), 9),
    }  # fmt: skip
    sealed_id = tx.execute(insert(sealed).values(values).returning(sealed.c.id)).scalar_one()
    hashes = sorted({uid_hash(row.sop_instance_uid) for row in rows})
    for start in range(0, len(hashes), 5000):
        tx.execute(insert(sealed_uid), [{"uid_hash": one, "sealed_id": sealed_id} for one in hashes[start : start + 5000]])


def remove(tx: Tx, one: Sealed) -> None:
    """Remove a sealed series, but not its object; the study must be locked."""
    _FORGET.many(tx, [{"hashes": sorted({uid_hash(row.sop_instance_uid) for row in one.rows}), "sealed_id": one.id}])
    tx.execute(delete(sealed).where(sealed.c.id == one.id))


def open_rows(tx: Tx, study_uid: str, series_uid: str = "") -> list[InstanceRow]:
    """The rows of a study's, or of a series', instances that are not sealed, by series and SOP Instance UID."""
    i = instance.c
    statement = select_(*(i[name] for name in COLUMNS)).where(i.study_uid == study_uid)
    if series_uid:
        statement = statement.where(i.series_uid == series_uid)
    return [InstanceRow(*row) for row in tx.execute(statement.order_by(i.series_uid, i.sop_instance_uid))]


def drop_rows(tx: Tx, rows: Sequence[InstanceRow]) -> None:
    """Delete the rows of instances, which must be in a manifest now."""
    for some in chunks(row.sop_instance_uid for row in rows):
        tx.execute(delete(instance).where(instance.c.sop_instance_uid.in_(some)))


def insert_rows(tx: Tx, rows: Sequence[InstanceRow]) -> None:
    """Insert rows of instances that come back from a manifest."""
    if rows:
        tx.execute(insert(instance), [row._asdict() for row in rows])


def beside(tx: Tx, statement: Any, found: Sequence[Sealed], sop_instance_uids: Sequence[str] = ()) -> Any:
    """The statement with the instances of these series among those of ``archive_instance``, which it names as always.

    With ``sop_instance_uids`` only those: for a statement that asks for no other.
    """
    if not found:
        return statement
    texts = (as_text(one.named(sop_instance_uids)) if sop_instance_uids else one.text for one in found)
    rows = ",".join(text[1:-1] for text in texts if text != "[]")
    shape = literal_sql(_SHAPES[tx.dialect]).bindparams(bindparam("sealed_rows", f"[{rows}]", type_=None))
    return statement.add_cte(shape.columns(*(instance.c[name] for name in COLUMNS)).cte(instance.name))


def _shape(dialect: str) -> str:
    """Open rows and the parameter's, column by column. A query inside a WITH sees the table itself under its name."""
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    if dialect == "sqlite":
        cells = ", ".join(f"json_extract(value, '$[{n}]') AS \"{name}\"" for n, name in enumerate(COLUMNS))
        return f"SELECT {names} FROM main.archive_instance UNION ALL SELECT {cells} FROM json_each(:sealed_rows)"
    cells = ", ".join(_cell(n, name) for n, name in enumerate(COLUMNS))
    return (
        f"SELECT {names} FROM archive_instance UNION ALL "
        f"SELECT {cells} FROM jsonb_array_elements(CAST(:sealed_rows AS jsonb)) AS one(value)"
    )


def _cell(n: int, name: str) -> str:
    kind = instance.c[name].type.python_type
    if name == "attributes":
        return f'(value -> {n}) AS "{name}"'
    if kind is int:
        return f'CAST(value ->> {n} AS {"bigint" if isinstance(instance.c[name].type, BigInteger) else "integer"}) AS "{name}"'
    return f'CAST(value ->> {n} AS varchar) COLLATE "C" AS "{name}"'


_SHAPES = {dialect: _shape(dialect) for dialect in ("sqlite", "postgresql")}
