"""GET /console/rules: every rule file, readable; and what its tests show, measured when somebody asks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from cds.authoring.reference.diagram import drawn
from cds.authoring.reference.rule_page import FILE, DiagramNode, RulePage
from cds.errors import NoPageError
from cds.locale.sentence import say
from cds.web.console.background import BackgroundReader
from cds.web.console.layout import Console, console_route
from cds.web.console.urls import HOME
from cds.web.console.users import Role

RULES = f"{HOME}/rules"
# As the counts of a measurement have them.
TITLES = (say("answers claimed"), say("clauses"), say("sides of limits"), say("cards"), say("notes"))


def rule_routes(console: Console) -> APIRouter:
    """The pages of the rule files."""
    shelf = BackgroundReader()
    router = APIRouter(route_class=console_route(console.pages), lifespan=shelf.open)

    @router.get(RULES)
    async def files(request: Request) -> Response:
        tenant_rules = console.tenant_rules(request)
        folder, version = console.deployment.folders[tenant_rules.tenant], tenant_rules.rules.program.version
        read = await shelf.sheets(folder, version)
        folders: defaultdict[str, list[RulePage]] = defaultdict(list)
        for sheet in read.files:
            folders[str(PurePosixPath(sheet.file).parent)].append(sheet)
        values = {
            "read": read,
            "live": version,
            "by_folder": dict(sorted(folders.items())),
            "today": console.deployment.clock(),
            "measuring": shelf.measuring(folder, version),
        }
        return console.page(request, "console/rules.html", values)

    @router.get(f"{RULES}/{{name}}")
    async def file(request: Request, name: str) -> Response:
        tenant_rules = console.tenant_rules(request)
        folder, version = console.deployment.folders[tenant_rules.tenant], tenant_rules.rules.program.version
        read = await shelf.sheets(folder, version)
        sheet = next((one for one in read.files if one.id == name), None)
        if sheet is None:
            raise NoPageError(say("There is no such rule file"), fix=say("{page} lists them", page=RULES))
        measuring = shelf.measuring(folder, version)
        measured = (
            measuring.result.files.get(PurePosixPath(sheet.file).name) if measuring and measuring.result else None
        )
        values = {
            "attributes": tenant_rules.rules.program.attributes.get(name),
            "sheet": sheet,
            "read": read,
            "live": version,
            "today": console.deployment.clock(),
            "diagram": drawn(sheet.nodes, sheet.links),
            "reads": _reads(sheet),
            "measuring": measuring,
            "measured": measured,
            "titles": TITLES,
        }
        return console.page(request, "console/rule-file.html", values)

    @router.post(f"{RULES}/{{name}}/coverage", dependencies=[Depends(console.needs(Role.STEWARD))])
    async def measure(request: Request, name: str) -> Response:
        tenant_rules = console.tenant_rules(request)
        shelf.measure(console.deployment.folders[tenant_rules.tenant], tenant_rules.rules.program.version)
        return RedirectResponse(f"{console.address(request, f'{RULES}/{name}')}#coverage", status_code=303)

    return router


def _reads(sheet: RulePage) -> list[tuple[DiagramNode, list[DiagramNode]]]:
    """What each node of the file itself reads; nodes that read nothing are left out."""
    nodes = {node.id: node for node in sheet.nodes}
    reads: defaultdict[str, list[DiagramNode]] = defaultdict(list)
    for read, reader in sheet.links:
        reads[reader].append(nodes[read])
    return [(node, reads[node.id]) for node in sheet.nodes if node.kind != FILE and reads[node.id]]
