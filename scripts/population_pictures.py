"""Take the pictures of a population run on made-up patients that the documentation shows; needs Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
PAGE = ROOT / "docs" / "analysts" / "population-example.md"
WIDTH, HEIGHT = 1040, 900
PICTURES = {
    "population-report": ("report.html", "h1"),
    "population-chart-form": ("rows/review/charts/0001.html", "h1"),
    "population-validation": ("validation.html", "h1"),
    "population-subgroups": ("validation-inside.html", "h2:has-text('Subgroups')"),
    "population-accuracy": ("validation-inside.html", "h2:has-text('Accuracy')"),
}


def commands(page: Path) -> list[str]:
    """The lines of the blocks of a page that are to be run, in order."""
    blocks = page.read_text(encoding="utf-8").split("```sh\n")[1:]
    return [line for block in blocks for line in block.split("```")[0].splitlines() if line.strip()]


def run_page(page: Path, folder: Path, patients: int | None = None) -> None:
    """
    Run the commands of the page in a folder, with so many patients instead of those it names.

    Raises:
        CalledProcessError: One of them failed.
    """
    for name in ("scripts", "fhir_examples", "rules"):
        (folder / name).symlink_to(ROOT / name)
    lines = commands(page)
    if patients is not None:
        lines = [line.replace("--patients 1200", f"--patients {patients}") for line in lines]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    bash = shutil.which("bash") or "bash"
    script = "\n".join(["set -euo pipefail", *lines])
    subprocess.run([bash, "-c", script], cwd=folder, env=os.environ | {"PATH": path}, check=True)  # noqa: S603


def main() -> None:
    """Run the page in a temporary folder, and take the pictures of what it made."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        run_page(PAGE, folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (file, at) in PICTURES.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto((folder / file).as_uri())
            page.locator(at).first.evaluate("element => element.scrollIntoView()")
            page.screenshot(path=IMAGES / f"{name}.png")
            print(f"docs/images/{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
