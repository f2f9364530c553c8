"""What a test run started ends with it, even when the run is killed and can clean up nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def if_we_die(*command: str) -> Iterator[None]:
    """Has a command run by another process if this one ends before the block is left: its pipe closes then."""
    watcher = subprocess.Popen(
        ["sh", "-c", 'cat > /dev/null; exec "$@"', "watcher", *command],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us
    )
    try:
        yield
    finally:
        watcher.kill()
        watcher.communicate()
