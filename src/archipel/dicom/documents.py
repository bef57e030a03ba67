"""Reports, encapsulated documents and waveforms as people read them (PS3.3 A.35, C.17.3, C.24.2, C.10.9)."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from archipel.dicom.jsonmodel import Json
from archipel.dicom.voi import numbers_of, text_of, values_of
from archipel.kit.errors import Invalid

_PAGE_WIDTH, _LINE_HEIGHT, _MARGIN = 900, 20, 24
_LINES_MAX = 400
_CHANNELS_MAX = 16
_SECONDS_MAX = 10.0
_WAVEFORM_TYPES = {"SB": "<i1", "UB": "<u1", "SS": "<i2", "US": "<u2", "SL": "<i4", "UL": "<u4"}
_RELATIONS_MAX = 20_000


def encapsulated(row: Json) -> bytes:
    """The document's own bytes, without padding."""
    element = row["00420011"]
    if "InlineBinary" not in element:
        raise Invalid("The object holds no document", code="undecodable")
    data = base64.b64decode(element["InlineBinary"])
    length = numbers_of(row, "00420015")
    if length and 0 < length[0] <= len(data):
        return data[: int(length[0])]
    return data.rstrip(b"\0") if data.startswith(b"%PDF") else data


# ------------------------------------------------------------------------------------------------------------- reports


def content(row: Json) -> Iterator[tuple[int, str, str]]:
    """Depth, name and value of each content item of a report, in reading order; walks without recursion."""
    stack: list[tuple[int, Json]] = [(0, item) for item in reversed(values_of(row, "0040A730")) if isinstance(item, dict)]
    for _ in range(_RELATIONS_MAX):
        if not stack:
            return
        depth, item = stack.pop()
        yield depth, meaning(item, "0040A043"), item_value(item)
        stack += [(depth + 1, child) for child in reversed(values_of(item, "0040A730")) if isinstance(child, dict)]


def meaning(item: Json, sequence: str) -> str:
    """Code Meaning of the first item of a code sequence."""
    found = values_of(item, sequence)
    return text_of(found[0], "00080104") if found and isinstance(found[0], dict) else ""


def item_value(item: Json) -> str:
    """The value of a content item in words (PS3.3 C.17.3.2)."""
    kind = text_of(item, "0040A040")
    if kind == "NUM":
        measured = values_of(item, "0040A300")
        if measured and isinstance(measured[0], dict):
            return f"{text_of(measured[0], '0040A30A')} {meaning(measured[0], '004008EA')}".strip()
        return ""
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        found = values_of(item, "00081199")
        return f"{kind.capitalize()} {text_of(found[0], '00081155')}" if found and isinstance(found[0], dict) else kind.capitalize()
    paths = {"CODE": "", "TEXT": "0040A160", "PNAME": "0040A123", "DATE": "0040A121", "TIME": "0040A122", "DATETIME": "0040A120",
             "UIDREF": "0040A124"}  # fmt: skip
    if kind == "CODE":
        return meaning(item, "0040A168")
    return text_of(item, paths[kind]).replace("^", " ") if kind in paths else ""


def _title(row: Json) -> str:
    return meaning(row, "0040A043") or text_of(row, "00081030") or text_of(row, "0008103E") or "Report"


def _facts(row: Json) -> list[tuple[str, str]]:
    names = {
        "Patient": "00100010",
        "ID": "00100020",
        "Born": "00100030",
        "Study": "00080020",
        "Completion": "0040A491",
        "Verification": "0040A493",
    }
    facts = [(name, text_of(row, path).replace("^", " ")) for name, path in names.items()]
    return [(name, value) for name, value in facts if value]


def report_html(row: Json) -> str:
    """A page of its own with the report's content; every text is escaped."""
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _facts(row))
    parts, depth = ["<ul>"], 0
    for level, name, value in content(row):
        parts.append("<ul>" * (level - depth) + "</ul>" * (depth - level))
        depth = level
        head = f"<b>{escape(name)}</b>" if name else ""
        parts.append(f'<li>{head}{": " if name and value else ""}<span class="value">{escape(value)}</span></li>')
    parts.append("</ul>" * (depth + 1))
    style = (
        "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}.value{white-space:pre-wrap}"
        "dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1em}"
    )
    return (
        f'<!doctype html><html><head><meta charset="utf-8"><title>{escape(_title(row))}</title><style>{style}</style></head>'
        f"<body><h1>{escape(_title(row))}</h1><dl>{facts}</dl>{''.join(parts)}</body></html>"
    )


