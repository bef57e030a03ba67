"""DICOM: knowledge of the standard that needs no database: headers, text, models, codecs, pixels, network codec.

Standards: PS3.5 (encoding), PS3.6 (dictionary), PS3.10 (files), PS3.18 F and PS3.19 A (models), PS3.7 and PS3.8 (messages).
Owns:      nothing; no tables, no I/O but temporary files and the sockets of its requestor
Offers:    modules: index header part10 text charset uids jsonmodel xmlmodel transcode pixels render wrap dicomdir pdu message scu
Emits:     -
Follows:   -
"""
