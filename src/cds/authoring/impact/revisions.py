"""A git revision → the rules folder as it was then."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from cds.errors import CdsError


class RevisionNotFoundError(CdsError):
    """There is no such folder or revision; the message says what was tried."""


def folder_of(named: str, rules: Path, into: Path) -> Path:
    """
    The folder a name stands for: itself, or the rules folder of a git revision, unpacked under `into`.

    Raises:
        RevisionNotFoundError: It is neither.
    """
    if Path(named).is_dir():
        return Path(named)
    top = Path(_git(rules, "rev-parse", "--show-toplevel").decode().strip())
    inside = rules.resolve().relative_to(top.resolve()).as_posix()
    if named.startswith("-"):
        raise RevisionNotFoundError(f"{named} is neither a folder nor a git revision")
    try:
        packed = _git(top, "archive", "--format=tar", named, inside)
    except RevisionNotFoundError:
        raise RevisionNotFoundError(f"{named} is neither a folder nor a git revision that holds {inside}") from None
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into, filter="data")
    return into / inside


def _git(where: Path, *arguments: str) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise RevisionNotFoundError("git is not installed; name two folders")
    done = subprocess.run([git, "-C", str(where), *arguments], capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise RevisionNotFoundError(f"{where} is in no git repository")
    return done.stdout