def report_text(row: Json) -> str:
    """The report as plain text, indented by depth."""
    lines = [_title(row), "=" * min(60, len(_title(row))), *(f"{name}: {value}" for name, value in _facts(row)), ""]
    for depth, name, value in content(row):
        lines.append("  " * min(depth, 20) + ": ".join(part for part in (name, value) if part))
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------------------ pictures


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def page(text: str) -> Image.Image:
    """The text on a white page."""
    lines = [part for line in text.splitlines()[:_LINES_MAX] for part in textwrap.wrap(line, 100, drop_whitespace=False) or [""]][
        :_LINES_MAX
    ]
    picture = Image.new("RGB", (_PAGE_WIDTH, max(200, 2 * _MARGIN + _LINE_HEIGHT * len(lines))), "white")
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + number * _LINE_HEIGHT), line, fill="black", font=_font(15))
    return picture


def icon(label: str, row: Json) -> Image.Image:
    """A dark card with the kind of object and its description."""
    picture = Image.new("RGB", (512, 512), (24, 28, 34))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((96, 56, 416, 456), 24, outline=(120, 132, 148), width=6)
    draw.text((256, 220), label[:10].upper(), fill=(226, 232, 240), font=_font(max(28, 72 - 4 * len(label[:10]))), anchor="mm")
    for number, line in enumerate(textwrap.wrap(text_of(row, "00420010") or text_of(row, "0008103E") or text_of(row, "00700081"), 24)[:3]):
        draw.text((256, 320 + 30 * number), line, fill=(160, 172, 188), font=_font(22), anchor="mm")
    return picture


def channels(row: Json) -> Iterator[tuple[str, float, Any]]:
    """Name, sampling frequency in Hz and samples (in the channel's unit) of each channel of the first multiplex group."""
    group = next((one for one in values_of(row, "54000100") if isinstance(one, dict)), {})
    count, total = int((numbers_of(group, "003A0005") or [0])[0]), int((numbers_of(group, "003A0010") or [0])[0])
    frequency = (numbers_of(group, "003A001A") or [0.0])[0]
    kind = _WAVEFORM_TYPES.get(text_of(group, "54001006").strip())
    raw = base64.b64decode(group.get("54001010", {}).get("InlineBinary", ""))
    if kind is None or not 0 < count <= 256 or total <= 0 or not frequency > 0:
        raise Invalid("The waveform cannot be drawn: channels, samples or frequency are missing", code="undecodable")
    samples = np.frombuffer(raw[: len(raw) // np.dtype(kind).itemsize * np.dtype(kind).itemsize], kind)
    if samples.size < count * total:
        raise Invalid("The waveform's data is shorter than declared", code="undecodable")
    table = samples[: count * total].reshape(total, count).astype(np.float64)
    definitions = values_of(group, "003A0200")
    for number in range(count):
        item = definitions[number] if number < len(definitions) and isinstance(definitions[number], dict) else {}
        sensitivity = (numbers_of(item, "003A0210") or [1.0])[0] * (numbers_of(item, "003A0212") or [1.0])[0]
        yield meaning(item, "003A0208") or f"Channel {number + 1}", frequency, table[:, number] * sensitivity


def waveform(row: Json) -> Image.Image:
    """The channels one under the other on squared paper, ten seconds at most."""
    found = list(channels(row))[:_CHANNELS_MAX]
    strip, width = 96, 1250
    picture = Image.new("RGB", (width, strip * len(found) + 20), "white")
    draw = ImageDraw.Draw(picture)
    seconds = min(_SECONDS_MAX, max(len(samples) / frequency for _, frequency, samples in found))
    for step in range(0, width, 25):
        draw.line((step, 0, step, picture.height), fill=(250, 190, 190) if step % 125 == 0 else (253, 230, 230))
    for step in range(0, picture.height, 25):
        draw.line((0, step, width, step), fill=(253, 230, 230))
    for number, (name, frequency, samples) in enumerate(found):
        shown = samples[: max(2, int(seconds * frequency))]
        step = max(1, len(shown) // (4 * width))
        shown = shown[::step]
        middle, spread = float(np.median(shown)), float(np.ptp(shown)) or 1.0
        y = strip * number + strip / 2 + 10 - (shown - middle) / spread * (strip - 16)
        x = np.arange(len(shown)) * (width / max(1.0, seconds * frequency / step))
        draw.line(list(zip(x.tolist(), np.clip(y, 0, picture.height).tolist(), strict=True)), fill=(20, 24, 40), width=1)
        draw.text((6, strip * number + 14), name[:40], fill=(60, 70, 110), font=_font(14))
    return picture
