/** What a file is, from its name and its first bytes. */
export type FileKind = "dicom" | "zip" | "document" | "ignored";

const DOCUMENT = /\.(pdf|jpe?g|png|mp4|m4v)$/i;
const ZIP = /\.zip$/i;
const SYSTEM = /(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini|DICOMDIR|\._[^/]*|__MACOSX\/.*|autorun\.inf)$/i;

export const HEAD_BYTES = 132;

const ascii = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.slice(from, to));

/** Null when the name says nothing: look at the first bytes. */
export function kindOfName(path: string): FileKind | null {
  if (SYSTEM.test(path)) return "ignored";
  if (ZIP.test(path)) return "zip";
  if (DOCUMENT.test(path)) return "document";
  return /\.(dcm|dicom|ima)$/i.test(path) ? "dicom" : null;
}

/** Whatever is not known is sent as DICOM: the platform says what it thinks of it. */
export function kindOfHead(head: Uint8Array): FileKind {
  if (ascii(head, 128, 132) === "DICM") return "dicom";
  if (ascii(head, 0, 4) === "%PDF" || ascii(head, 4, 8) === "ftyp") return "document";
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return "document";
  if (head[0] === 0x89 && ascii(head, 1, 4) === "PNG") return "document";
  if (ascii(head, 0, 4) === "PK\u0003\u0004") return "zip";
  return "dicom";
}
