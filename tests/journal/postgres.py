"""A real PostgreSQL server of our own, in a folder of its own, for as long as a test session lasts."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.watcher import if_we_die

NOT_ROOT = "nobody"  # initdb refuses to run as root
END = 'kill -QUIT "$(head -n 1 "$0/data/postmaster.pid")"; sleep 1; rm -rf "$0"'


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl: on PATH, or where Debian puts them; None if no server is installed."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    return next((initdb.parent for initdb in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)


@contextmanager
def running() -> Iterator[str]:
    """The folder of a server that is up; it ends, and the folder goes, when we do."""
    user = _user()
    # Not below pytest's own folders: another user may not enter those.
    home = Path(tempfile.mkdtemp(prefix="cds-postgres-"))
    if user:
        account = pwd.getpwnam(user)
        os.chown(home, account.pw_uid, account.pw_gid)

    data = str(home / "data")
    _run(home, "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username=journal", "-D", data)
    start(home)
    with if_we_die("sh", "-c", END, str(home)):
        try:
            yield str(home)
        finally:
            _run(home, "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
            shutil.rmtree(home)


def start(home: Path) -> None:
    """Start the server of a folder, again where it was killed; with a socket in the folder and no port."""
    options = f"-c listen_addresses= -c fsync=off -k {home}"
    _run(home, "pg_ctl", "-D", str(home / "data"), "-w", "-l", str(home / "log"), "-o", options, "start")


def _run(home: Path, program: str, *arguments: str) -> None:
    where = binaries()
    assert where is not None
    subprocess.run([where / program, *arguments], check=True, user=_user(), cwd=home, stdout=subprocess.DEVNULL)


def _user() -> str | None:
    return NOT_ROOT if os.geteuid() == 0 else None


def address(folder: str, database: str = "postgres") -> str:
    """Of a database of the server whose socket is in this folder."""
    return f"postgresql://journal@/{database}?host={folder}"
