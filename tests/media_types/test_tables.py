"""The tables of content types agree with each other."""

import mimetypes
import subprocess
import sys
from pathlib import Path

from storage_app.media_types import UNKNOWN


def test_names_mean_the_same_on_every_machine(tmp_path: Path) -> None:
    (tmp_path / "mime.types").write_text("image/png txt\nvideo/mp4 xyzzy\n")
    program = (
        f"import mimetypes; mimetypes.init([{str(tmp_path / 'mime.types')!r}]); "
        "assert mimetypes.guess_type('a.xyzzy')[0] == 'video/mp4'; "
        "from storage_app.media_types import decide; "
        "print(decide(None, b'', 'a.txt').content_type, decide(None, b'', 'a.xyzzy').content_type)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["text/plain", UNKNOWN]
    assert mimetypes.guess_type("a.xyzzy")[0] is None
