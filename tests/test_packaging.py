"""The Dockerfile as far as it can be checked without an engine, and the wheel it installs."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
BUILD, FINAL = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]


def test_the_final_image_has_no_compiler_and_does_not_run_as_root() -> None:
    assert "gcc" in BUILD
    assert "gcc" not in FINAL
    assert "apt-get" not in FINAL
    assert re.search(r"^USER [1-9]\d*$", FINAL, re.MULTILINE)
    assert "HEALTHCHECK" in FINAL
    assert DOCKERFILE.count("ARG PYTHON_IMAGE=python:3.12-slim\n") == 1
    assert BUILD.startswith("${PYTHON_IMAGE} AS build") and FINAL.startswith("${PYTHON_IMAGE}\n")
    assert FINAL.count("org.opencontainers.image.") >= 6


def test_the_image_keeps_its_journal_on_a_volume_of_its_own_user() -> None:
    assert "CDS_JOURNAL=/var/lib/thirdline/journal.sqlite3" in FINAL
    made, owned = FINAL.index("install -d -m 0700 -o cds -g cds /var/lib/thirdline"), FINAL.index("useradd")
    assert owned < made < FINAL.index("USER 10001") < FINAL.index("VOLUME /var/lib/thirdline")


def test_everything_the_image_copies_is_here_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source.removeprefix('./')}" in ignored


def test_the_wheel_holds_the_code_the_types_and_the_rules(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("thirdline-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {"cds/py.typed", "cds/cli/main.py", "cds/_rules/depression/treatment-resistant-depression.yaml"} <= names
    assert {"cds/journal/migrations/env.py", "cds/journal/migrations/versions/0001_first.py"} <= names
    assert "cds/authoring/testing/templates/coverage.html" in names
    assert {"cds/web/templates/console/frame.html", "cds/web/static/console.js"} <= names
    assert {"cds/_examples/01-two-failed-trials/request.json", "cds/_examples/today.txt"} <= names
    assert not any(name.startswith("tests/") for name in names)


def test_the_lock_pins_every_dependency_exactly() -> None:
    pins = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]
    pinned = {re.split(r"==", pin)[0].lower().replace("_", "-") for pin in pins}
    text = (ROOT / "pyproject.toml").read_text()
    needed = set(re.findall(r'^    "([a-zA-Z.-]+)(?:\[[a-z]+\])?[>=]', text, re.MULTILINE))

    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][^ ;]*( *; .+)?", pin) for pin in pins)
    assert {name.lower() for name in needed} <= pinned
