"""
Fuzz one target for so many seconds, guided by what code is reached, from the corpus that was kept.

Run: .venv/bin/python -m tests.fuzz.run request --seconds 300 [--keep]

A fault ends it with 1: the input that shows it is written to .fuzz/ and printed. With --keep, what reached new code is
merged into tests/fuzz/corpus/ and the smallest inputs are kept, to be committed.
Needs atheris (pip install '.[fuzz]'); says so and ends with 77 without it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path(".fuzz")
NOT_HERE = 77
MOST_FILES, MOST_BYTES = 60, 8_192  # of the corpus of a target, and of one input in it
SLOWEST = 20  # seconds for one input
INSTRUMENTED = ["cds.read_request", "cds.record", "cds.facts", "cds.terminology", "cds.yaml_source", "cds.rulebook"]


def fuzz(name: str, arguments: list[str]) -> None:
    """The fuzzer itself; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz import targets

    targets.TARGETS[name](b"")  # rules are read before anything is timed
    atheris.Setup([sys.argv[0], *arguments], targets.TARGETS[name])
    atheris.Fuzz()


def child(name: str, *arguments: str) -> int:
    """A run of the fuzzer in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzz.run", name, "--child", *arguments]
    return subprocess.run(command, check=False).returncode


def keep_smallest(name: str, found: Path) -> int:
    """Put the smallest inputs that together reach what all reach in place of the corpus; how many they are."""
    from coverage import Coverage

    from tests.fuzz.targets import TARGETS

    TARGETS[name](b"")  # what is read once is reached by none
    measured = Coverage(data_file=None, branch=True, source=["cds"], config_file=False)
    reached: set[tuple[str, tuple[int, int]]] = set()
    kept: list[bytes] = []
    inputs = {path.read_bytes() for folder in (CORPUS / name, found) for path in folder.iterdir()}
    for data in sorted((one for one in inputs if len(one) <= MOST_BYTES), key=lambda one: (len(one), one)):
        with measured.collect():
            TARGETS[name](data)
        arcs = measured.get_data()
        here = {(file, arc) for file in arcs.measured_files() for arc in arcs.arcs(file) or ()}
        measured.erase()
        if here - reached and len(kept) < MOST_FILES:
            reached |= here
            kept.append(data)
    for path in (CORPUS / name).iterdir():
        path.unlink()
    for data in kept:
        (CORPUS / name / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return len(kept)


def main() -> int:
    """Fuzz as asked."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("target", choices=sorted(path.name for path in CORPUS.iterdir()))
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--keep", action="store_true")
    arguments.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    wanted, rest = arguments.parse_known_args()
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("atheris is not installed here (pip install '.[fuzz]'; Linux): nothing is fuzzed")
        return NOT_HERE
    if wanted.child:
        fuzz(wanted.target, rest)
        return 0
    os.environ.setdefault("CDS_JOURNAL", "none")
    FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as found:
        ended = child(
            wanted.target,
            f"-max_total_time={wanted.seconds}", f"-timeout={SLOWEST}", "-rss_limit_mb=2500", "-max_len=20000",
            f"-artifact_prefix={FOUND}/{wanted.target}-", "-print_final_stats=1", found, str(CORPUS / wanted.target),
        )  # fmt: skip
        if ended == 0 and wanted.keep:
            print(f"{wanted.target}: {keep_smallest(wanted.target, Path(found))} inputs are kept")
    return 1 if ended else 0


if __name__ == "__main__":
    sys.exit(main())
