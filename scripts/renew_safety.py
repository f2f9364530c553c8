"""
Write the pages of docs/safety that follow from other files: the hazard log and the list of other people's software.

`docs/safety/hazards/` holds one file for each hazard; `requirements.lock` and the metadata of the installed packages
say which software of others (SOUP) is used, in which version, under which license, and for what.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SAFETY = ROOT / "docs" / "safety"
HAZARDS = SAFETY / "hazards"
LOG = SAFETY / "hazard-log.md"
SOUP = SAFETY / "soup.md"
KINDS = {"tests": "test", "cases": "rule case", "mutants": "mutants of"}
BEFORE_LOG = """# Hazard log

`make examples` writes this page from one file for each hazard in `docs/safety/hazards/`; a test holds it true.
The build fails when the test, rule case or mutant that a control names is gone.
The scales are those of DCB0129, as [safety-case.md](safety-case.md#scales) quotes them.
**The ratings are the developers' draft.** No clinical safety officer has reviewed them.

"""
HEAD = ("| id | hazard | severity | likelihood | after controls | status |\n", "|---|---|---|---|---|---|\n")
BEFORE_SOUP = """# Software of unknown provenance

`make examples` writes this page from `requirements.lock` and the packages' own metadata; a test holds it true.
"Shipped" is what the package needs to run; an extra is installed only where it is asked for.
"Development" never reaches a hospital.
What each direct dependency is for, and why this one: [dependencies.md](../developers/dependencies.md).

Not listed, since an operating system or image brings them: Python itself, libc, SQLite, OpenSSL,
and (where chosen) PostgreSQL and the reverse proxy.

"""


@dataclass(frozen=True)
class Package:
    """
    One package of the lock.

    Attributes:
        role: "shipped", "extra NAME" or "development".
        license: As its metadata say; "not stated" where they do not.
    """

    name: str
    version: str
    role: str
    license: str
    summary: str


def hazards(folder: Path = HAZARDS) -> list[dict[str, Any]]:
    """Every hazard, in the order of its number."""
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))]


def hazard_log() -> str:
    """The page of all hazards."""
    found = hazards()
    lines = [BEFORE_LOG, *HEAD]
    for one in found:
        after = one["after_controls"]
        anchor = f"{one['id']}-{one['title']}".lower()
        anchor = re.sub(r"[^a-z0-9 -]", "", anchor).replace(" ", "-")
        lines.append(
            f"| [{one['id']}](#{anchor}) | {one['title']} | {one['severity']} | {one['likelihood']}"
            f" | {after['severity']}, {after['likelihood']} | {one.get('status', 'open')} |\n"
        )
    for one in found:
        lines.append(f"\n## {one['id']} {one['title']}\n\n")
        lines.append(f"- **Cause.** {one['cause'].strip()}\n- **Effect.** {one['effect'].strip()}\n")
        lines.append(f"- **Harm.** {one['harm'].strip()}\n- **Left to the site.** {one['site'].strip()}\n\n")
        lines.append("| control | held by |\n|---|---|\n")
        for control in one["controls"]:
            held = [f"{word} {_quoted(kind, name)}" for kind, word in KINDS.items() for name in control.get(kind, ())]
            lines.append(f"| {control['what']} | {'; '.join(held)} |\n")
    return "".join(lines)


def _quoted(kind: str, name: str) -> str:
    return f"“{name}”" if kind == "cases" else f"`{name}`"


def packages() -> list[Package]:
    """Every package of the lock, shipped ones first."""
    roles = _roles()
    order = {"shipped": 0, "development": 2}
    found = []
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        pin = re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", line)
        if pin is None:
            continue
        name, version = pin[1], pin[2]
        try:
            about: Any = distribution(name).metadata
        except PackageNotFoundError:
            about = Message()  # an extra that is not installed here: only its name and version are known
        role = roles.get(canonicalize_name(name), "development")
        found.append(Package(name, version, role, _license(about), about.get("Summary", "")))
    return sorted(found, key=lambda one: (order.get(one.role, 1), one.role, one.name.lower()))


def _roles() -> dict[str, str]:
    """Package → why it is installed; what two roles share has the first."""
    ours = [Requirement(text) for text in requires("thirdline") or ()]
    left = {"all", "test", "dev", "docs", "deploy"}  # what others name, and what developers need
    extras = sorted({match[1] for one in ours if (match := re.search(r"extra == ['\"]([\w-]+)", str(one.marker)))})
    roles: dict[str, str] = {}
    for extra in ["", *(name for name in extras if name not in left)]:
        role = f"extra {extra}" if extra else "shipped"
        wanted = [one for one in ours if one.marker is None or one.marker.evaluate({"extra": extra})]
        while wanted:
            one = wanted.pop()
            name = canonicalize_name(one.name)
            if name in roles and not one.extras:
                continue
            roles.setdefault(name, role)
            for text in _requires(name):
                below = Requirement(text)
                if any(below.marker is None or below.marker.evaluate({"extra": e}) for e in (one.extras or {""})):
                    wanted.append(below)
    return roles


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def _license(about: Any) -> str:
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    named = [line.rsplit(" :: ", 1)[-1] for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    text = "; ".join(dict.fromkeys(named)) or str(about.get("License") or "")
    return text.splitlines()[0][:60] if text.strip() else "not stated"


def soup() -> str:
    """The page of other people's software."""
    lines = [BEFORE_SOUP, "| package | version | role | license | what it is |\n", "|---|---|---|---|---|\n"]
    lines += [
        f"| {one.name} | {one.version} | {one.role} | {one.license} | {one.summary.replace('|', '/').strip()} |\n"
        for one in packages()
    ]
    return "".join(lines)


def main() -> None:
    """Write both pages."""
    LOG.write_text(hazard_log(), encoding="utf-8")
    SOUP.write_text(soup(), encoding="utf-8")


if __name__ == "__main__":
    main()
