"""Multipart forms, part by part, so that each part can be wrong."""

END = b"--cut--\r\n"
FORM = ("Content-Type", "multipart/form-data; boundary=cut")


def part(name: str | None = "file", filename: str | None = "a.txt", content: bytes = b"abc", header: str = "") -> bytes:
    named = "" if name is None else f'; name="{name}"'
    if filename is not None:
        named += f'; filename="{filename}"'
    return f"--cut\r\nContent-Disposition: form-data{named}\r\n{header}\r\n".encode() + content + b"\r\n"


def field(name: str, value: str | bytes) -> bytes:
    return part(name, None, value.encode() if isinstance(value, str) else value)
