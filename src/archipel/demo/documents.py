"""Documents of an exam: a one-page report as encapsulated PDF, a summary as secondary capture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom.uid import EncapsulatedPDFStorage, SecondaryCaptureImageStorage

from archipel.demo.dataset import MARK, Series, Visit, code, instance, part10, set_pixels

REPORT = (
    "Indication : suivi de nodules pulmonaires.",
    "Technique : acquisition hélicoïdale après injection, reconstructions de 2,5 mm et 5 mm.",
    "",
    "Résultats :",
    "- Nodule plein du lobe supérieur droit, 15 mm.",
    "- Nodule plein du lobe inférieur gauche, 9 mm.",
    "- Masse du lobe moyen, 22 mm, à contours réguliers.",
    "- Verre dépoli du lobe inférieur gauche, 11 mm.",
    "Pas d'épanchement pleural. Pas d'adénopathie médiastinale. Cœur de taille normale.",
    "",
    "Conclusion : quatre lésions pulmonaires ; discussion en réunion de concertation pluridisciplinaire.",
)


def pdf_report(visit: Visit, small: bool = False, *, lines: tuple[str, ...] = REPORT) -> Iterator[bytes]:
    """The report of the visit as Encapsulated PDF Storage (PS3.3 A.45.1)."""
    ds = instance(visit, Series("pdf", 30, "DOC", "Compte rendu", model="Phantom RIS", minutes=40), EncapsulatedPDFStorage, 1)
    ds.ConversionType = "WSD"
    ds.BurnedInAnnotation = "YES"
    ds.AcquisitionDateTime = ds.StudyDate + ds.StudyTime
    ds.DocumentTitle = "Compte rendu d'imagerie"
    ds.ConceptNameCodeSequence = [code("18748-4", "LN", "Diagnostic imaging study")]
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    person = visit.person
    family, _, given = person.name.partition("^")
    on = visit.on.strftime("%d/%m/%Y")
    head = (f"{given} {family}, identifiant {person.id}", f"{visit.description}, examen du {on}, n° {visit.accession}", "")
    content = pdf(f"Compte rendu - {MARK}", (*head, *lines, "", "Dr Camille Rivière (démo). Document fictif, sans valeur médicale."))
    ds.EncapsulatedDocumentLength = len(content)
    ds.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    yield part10(ds)


def pdf(title: str, lines: tuple[str, ...]) -> bytes:
    """A one-page A4 document in Helvetica with WinAnsi text (ISO 32000-1)."""
    strokes = ["BT /F1 18 Tf 56 780 Td (" + escape(title) + ") Tj ET", "BT /F1 11 Tf 16 TL 56 745 Td"]
    strokes += [f"({escape(line)}) Tj T*" for line in lines]
    stream = "\n".join([*strokes, "ET"]).encode("cp1252")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    body_end = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, body_end)
    return bytes(body)


def escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def capture(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """A colour secondary capture: the exam in a few words."""
    rows, columns = (120, 160) if small else (480, 640)
    picture = Image.new("RGB", (columns, rows), (16, 32, 44))
    draw = ImageDraw.Draw(picture)
    large, normal = ImageFont.load_default(size=rows // 16), ImageFont.load_default(size=rows // 26)
    draw.text((columns // 16, rows // 10), f"{MARK} - Archipel", font=large, fill=(255, 196, 84))
    lines = (visit.person.name.replace("^", " "), visit.person.id, visit.description, visit.on.isoformat(), visit.accession)
    for index, line in enumerate(lines):
        draw.text((columns // 16, rows // 4 + index * rows // 12), line, font=normal, fill=(222, 232, 240))
    ds = instance(visit, Series("sc", 31, "OT", "Capture d'écran", model="Phantom RIS", minutes=35), SecondaryCaptureImageStorage, 1)
    ds.ConversionType = "WSD"
    ds.ImageComments = MARK
    ds.PatientOrientation = ds.Laterality = ""
    ds.BurnedInAnnotation = "YES"
    set_pixels(ds, np.asarray(picture), bits_stored=8, photometric="RGB")
    yield part10(ds)
