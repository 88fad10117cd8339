"""Tables of content types: extensions, aliases, and the types as which files of another may be recognized."""

import mimetypes
from collections.abc import Mapping

# The table that is built into `mimetypes`, without those of the machine's /etc, and the entries that it lacks.
BY_EXTENSION: Mapping[str, str] = mimetypes.MimeTypes(filenames=()).types_map[True] | {
    f".{extension}": content_type
    for content_type, extensions in {
        "image/webp": "webp",
        "image/avif": "avif",
        "image/heic": "heic",
        "image/heif": "heif",
        "image/jxl": "jxl",
        "image/jpeg": "jfif",
        "image/jp2": "jp2",
        "image/x-tga": "tga",
        "image/vnd.djvu": "djvu djv",
        "image/x-icns": "icns",
        "image/vnd.zbrush.pcx": "pcx",
        "image/x-eps": "epsf epsi",
        "audio/ac3": "ac3",
        "video/mp2t": "ts m2ts mts",
        "application/gpx+xml": "gpx",
        "application/vnd.google-earth.kml+xml": "kml",
        "application/vnd.google-earth.kmz": "kmz",
        "model/gltf+json": "gltf",
        "model/gltf-binary": "glb",
        "model/obj": "obj",
        "image/vnd.adobe.photoshop": "psd",
        "image/x-adobe-dng": "dng",
        "image/x-nikon-nef": "nef",
        "image/x-canon-cr3": "cr3",
        "image/x-sony-arw": "arw",
        "audio/aac": "aac",
        "audio/aiff": "aif aiff",
        "audio/amr": "amr",
        "audio/flac": "flac",
        "audio/midi": "mid midi",
        "audio/mp4": "m4a m4b",
        "audio/ogg": "oga ogg",
        "audio/opus": "opus",
        "audio/wav": "wav",
        "audio/webm": "weba",
        "audio/x-matroska": "mka",
        "audio/x-ms-wma": "wma",
        "video/3gpp": "3gp",
        "video/3gpp2": "3g2",
        "video/ogg": "ogv",
        "video/x-flv": "flv",
        "video/x-m4v": "m4v",
        "video/x-matroska": "mkv",
        "video/x-ms-wmv": "wmv",
        "text/calendar": "ics",
        "text/javascript": "js mjs",
        "text/markdown": "md markdown",
        "text/plain": "log",
        "text/vcard": "vcf",
        "font/otf": "otf",
        "font/ttf": "ttf",
        "font/woff": "woff",
        "font/woff2": "woff2",
        "application/epub+zip": "epub",
        "application/geo+json": "geojson",
        "application/gzip": "gz tgz",
        "application/java-archive": "jar",
        "application/rtf": "rtf",
        "application/vnd.android.package-archive": "apk",
        "application/vnd.ms-fontobject": "eot",
        "application/vnd.oasis.opendocument.presentation": "odp",
        "application/vnd.oasis.opendocument.spreadsheet": "ods",
        "application/vnd.oasis.opendocument.text": "odt",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.rar": "rar",
        "application/x-7z-compressed": "7z",
        "application/x-bzip2": "bz2",
        "application/x-cbz": "cbz",
        "application/x-xz": "xz",
        "application/xhtml+xml": "xhtml",
        "application/yaml": "yaml yml",
        "application/zstd": "zst",
    }.items()
    for extension in extensions.split()
}

ISO_MEDIA = frozenset({"video/mp4", "video/x-m4v", "video/quicktime", "video/3gpp", "video/3gpp2", "audio/mp4"})
_HEIF = frozenset({"image/heic", "image/heif", "image/avif"})
_MATROSKA = frozenset({"video/webm", "video/x-matroska"})
_OGG = frozenset({"audio/ogg", "video/ogg"})
_ASF = frozenset({"video/x-ms-asf", "video/x-ms-wmv", "audio/x-ms-wma"})
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
    "video/x-motion-jpeg": frozenset({"image/jpeg"}),
}

# What a signature cannot tell apart, and the name of a file may.
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
        "image/x-tga",
        "image/x-portable-anymap",
        "video/mp2t",
        "video/mpeg",
    }
)

# The types that clients send if nobody chose one: browsers and S3 for unknown bytes, with the other names of that (some
# are in the MIME Sniffing Standard, section 7), and curl, urllib and Android, which call every body a form.
UNDECLARED = frozenset(
    {
        "application/octet-stream",
        "binary/octet-stream",
        "application/x-octet-stream",
        "application/binary",
        "application/x-binary",
        "application/unknown",
        "application/x-unknown",
        "unknown/unknown",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    }
)

