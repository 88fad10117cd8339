"""Tables of types that carry other types, that are text, or that have no signature."""

from collections.abc import Mapping

ISO_MEDIA = frozenset({"video/mp4", "video/x-m4v", "video/quicktime", "video/3gpp", "video/3gpp2", "audio/mp4"})
_HEIF = frozenset({"image/heic", "image/heif", "image/avif"})
_MATROSKA = frozenset({"video/webm", "video/x-matroska"})
_OGG = frozenset({"audio/ogg", "video/ogg"})
_ASF = frozenset({"video/x-ms-asf", "video/x-ms-wmv", "audio/x-ms-wma"})
_REAL = frozenset({"application/vnd.rn-realmedia", "audio/x-pn-realaudio"})
_MPEG = frozenset({"video/mpeg", "video/mp2t"})
# An ID3 tag, which is recognized as audio/mpeg unless the sound behind it is seen, may precede sound of any type.
_ID3 = frozenset({"audio/mpeg"})
# Images and audio may be compressed (wmz, vgz) or zipped (OpenRaster).
WRAPPERS = frozenset({"application/gzip", "application/zip"})
ZIPPED = frozenset({"application/epub+zip", "application/java-archive", "application/x-cbz"})

# The other types as which files of a type may be recognized. Containers hold audio, video and images alike (ISO/IEC
# 14496-12, Matroska, Ogg, ASF), and people name their kinds after each other.
CARRIED_BY: Mapping[str, frozenset[str]] = {
    # The icon of a site is often a renamed image, and browsers show it.
    "image/x-icon": frozenset({"image/x-cursor", "image/png", "image/gif", "image/jpeg", "image/bmp"}),
    "image/tiff": frozenset({"image/x-canon-cr2"}),
    "image/x-canon-cr2": frozenset({"image/tiff"}),
    "image/heic": frozenset({"image/heif"}),
    "image/heif": _HEIF,
    "image/openraster": frozenset({"application/zip"}),
    "image/x-portable-anymap": frozenset(
        {"image/x-portable-bitmap", "image/x-portable-graymap", "image/x-portable-pixmap"}
    ),
    "audio/mpeg": ISO_MEDIA | {"audio/aac"},  # Android declares .m4a as audio/mpeg
    "audio/aac": _ID3 | ISO_MEDIA,
    "audio/ac3": _ID3 | {"audio/eac3"},
    "audio/mp4": ISO_MEDIA,
    "audio/3gpp": ISO_MEDIA,
    "audio/3gpp2": ISO_MEDIA,
    "audio/amr": frozenset({"audio/amr-wb"}),
    "audio/flac": _ID3 | {"audio/ogg"},
    "audio/wav": _ID3,
    "audio/aiff": _ID3,
    "audio/x-ape": _ID3,
    "audio/x-tta": _ID3,
    "audio/x-dsf": _ID3,
    "audio/x-wavpack": _ID3,
    "audio/x-pn-realaudio": _REAL,
    "audio/vnd.rn-realaudio": _REAL,
    "audio/ogg": _OGG,
    "audio/speex": _OGG,
    "audio/opus": _MATROSKA | _OGG,
    "audio/webm": _MATROSKA,
    "audio/x-matroska": _MATROSKA,
    "audio/x-ms-wma": _ASF,
    "video/mp4": ISO_MEDIA,
    "video/x-m4v": ISO_MEDIA,
    "video/quicktime": ISO_MEDIA,
    "video/3gpp": ISO_MEDIA,
    "video/3gpp2": ISO_MEDIA,
    "video/webm": _MATROSKA,
    "video/x-matroska": _MATROSKA,
    "video/ogg": _OGG,
    "video/mpeg": _MPEG | {"audio/mpeg"},
    "video/mp2t": _MPEG,
    "video/x-ms-wmv": _ASF,
    "video/x-ms-asf": _ASF,
    "video/x-flv": ISO_MEDIA,
    "video/vnd.rn-realvideo": _REAL,
    "video/x-pn-realvideo": _REAL,
    "video/mxf": frozenset({"application/mxf"}),
    "video/x-motion-jpeg": frozenset({"image/jpeg"}),
}

# Types that a signature cannot tell apart, although the name of a file may.
REFINED_BY: Mapping[str, frozenset[str]] = {
    "application/x-ole-storage": frozenset(
        {
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.ms-outlook",
        }
    ),
    "image/tiff": frozenset({"image/x-adobe-dng", "image/x-nikon-nef", "image/x-sony-arw"}),
    "image/heif": frozenset({"image/heic"}),
    "audio/ogg": frozenset({"audio/opus", "video/ogg"}),
    "video/mp4": frozenset({"audio/mp4"}),
    "video/webm": frozenset({"audio/webm"}),
    "video/x-matroska": frozenset({"audio/x-matroska"}),
    "video/x-ms-asf": frozenset({"audio/x-ms-wma", "video/x-ms-wmv"}),
}

# Pictures and playlists that are text, or may be.
TEXTUAL = frozenset(
    {
        "image/fits",
        "image/x-portable-anymap",
        "image/x-portable-arbitrarymap",
        "image/x-portable-bitmap",
        "image/x-portable-graymap",
        "image/x-portable-pixmap",
        "image/x-xbitmap",
        "image/x-xpixmap",
        "audio/x-mpegurl",
        "audio/x-pn-realaudio",  # .ram
        "audio/x-scpls",
    }
)
# Types whose files may begin with something that no signature covers, such as the middle of a stream.
UNSIGNED = frozenset(
    {
        "audio/basic",
        "audio/mpeg",
        "audio/aac",
        "audio/ac3",
        "audio/eac3",
        "audio/vnd.dts",
        "audio/x-mod",
        "image/vnd.dwg",
        "image/vnd.radiance",
        "image/x-tga",
        "image/x-portable-anymap",
        "video/mp2t",
        "video/mpeg",
        "video/x-fli",
    }
)
