"""The common types of files, and how the names of such files end. Pure.

A table of our own, from IANA's registry and the public mime-db: what a provider accepts must not
depend on the machine's MIME table.
"""

_COMMON = """
application/gzip gz
application/javascript js
application/json json map
application/msword doc dot
application/pdf pdf
application/pgp-signature asc sig
application/postscript ai eps ps
application/rtf rtf
application/vnd.apple.pkpass pkpass
application/vnd.ms-excel xls xlm xla xlc xlt xlw
application/vnd.ms-outlook msg
application/vnd.ms-powerpoint ppt pps pot
application/vnd.oasis.opendocument.presentation odp
application/vnd.oasis.opendocument.spreadsheet ods
application/vnd.oasis.opendocument.text odt
application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
application/vnd.rar rar
application/x-7z-compressed 7z
application/x-bzip2 bz2
application/x-tar tar
application/xml xml xsl xsd
application/zip zip
audio/mp4 m4a mp4a
audio/mpeg mp3 mpga mp2 mp2a m2a m3a
audio/ogg ogg oga spx opus
audio/wav wav
audio/x-wav wav
image/avif avif
image/bmp bmp
image/gif gif
image/heic heic
image/jpeg jpg jpeg jpe
image/png png
image/svg+xml svg svgz
image/tiff tif tiff
image/vnd.microsoft.icon ico
image/webp webp
image/x-icon ico
message/rfc822 eml mime
text/calendar ics ifb
text/css css
text/csv csv
text/html html htm shtml
text/javascript js mjs
text/markdown md markdown
text/plain txt text conf def list log in ini
text/rtf rtf
text/tab-separated-values tsv
text/vcard vcf vcard
text/x-vcard vcf
text/xml xml
text/yaml yaml yml
video/mp4 mp4 mp4v mpg4
video/mpeg mpeg mpg mpe m1v m2v
video/quicktime mov qt
video/webm webm
"""

ENDINGS: dict[str, tuple[str, ...]] = {
    kind: tuple(endings) for kind, *endings in map(str.split, _COMMON.strip().splitlines())
}
"""The endings of the files of a type, without the dot, the usual one first."""

TYPES: dict[str, tuple[str, ...]] = {
    ending: tuple(kind for kind, endings in ENDINGS.items() if ending in endings)
    for ending in {ending for endings in ENDINGS.values() for ending in endings}
}
"""The types of the files with an ending."""


def ending_of(filename: str) -> str:
    """What stands behind the last dot, in lower case; empty where there is no dot."""
    return filename.rpartition(".")[2].strip().lower() if "." in filename else ""