ALIASES: Mapping[str, str] = {
    alias: kind
    for kind, aliases in {
        "image/png": "image/x-png image/apng image/vnd.mozilla.apng",
        "image/jpeg": "image/jpg image/pjpeg image/jfif image/x-jpeg image/x-jpg",
        "image/bmp": "image/x-bmp image/x-ms-bmp image/x-windows-bmp",
        "image/x-icon": "image/vnd.microsoft.icon image/ico image/icon",
        "image/tiff": "image/tif image/x-tiff image/x-tif",
        "image/vnd.adobe.photoshop": "image/photoshop image/x-photoshop image/psd image/x-psd",
        "image/jp2": "image/jpx image/jpm image/jpeg2000 image/jpeg2000-image image/x-jpeg2000-image",
        "image/jxr": "image/vnd.ms-photo",
        "image/j2c": "image/x-jp2-codestream image/j2k",
        "image/wmf": "image/x-wmf application/x-msmetafile",
        "image/emf": "image/x-emf",
        "image/vnd.zbrush.pcx": "image/x-pcx image/pcx image/vc.x-pcx",
        "image/x-tga": "image/tga image/x-targa image/targa image/x-icb",
        "image/x-xpixmap": "image/x-xpm image/x-xpmi image/xpm",
        "image/x-xbitmap": "image/x-xbm image/xbm",
        "image/x-icns": "image/icns",
        "image/x-xcf": "image/xcf",
        "image/x-dds": "image/vnd.ms-dds image/dds",
        "image/x-exr": "image/aces image/exr",
        "image/vnd.radiance": "image/hdr image/x-hdr",
        "image/x-qoi": "image/qoi",
        "image/x-sgi": "image/sgi image/x-rgb",
        "image/vnd.dwg": "image/x-dwg application/acad application/x-acad",
        "image/x-adobe-dng": "image/dng",
        "image/heic": "image/heic-sequence",
        "image/heif": "image/heif-sequence",
        "audio/mpeg": "audio/mp3 audio/mpeg3 audio/mpg audio/x-mp3 audio/x-mpeg audio/x-mpeg-3 audio/mpa audio/mp2",
        "audio/aac": "audio/x-aac audio/aacp audio/x-hx-aac-adts audio/vnd.dlna.adts",
        "audio/mp4": "audio/m4a audio/x-m4a audio/m4b audio/x-m4b audio/mp4a-latm audio/x-mp4",
        "audio/flac": "audio/x-flac",
        "audio/wav": "audio/x-wav audio/wave audio/x-pn-wav audio/vnd.wave",
        "audio/aiff": "audio/x-aiff audio/aif audio/x-aifc",
        "audio/midi": "audio/mid audio/x-midi audio/x-mid",
        "audio/ogg": "audio/x-ogg audio/vorbis audio/x-vorbis audio/x-vorbis+ogg audio/x-opus+ogg",
        "audio/x-ms-wma": "audio/wma",
        "video/mp4": "video/x-mp4",
        "video/x-m4v": "video/m4v",
        "video/quicktime": "video/mov video/x-quicktime",
        "video/3gpp": "video/3gp",
        "video/3gpp2": "video/3gp2",
        "video/x-matroska": "video/matroska video/mkv video/x-mkv",
        "video/ogg": "video/x-ogg video/theora video/x-theora+ogg",
        "video/mpeg": "video/mpg video/x-mpeg video/x-mpg",
        "video/x-msvideo": "video/avi video/msvideo video/vnd.avi",
        "video/x-ms-wmv": "video/wmv",
        "video/x-flv": "video/flv video/x-f4v",
        "image/x-portable-graymap": "image/x-portable-greymap",
        "application/x-msdownload": "application/vnd.microsoft.portable-executable application/x-dosexec",
        "video/x-fli": "video/fli video/flc video/x-flc",
        "video/mj2": "video/mjp2",
        "audio/x-ape": "audio/ape",
        "audio/x-musepack": "audio/musepack audio/x-mpc",
        "audio/x-wavpack": "audio/wavpack",
        "audio/x-caf": "audio/caf",
        "audio/basic": "audio/au audio/x-au audio/snd",
        "audio/x-mpegurl": "audio/mpegurl",
        "audio/amr-wb": "audio/x-amr-wb",
        "audio/x-mod": "audio/mod audio/x-s3m audio/x-xm audio/x-it audio/xm audio/s3m audio/it",
        "video/x-motion-jpeg": "video/x-mjpeg video/mjpeg",
        "image/svg+xml": "image/svg",
        "image/x-eps": "image/eps application/eps application/x-eps",
        "image/vnd.djvu": "image/x-djvu image/djvu",
        "audio/ac3": "audio/vnd.dolby.dd-raw audio/x-ac3",
        "video/mp2t": "video/vnd.dlna.mpeg-tts video/x-mpegts",
        "application/pdf": "application/x-pdf image/pdf",
        "application/postscript": "application/x-postscript",
        "application/rtf": "text/rtf application/x-rtf",
        "application/json": "text/json application/x-json",
        "application/xml": "text/xml",
        "application/yaml": "application/x-yaml text/yaml text/x-yaml",
        "text/csv": "text/x-csv application/csv application/x-csv text/comma-separated-values",
        "text/javascript": "application/javascript application/x-javascript text/ecmascript application/ecmascript",
        "text/markdown": "text/x-markdown",
        "text/vcard": "text/x-vcard text/directory",
        "font/woff": "application/font-woff application/x-font-woff",
        "font/woff2": "application/font-woff2 application/x-font-woff2",
        "font/ttf": "application/x-font-ttf application/x-font-truetype",
        "font/otf": "application/x-font-otf application/x-font-opentype application/vnd.ms-opentype",
        "application/zip": "application/x-zip-compressed application/x-zip",
        "application/gzip": "application/x-gzip application/x-gunzip",
        "application/x-bzip2": "application/bzip2",
        "application/x-7z-compressed": "application/7z application/x-7zip",
        "application/x-tar": "application/tar",
        "application/vnd.rar": "application/x-rar-compressed application/x-rar application/rar",
        "application/zstd": "application/x-zstd",
        "application/vnd.sqlite3": "application/x-sqlite3",
        "application/java-archive": "application/x-java-archive",
    }.items()
    for alias in aliases.split()
}
