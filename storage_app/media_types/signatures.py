"""Tables of signatures: the bytes with which files of a type begin. The types have the names of `tables.ALIASES`.

Sources: the specifications, the MIME Sniffing Standard, section 6, and libmagic for what no standard names.
"""

from collections.abc import Mapping

# Text has few signatures. Many binary ones are also words ("BM", "GIF", "MZ"): a letter about a BMW is no bitmap.
TEXT_SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
    (b"/* XPM */", "image/x-xpixmap"),
    (b"SIMPLE  =", "image/fits"),
)

# At the first byte. The first that matches counts.
PREFIXES: tuple[tuple[bytes, str], ...] = (
    # Pictures
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff\xf7", "image/jls"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00\x10\x00\x00\x00CR", "image/x-canon-cr2"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),  # BigTIFF
    (b"MM\x00+", "image/tiff"),
    (b"IIRO", "image/x-olympus-orf"),
    (b"IIRS", "image/x-olympus-orf"),
    (b"MMOR", "image/x-olympus-orf"),
    (b"IIU\x00", "image/x-panasonic-rw2"),
    (b"FUJIFILMCCD-RAW", "image/x-fuji-raf"),
    (b"FOVb", "image/x-sigma-x3f"),
    (b"\x00MRM", "image/x-minolta-mrw"),
    (b"II\xbc", "image/jxr"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\xff\x4f\xff\x51", "image/j2c"),
    (b"gimp xcf", "image/x-xcf"),
    (b"DDS ", "image/x-dds"),
    (b"\x76\x2f\x31\x01", "image/x-exr"),
    (b"#?RADIANCE\n", "image/vnd.radiance"),
    (b"#?RGBE\n", "image/vnd.radiance"),
    (b"qoif", "image/x-qoi"),
    (b"FLIF", "image/flif"),
    (b"BPG\xfb", "image/bpg"),
    (b"icns", "image/x-icns"),
    (b"SIMPLE  =", "image/fits"),
    (b"SDPX", "image/x-dpx"),
    (b"XPDS", "image/x-dpx"),
    (b"\xd7\xcd\xc6\x9a", "image/wmf"),
    (b"\x01\x00\x09\x00\x00\x01", "image/wmf"),
    (b"\x01\x00\x09\x00\x00\x03", "image/wmf"),
    (b"\x02\x00\x09\x00\x00\x03", "image/wmf"),
    (b"\xc5\xd0\xd3\xc6", "image/x-eps"),  # with a preview for Windows
    (b"AC10", "image/vnd.dwg"),
    (b"\xabKTX 11\xbb\r\n\x1a\n", "image/ktx"),
    (b"\xabKTX 20\xbb\r\n\x1a\n", "image/ktx2"),
    (b"\x8bJNG\r\n\x1a\n", "image/x-jng"),
    (b"\x59\xa6\x6a\x95", "image/x-sun-raster"),
    (b"\x01\xda\x00\x01", "image/x-sgi"),
    (b"\x01\xda\x01\x01", "image/x-sgi"),
    (b"\x01\xda\x00\x02", "image/x-sgi"),
    (b"\x01\xda\x01\x02", "image/x-sgi"),
    # Sound
    (b"fLaC", "audio/flac"),
    (b"MThd", "audio/midi"),
    (b"#!AMR-WB", "audio/amr-wb"),
    (b"#!AMR", "audio/amr"),
    (b"ADIF", "audio/aac"),
    (b".snd", "audio/basic"),
    (b"riff\x2e\x91\xcf\x11", "audio/x-w64"),
    (b"MAC ", "audio/x-ape"),
    (b"wvpk", "audio/x-wavpack"),
    (b"TTA1", "audio/x-tta"),
    (b"MPCK", "audio/x-musepack"),
    (b"MP+", "audio/x-musepack"),
    (b"caff", "audio/x-caf"),
    (b"DSD ", "audio/x-dsf"),
    (b"FRM8", "audio/x-dff"),
    (b"\x7f\xfe\x80\x01", "audio/vnd.dts"),
    (b".ra\xfd", "audio/x-pn-realaudio"),
    (b"Creative Voice File", "audio/x-voc"),
    (b"Extended Module:", "audio/x-mod"),
    (b"IMPM", "audio/x-mod"),
    # Films
    (b"FLV\x01", "video/x-flv"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"\x00\x00\x01\xb3", "video/mpeg"),
    (b"\x8aMNG\r\n\x1a\n", "video/x-mng"),
    (b"DKIF", "video/x-ivf"),
    (b"YUV4MPEG2 ", "video/x-yuv4mpeg"),
    (b"NSVf", "video/x-nsv"),
    (b"BIKi", "video/x-bink"),
    (b".RMF", "application/vnd.rn-realmedia"),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "application/mxf"),
    (b"FWS", "application/x-shockwave-flash"),
    (b"CWS", "application/x-shockwave-flash"),
    (b"ZWS", "application/x-shockwave-flash"),
    # Documents
    (b"%!PS", "application/postscript"),
    (b"\x04%!PS", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (b"glTF", "model/gltf-binary"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    # Archives
    (b"PK\x05\x06", "application/zip"),
    (b"PK\x07\x08", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\x04\x22\x4d\x18", "application/x-lz4"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"LZIP", "application/x-lzip"),
    (b"\x89LZO\x00\r\n\x1a\n", "application/x-lzop"),
    (b"\x1f\x9d", "application/x-compress"),
    (b"\x1f\xa0", "application/x-compress"),
    (b"MSCF", "application/vnd.ms-cab-compressed"),
    (b"!<arch>\ndebian-binary", "application/vnd.debian.binary-package"),
    (b"!<arch>", "application/x-unix-archive"),
    (b"\xed\xab\xee\xdb", "application/x-rpm"),
    # Programs and fonts
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"\x00asm", "application/wasm"),
    (b"dex\n", "application/x-android-dex"),
    (b"Cr24", "application/x-google-chrome-extension"),
    (b"NES\x1a", "application/x-nintendo-nes-rom"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x00\x01\x00\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
)

# Later in the file.
INFIXES: tuple[tuple[int, bytes, str], ...] = (
    (34, b"LP", "application/vnd.ms-fontobject"),
    (40, b" EMF", "image/emf"),
    (44, b"SCRM", "audio/x-mod"),
    (60, b"BOOKMOBI", "application/x-mobipocket-ebook"),
    (128, b"DICM", "application/dicom"),
    (257, b"ustar", "application/x-tar"),
    (1080, b"M.K.", "audio/x-mod"),
)

# The brands of the first box (ISO/IEC 14496-12 section 4.3; mp4ra.org lists them), which may be several.
BRANDS: Mapping[bytes, str] = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "image/heic"),
    b"crx ": "image/x-canon-cr3",
    b"qt  ": "video/quicktime",
    b"mqt ": "video/quicktime",
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "), "audio/mp4"),
    **dict.fromkeys((b"M4V ", b"M4VH", b"M4VP"), "video/x-m4v"),
    **dict.fromkeys((b"3g2a", b"3g2b", b"3g2c", b"KDDI"), "video/3gpp2"),
}
# These say no more than that the file holds pictures. Other brands beside them may.
IMAGE_BRANDS = frozenset({b"mif1", b"mif2", b"msf1", b"miaf", b"heif"})
# Boxes with which a file or a segment of one may begin instead (QuickTime File Format; ISO/IEC 23009-1).
QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"junk", b"PICT", b"udta"})
SEGMENT_BOXES = frozenset({b"styp", b"moof", b"sidx", b"emsg", b"prft", b"uuid", b"mfra", b"pdin"})

