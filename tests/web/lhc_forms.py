"""LHC-Forms, a public renderer of FHIR Questionnaires by the US National Library of Medicine, in a page of Chromium."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

PACKAGE = "lforms@40.1.3"
SHA512 = "WLruTm+BcVnafC0rSAQ3/cNqhxvclBUxyBG68aub/uha2NaK9H8ZZcEXTTuORuGzzCt0wa7fvhuieZtcDIdPzQ=="
SCRIPTS = ("webcomponent/assets/lib/zone.min.js", "webcomponent/lhc-forms.js", "fhir/R4/lformsFHIR.min.js")
RENDER = "form => LForms.Util.addFormToPage(LForms.Util.convertFHIRQuestionnaireToLForms(form, 'R4'), 'form')"


def fetched(folder: Path) -> Path | None:
    """The renderer's files as they were published, put into a folder; None where there is no npm or no registry."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    command = [npm, "pack", PACKAGE, "--ignore-scripts", "--silent"]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=300).returncode:
        return None
    (packed,) = folder.glob("*.tgz")
    if base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode() != SHA512:
        raise ValueError(f"{packed.name} is not what was published as {PACKAGE}")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "dist" / "lforms"


def show(page: Page, renderer: Path, questionnaire: Any) -> None:
    """Render a Questionnaire (R4) in a page, and wait for its first field."""
    page.set_content('<!doctype html><html lang="en"><body><div id="form"></div></body></html>')
    page.add_style_tag(path=renderer / "webcomponent" / "styles.css")
    for script in SCRIPTS:
        page.add_script_tag(path=renderer / script, type="module" if "lhc-forms" in script else "")
    page.wait_for_function("window.LForms && LForms.Util && LForms.FHIR")
    page.evaluate(RENDER, questionnaire)
    page.locator("#form input").first.wait_for()
