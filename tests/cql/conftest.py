from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cql.written import HERE


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine's packages, as the lock file names them; where there is no npm, or no registry, the tests skip."""
    if installed := os.environ.get("CQL_MODULES"):
        return Path(installed)
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("cql")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"],
        cwd=folder, capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("npm could not install the engine")
    return folder / "node_modules"