# The kinds of a JPEG 2000 file (ISO/IEC 15444-1 annex I), a RIFF and an IFF file.
JPEG_2000: Mapping[bytes, str] = {b"mjp2": "video/mj2"}
RIFF: Mapping[bytes, str] = {
    b"WAVE": "audio/wav",
    b"AVI ": "video/x-msvideo",
    b"AVIX": "video/x-msvideo",
    b"WEBP": "image/webp",
    b"RMID": "audio/midi",
    b"QLCM": "audio/qcelp",
    b"sfbk": "audio/x-sfbk",
    b"RDIB": "image/bmp",
    b"AMV ": "video/x-amv",
    b"ACON": "application/x-navi-animation",
}
IFF: Mapping[bytes, str] = {
    b"AIFF": "audio/aiff",
    b"AIFC": "audio/aiff",
    b"8SVX": "audio/x-8svx",
    b"ILBM": "image/x-ilbm",
    b"PBM ": "image/x-ilbm",
}

# Names of files in a zip by which its type is known, and streams in a compound file ([MS-CFB]).
ZIPPED_NAMES: Mapping[bytes, str] = {
    b"word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    b"ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    b"visio/": "application/vnd.ms-visio.drawing.main+xml",
    b"AndroidManifest.xml": "application/vnd.android.package-archive",
    b"META-INF/MANIFEST.MF": "application/java-archive",
    b"doc.kml": "application/vnd.google-earth.kmz",
}
COMPOUND_STREAMS: Mapping[str, str] = {
    "WordDocument": "application/msword",
    "Workbook": "application/vnd.ms-excel",
    "PowerPoint Document": "application/vnd.ms-powerpoint",
    "__properties_version1.0": "application/vnd.ms-outlook",
}

PORTABLE_ANYMAPS: Mapping[bytes, str] = {
    b"1": "image/x-portable-bitmap",
    b"2": "image/x-portable-graymap",
    b"3": "image/x-portable-pixmap",
    b"4": "image/x-portable-bitmap",
    b"5": "image/x-portable-graymap",
    b"6": "image/x-portable-pixmap",
    b"7": "image/x-portable-arbitrarymap",
}

# Every type that is recognized. The last ones have no row above.
RECOGNIZED = frozenset(
    {
        *(kind for _, kind in (*PREFIXES, *TEXT_SIGNATURES)),
        *(kind for *_, kind in INFIXES),
        *(kind for table in (BRANDS, JPEG_2000, RIFF, IFF, ZIPPED_NAMES, PORTABLE_ANYMAPS) for kind in table.values()),
        *COMPOUND_STREAMS.values(),
        *(
            "image/heif",
            "image/jp2",
            "image/openraster",
            "image/x-icon",
            "image/x-cursor",
            "image/vnd.zbrush.pcx",
            "image/vnd.djvu",
        ),
        *("audio/mpeg", "audio/aac", "audio/ac3", "audio/eac3", "audio/ogg", "audio/x-ms-wma"),
        *("video/mp4", "video/3gpp", "video/ogg", "video/webm", "video/x-matroska", "video/mp2t", "video/x-fli"),
        *("video/x-ms-asf", "video/x-ms-wmv", "application/zip", "application/x-ole-storage", "application/pdf"),
    }
)
