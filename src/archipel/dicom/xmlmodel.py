"""Native DICOM Model XML (PS3.19 A.1) from and to DICOM JSON: the same tree in other clothes."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydicom.datadict import keyword_for_tag

from archipel.dicom import walk
from archipel.dicom.jsonmodel import Json
from archipel.kit.errors import Invalid

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PN_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_PN_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_NUMBERS = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "DS", "IS"})


def to_xml(row: Json) -> bytes:
    """The Native DICOM Model of a dataset in DICOM JSON, in UTF-8; characters that XML has no form for become U+FFFD."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>\n', f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">']
    _attributes(row, out)
    out.append("</NativeDicomModel>")
    return "".join(out).encode("utf-8")


def _clean(text: Any) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", str(text)), {"\r": "&#13;"})  # XML would read a bare one as a line feed


def _quoted(text: Any) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", str(text)))


def _attributes(row: Json, out: list[str]) -> None:
    for name in sorted(row):
        element, tag = row[name], int(name, 16)
        keyword = keyword_for_tag(tag)
        head = f'<DicomAttribute tag="{name}" vr="{element["vr"]}"'
        if keyword:
            head += f' keyword="{keyword}"'
        if tag >> 16 & 1 and tag & 0xFFFF > 0xFF:
            creator = row.get(f"{name[:4]}00{name[4:6]}", {}).get("Value")
            head += f" privateCreator={_quoted(creator[0])}" if creator else ""
        out.append(head + ">")
        _value(element, out)
        out.append("</DicomAttribute>")


def _value(element: Json, out: list[str]) -> None:
    if "BulkDataURI" in element:
        out.append(f"<BulkData uri={_quoted(element['BulkDataURI'])}/>")
    elif "InlineBinary" in element:
        out.append(f"<InlineBinary>{_clean(element['InlineBinary'])}</InlineBinary>")
    for number, one in enumerate(element.get("Value", []), 1):
        if element["vr"] == "SQ":
            out.append(f'<Item number="{number}">')
            _attributes(one, out)
            out.append("</Item>")
        elif element["vr"] == "PN":
            out.append(f'<PersonName number="{number}">{_person(one or {})}</PersonName>')
        else:
            out.append(f'<Value number="{number}">{"" if one is None else _clean(one)}</Value>')


def _person(name: dict[str, str]) -> str:
    parts = []
    for group in _PN_GROUPS:
        if name.get(group):
            named = zip(_PN_PARTS, name[group].split("^"), strict=False)
            inner = "".join(f"<{part}>{_clean(text)}</{part}>" for part, text in named if text)
            parts.append(f"<{group}>{inner}</{group}>")
    return "".join(parts)


def from_xml(data: bytes) -> Json:
    """DICOM JSON of a Native DICOM Model document. Raises Invalid: bad-xml, too-deep."""
    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Invalid("The metadata is no well-formed XML", code="bad-xml", detail=str(error)[:200]) from error
    if _name(root) != "NativeDicomModel":
        raise Invalid("The XML is no NativeDicomModel", code="bad-xml", detail=root.tag[:100])
    return _row(root, 0)


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _row(parent: Element, depth: int) -> Json:
    if depth > walk.DEPTH_MAX:
        raise Invalid("The dataset nests sequences too deep", code="too-deep")
    row: Json = {}
    for child in parent:
        tag = child.get("tag", "").upper()
        if _name(child) != "DicomAttribute" or not re.fullmatch("[0-9A-F]{8}", tag):
            raise Invalid("An element of the NativeDicomModel is no DicomAttribute with a tag", code="bad-xml", detail=child.tag[:100])
        row[tag] = _element(child, child.get("vr") or walk.vr_of(int(tag, 16)), depth)
    return row


def _element(attribute: Element, vr: str, depth: int) -> Json:
    element: Json = {"vr": vr}
    values: list[Any] = []
    for child in attribute:
        kind = _name(child)
        if kind == "BulkData":
            element["BulkDataURI"] = child.get("uri") or child.get("uuid") or ""
        elif kind == "InlineBinary":
            element["InlineBinary"] = re.sub(r"\s", "", child.text or "")
        elif kind in ("Value", "PersonName", "Item"):
            number = child.get("number", "")
            place = int(number) - 1 if number.isdecimal() and number.isascii() and len(number) < 8 else len(values)
            if not len(values) <= place <= len(values) + 1000:
                raise Invalid("Numbers of values do not count up from 1", code="bad-xml", field=attribute.get("tag", ""))
            values += [{} if kind == "Item" else None] * (place - len(values))
            values.append(_row(child, depth + 1) if kind == "Item" else _names(child) if kind == "PersonName" else _typed(vr, child.text))
        else:
            raise Invalid("A DicomAttribute holds an unknown element", code="bad-xml", detail=child.tag[:100])
    if values:
        element["Value"] = values
    return element


def _typed(vr: str, text: str | None) -> Any:
    if text is None:
        return None
    if vr in _NUMBERS:
        try:
            return float(text) if vr in ("FL", "FD", "DS") else int(text)
        except ValueError:
            return text
    return text


def _names(person: Element) -> dict[str, str] | None:
    groups = {}
    for group in person:
        parts = {_name(part): part.text or "" for part in group}
        text = "^".join(parts.get(part, "") for part in _PN_PARTS).rstrip("^")
        if text:
            groups[_name(group)] = text
    return groups or None
