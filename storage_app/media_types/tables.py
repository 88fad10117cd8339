"""Tables of content types: extensions, signatures, current names, aliases, and the containers that carry a type."""

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

TEXT_SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
)

# Current names in place of those that the library returns, by the library's extension.
MODERN: Mapping[str, str] = {
    "apng": "image/png",
    "jpx": "image/jp2",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "aiff": "audio/aiff",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "rar": "application/vnd.rar",
    "sqlite": "application/vnd.sqlite3",
    "deb": "application/vnd.debian.binary-package",
}
ISO_MEDIA = frozenset({"video/mp4", "video/x-m4v", "video/quicktime", "video/3gpp", "audio/mp4"})
MATROSKA = frozenset({"video/webm", "video/x-matroska"})
# An ID3 tag, which is recognized as audio/mpeg, may precede audio of any type.
ID3 = frozenset({"audio/mpeg"})
# Images and audio may be compressed (wmz, vgz) or zipped (OpenRaster).
WRAPPERS = frozenset({"application/gzip", "application/zip"})
ZIPPED = frozenset({"application/epub+zip", "application/java-archive", "application/x-cbz"})

# The types as which files of a type may be recognized. Containers hold audio, video and images alike (ISO/IEC
# 14496-12, Matroska, Ogg, ASF). All of these types are binary.
CARRIED_BY: Mapping[str, frozenset[str]] = {
    "image/bmp": frozenset({"image/bmp"}),
    # The icon of a site is often a renamed image, and browsers show it.
    "image/x-icon": frozenset({"image/x-icon", "image/png", "image/gif", "image/jpeg", "image/bmp"}),
    "image/tiff": frozenset({"image/tiff", "image/x-canon-cr2"}),
    "image/x-canon-cr2": frozenset({"image/tiff", "image/x-canon-cr2"}),
    "image/vnd.adobe.photoshop": frozenset({"image/vnd.adobe.photoshop"}),
    "image/jp2": frozenset({"image/jp2"}),
    "image/heic": ISO_MEDIA | {"image/heic"},
    "image/heif": ISO_MEDIA | {"image/heic", "image/avif"},
    "audio/mpeg": ID3 | ISO_MEDIA | {"audio/aac"},  # Android declares .m4a as audio/mpeg
    "audio/aac": ID3 | ISO_MEDIA | {"audio/aac"},
    "audio/mp4": ISO_MEDIA,
    "audio/flac": ID3 | {"audio/flac", "audio/ogg"},
    "audio/wav": ID3 | {"audio/wav"},
    "audio/aiff": ID3 | {"audio/aiff"},
    "audio/midi": frozenset({"audio/midi"}),
    "audio/amr": frozenset({"audio/amr"}),
    "audio/ogg": frozenset({"audio/ogg"}),
    "audio/opus": MATROSKA | {"audio/ogg"},
    "audio/webm": MATROSKA,
    "audio/x-matroska": MATROSKA,
    "audio/x-ms-wma": frozenset({"video/x-ms-wmv"}),
    "video/mp4": ISO_MEDIA,
    "video/x-m4v": ISO_MEDIA,
    "video/quicktime": ISO_MEDIA,
    "video/3gpp": ISO_MEDIA,
    "video/3gpp2": ISO_MEDIA,
    "video/webm": MATROSKA,
    "video/x-matroska": MATROSKA,
    "video/ogg": frozenset({"audio/ogg"}),
    "video/mpeg": frozenset({"video/mpeg", "audio/mpeg"}),
    "video/x-msvideo": frozenset({"video/x-msvideo"}),
    "video/x-ms-wmv": frozenset({"video/x-ms-wmv"}),
    "video/x-ms-asf": frozenset({"video/x-ms-wmv"}),
    "video/x-flv": ISO_MEDIA | {"video/x-flv"},
    "video/x-motion-jpeg": frozenset({"image/jpeg"}),
}

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
        "image/heic": "image/heic-sequence",
        "image/heif": "image/heif-sequence",
        "audio/mpeg": "audio/mp3 audio/mpeg3 audio/mpg audio/x-mp3 audio/x-mpeg audio/x-mpeg-3 audio/mpa audio/mp2",
        "audio/aac": "audio/x-aac audio/aacp audio/x-hx-aac-adts audio/vnd.dlna.adts",
        "audio/mp4": "audio/m4a audio/x-m4a audio/m4b audio/x-m4b audio/mp4a-latm audio/x-mp4",
        "audio/flac": "audio/x-flac",
        "audio/wav": "audio/x-wav audio/wave audio/x-pn-wav audio/vnd.wave",
        "audio/aiff": "audio/x-aiff audio/aif audio/x-aifc",
        "audio/midi": "audio/mid audio/x-midi audio/x-mid",
        "audio/ogg": "audio/x-ogg audio/vorbis audio/x-vorbis audio/x-vorbis+ogg audio/speex audio/x-opus+ogg",
        "audio/x-ms-wma": "audio/wma",
        "video/mp4": "video/x-mp4",
        "video/x-m4v": "video/m4v",
        "video/quicktime": "video/mov video/x-quicktime",
        "video/3gpp": "audio/3gpp video/3gp",
        "video/3gpp2": "audio/3gpp2 video/3gp2",
        "video/x-matroska": "video/matroska video/mkv video/x-mkv",
        "video/ogg": "video/x-ogg video/theora video/x-theora+ogg",
        "video/mpeg": "video/mpg video/x-mpeg video/x-mpg",
        "video/x-msvideo": "video/avi video/msvideo video/vnd.avi",
        "video/x-ms-wmv": "video/wmv",
        "video/x-flv": "video/flv video/x-f4v",
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
