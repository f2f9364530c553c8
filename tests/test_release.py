"""What a release is made of: hash-locked requirements, wheel, sdist, and the list of what is in them."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cds import __version__

ROOT = Path(__file__).parents[1]
HASHED = (ROOT / "deploy" / "requirements.txt").read_text(encoding="utf-8")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", re.MULTILINE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    return {normal(name): version for name, version in PIN.findall(text)}


def test_each_requirement_of_the_image_is_the_locked_version_with_its_hashes() -> None:
    locked = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    elsewhere = {"colorama", "tzdata"}  # what only Windows needs is not in an environment the suite was run with

    for requirement in re.split(r"^(?=[A-Za-z])", HASHED, flags=re.MULTILINE)[1:]:
        (name,) = pins(requirement)
        assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", requirement)) >= 1, name
        assert name in elsewhere or pins(requirement)[name] == locked[name], name


def test_the_image_has_what_the_package_asks_for() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"]]
    extras = re.findall(r"'thirdline\[([a-z,]+)\]'", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    for extra in extras[0].split(","):
        asked += project["optional-dependencies"][extra]

    assert {normal(re.split(r"[\[<>=; ]", one)[0]) for one in asked} <= pins(HASHED).keys()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("cyclonedx_py") is None or find_spec("uv") is None, reason="needs the extra deploy")
def test_a_release_lists_what_is_in_it(tmp_path: Path) -> None:
    subprocess.run(["scripts/release", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    made = {path.name for path in tmp_path.iterdir()}
    wheel, sdist = f"thirdline-{__version__}-py3-none-any.whl", f"thirdline-{__version__}.tar.gz"

    assert made == {wheel, sdist, "thirdline.cdx.json", "SHA256SUMS"}
    for line in (tmp_path / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    bill = json.loads((tmp_path / "thirdline.cdx.json").read_text())
    assert bill["metadata"]["component"]["version"] == __version__
    assert {normal(one["name"]): one["version"] for one in bill["components"]} == pins(HASHED)
    assert all(one["externalReferences"][0]["hashes"] for one in bill["components"])
    with zipfile.ZipFile(tmp_path / wheel) as opened:
        assert any(name.endswith("licenses/NOTICE") for name in opened.namelist())
    with tarfile.open(tmp_path / sdist) as opened:
        assert {f"thirdline-{__version__}/{name}" for name in ("NOTICE", "LICENSE", "deploy/requirements.txt")} <= set(
            opened.getnames()
        )


def test_one_version_is_told_everywhere() -> None:
    """`pip install` again after the version was raised: the installed package knows its own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    heads = re.findall(r"^## (\S+)(?: - (\S+))?$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [(version, day) for version, day in heads if version != "Unreleased"]
    chart = (ROOT / "deploy" / "helm" / "thirdline" / "Chart.yaml").read_text(encoding="utf-8")
    safety = (ROOT / "SAFETY.md").read_text(encoding="utf-8")

    assert released[0][0] == project == __version__
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for _, day in released)
    assert set(re.findall(r'^(?:version|appVersion): "?([0-9.]+)"?$', chart, re.MULTILINE)) == {project}
    assert re.search(rf"^version: {re.escape(project)}$", safety, re.MULTILINE)
