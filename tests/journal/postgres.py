"""A real PostgreSQL server of our own, in a folder of its own, for as long as a test session lasts."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOT_ROOT = "nobody"  # initdb refuses to run as root


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl: on PATH, or where Debian puts them; None if no server is installed."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    return next((initdb.parent for initdb in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)


@contextmanager
def running() -> Iterator[str]:
    """The address of a server that is up (postgresql://…), its database named postgres."""
    where = binaries()
    assert where is not None
    user = NOT_ROOT if os.geteuid() == 0 else None
    # Not below pytest's own folders: another user may not enter those.
    home = Path(tempfile.mkdtemp(prefix="cds-postgres-"))
    if user:
        account = pwd.getpwnam(user)
        os.chown(home, account.pw_uid, account.pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        subprocess.run([where / program, *arguments], check=True, user=user, cwd=home, stdout=subprocess.DEVNULL)

    data = str(home / "data")
    run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username=journal", "-D", data)
    options = f"-c listen_addresses=127.0.0.1 -c fsync=off -p {port} -k {home}"
    run("pg_ctl", "-D", data, "-w", "-l", str(home / "log"), "-o", options, "start")
    try:
        yield f"postgresql://journal@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)
