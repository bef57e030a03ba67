/** Short names of transfer syntaxes (PS3.6 A-1); what the platform names already stays as it is. */
const NAMES: Record<string, string> = {
  "1.2.840.10008.1.2": "Implicit VR LE",
  "1.2.840.10008.1.2.1": "Explicit VR LE",
  "1.2.840.10008.1.2.1.99": "Deflated",
  "1.2.840.10008.1.2.2": "Explicit VR BE",
  "1.2.840.10008.1.2.4.50": "JPEG Baseline",
  "1.2.840.10008.1.2.4.51": "JPEG Extended",
  "1.2.840.10008.1.2.4.57": "JPEG Lossless",
  "1.2.840.10008.1.2.4.70": "JPEG Lossless SV1",
  "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless",
  "1.2.840.10008.1.2.4.81": "JPEG-LS",
  "1.2.840.10008.1.2.4.90": "JPEG 2000 Lossless",
  "1.2.840.10008.1.2.4.91": "JPEG 2000",
  "1.2.840.10008.1.2.4.100": "MPEG-2",
  "1.2.840.10008.1.2.4.102": "MPEG-4 H.264",
  "1.2.840.10008.1.2.4.201": "HTJ2K Lossless",
  "1.2.840.10008.1.2.4.202": "HTJ2K Lossless RPCL",
  "1.2.840.10008.1.2.4.203": "HTJ2K",
  "1.2.840.10008.1.2.5": "RLE Lossless",
};

export const syntaxName = (syntax: string): string => NAMES[syntax] ?? syntax;
