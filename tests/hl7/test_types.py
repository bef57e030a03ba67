"""Data types: expected values from HL7 v2.5.1 2.A and the national examples."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from archipel.hl7 import tables, types
from archipel.hl7.er7 import STANDARD, Repetition
from archipel.hl7.moment import birth_date, moment
from archipel.hl7.types import HD
from archipel.kit.errors import Invalid

PARIS, REUNION = ZoneInfo("Europe/Paris"), ZoneInfo("Indian/Reunion")


def of(raw: str) -> Repetition:
    return Repetition(raw, STANDARD)


def test_cx() -> None:
    read = types.cx(of("279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS^^20101207^20301231"), "PID-3")
    assert (read.id, read.type, read.authority) == ("279035121518989", "INS", HD("ASIP-SANTE-INS-NIR", "1.2.250.1.213.1.4.10", "ISO"))
    assert read.valid_from is not None
    assert read.valid_until is not None
    assert (read.valid_from.on, read.valid_until.on) == (date(2010, 12, 7), date(2030, 12, 31))
    local = types.cx(of("000003^^^CHU-X&000897406&N^PI"), "PID-3")
    assert (local.authority.oid, local.authority.universal_id) == ("", "000897406")
    with pytest.raises(Invalid) as raised:
        types.cx(of("1^^^A^PI^^yesterday"), "PID-3[2]")
    assert (raised.value.code, raised.value.field) == ("data-type", "PID-3[2].7")


def test_names_and_addresses() -> None:
    name = types.xpn(of("VAN DER BERG&VAN DER&BERG^ANNA^ANNA MARIA^JR^MME^^L^^^^^20200101"), "PID-5")
    assert (name.family, name.own_prefix, name.own_family, name.given, name.others, name.type) == (
        "VAN DER BERG",
        "VAN DER",
        "BERG",
        "ANNA",
        "ANNA MARIA",
        "L",
    )
    home = types.xad(of("28 Av de Breteuil&Avenue&28^Bat. C^PARIS^^75007^FRA^H"))
    assert (home.street, home.other, home.city, home.postal_code, home.country, home.type) == (
        "28 Av de Breteuil",
        "Bat. C",
        "PARIS",
        "75007",
        "FRA",
        "H",
    )
    assert types.xad(of("^^^^^^BDL^^63220")).county == "63220"


def test_telephones_and_mail() -> None:
    assert types.xtn(of("^PRN^CP^^^^^^^^^+3360708091")) == types.XTN("+3360708091", "PRN", "CP", "")
    assert types.xtn(of("^NET^X.400^adam.hoda@test-ci-sis.mssante.fr")).email == "adam.hoda@test-ci-sis.mssante.fr"
    assert types.xtn(of("^PRN^PH^^33^1^23456789")).number == "33 1 23456789"
    assert types.xtn(of("(555)111-2222^PRN")).number == "(555)111-2222"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("801234564895^Eric^Thomas^^^DR^^^ASIP-SANTE- PS&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS", ("RPPS", "01234564895")),
        ("10000023084^AGNES^Isabelle^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS", ("RPPS", "10000023084")),
        ("101005344^PICQUE^JEAN^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^D^^^ADELI", ("ADELI", "101005344")),
        ("10100534436^PICQUE^JEAN^^^^^^RPPS^D^^^RPPS", ("RPPS", "10100534436")),
        ("12^X^Y^^^^^^HOP&1.2.3&ISO^D^^^RPPS", ("local", "12")),
        ("^UNKNOWN", ("", "")),
    ],
)
def test_professionals(raw: str, expected: tuple[str, str]) -> None:
    assert types.xcn(of(raw)).identity == expected


def test_the_others() -> None:
    assert types.ei(of("OPN101^^1.2.250.1.748.12345678.12^ISO")).authority.oid == "1.2.250.1.748.12345678.12"
    assert types.cwe(of("24590-2^IRM^LN^X^alt^L")) == types.CWE("24590-2", "IRM", "LN", ("X", "alt", "L"))
    unit = types.xon(of("Structure-Y^^^^^ASIP-SANTE-ST&1.2.250.1.71.4.2.2&ISO^FINEG^^^300017985"))
    assert (unit.name, unit.id, unit.type, unit.authority.oid) == ("Structure-Y", "300017985", "FINEG", tables.STRUCTURES)
    where = types.pl(of("REA^3^B^HOP&1.2.3&ISO^O"))
    assert (where.point_of_care, where.room, where.bed, where.facility.oid, where.status) == ("REA", "3", "B", "1.2.3", "O")


@pytest.mark.parametrize(
    ("text", "precision", "on"),
    [
        ("1988", "year", None),
        ("198807", "month", None),
        ("19880704", "day", date(1988, 7, 4)),
        ("1988070414", "hour", date(1988, 7, 4)),
        ("198807041431", "minute", date(1988, 7, 4)),
        ("19880704143159", "second", date(1988, 7, 4)),
        ("19880704143159.1234-0500", "fraction", date(1988, 7, 4)),
        ("20161231235960+0000", "second", date(2016, 12, 31)),
    ],
)
def test_moments(text: str, precision: str, on: date | None) -> None:
    read = moment(text, "PV1-44")
    assert read is not None
    assert (read.precision, read.on, read.text) == (precision, on, text)


def test_instants() -> None:
    winter = moment("20260302101500", "X")
    assert winter is not None
    assert winter.at(PARIS) == datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
    assert winter.at(REUNION) == datetime(2026, 3, 2, 6, 15, tzinfo=UTC)
    said = moment("19880704143159.25-0500", "X")
    assert said is not None
    assert said.at(PARIS) == datetime(1988, 7, 4, 19, 31, 59, 250_000, tzinfo=UTC)
    day = moment("20260302", "X")
    assert day is not None
    assert day.at(PARIS) is None
    assert moment("", "X") is None
    never = moment("99991231235959-1000", "X")
    assert never is not None
    assert never.at(PARIS) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["198", "19881", "19881301", "19880230", "1988070425", "19880704143161", "now", "19880704+2500", "１９８８"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        moment(text, "EVN-2")
    assert (raised.value.code, raised.value.field) == ("data-type", "EVN-2")


@pytest.mark.parametrize(
    ("text", "on", "precision", "lunar"),
    [
        ("19800514", date(1980, 5, 14), "day", None),
        ("198005141030", date(1980, 5, 14), "day", None),
        ("1980", None, "year", None),
        ("19800000", None, "year", None),
        ("198005", None, "month", None),
        ("19800500", None, "month", None),
        ("00000000", None, "unknown", None),
        ("19800230", None, "unknown", ("30", "02", "1980")),
        ("19804200", None, "unknown", ("00", "42", "1980")),
    ],
)
def test_dates_of_birth(text: str, on: date | None, precision: str, lunar: tuple[str, str, str] | None) -> None:
    read = birth_date(text, "PID-7")
    assert (read.on, read.precision, read.lunar, read.text) == (on, precision, lunar, text)


def test_keys_of_numbers() -> None:
    """The published example 2 55 08 14 168 025 has the key 38; the national test patient has 89."""
    assert tables.nir_key("2550814168025") == "38"
    assert tables.nir_key("2790351215189") == "89"
    assert tables.nir_key("279035121518") is None
    assert tables.nir_key("27903512151X9") is None
