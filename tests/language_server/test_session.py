"""`cds lsp` as an editor meets it: a real process, spoken to over standard input and output, on the shipped rules."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from cds.authoring.testing.cases import read_rule_tests
from cds.authoring.testing.check import with_cases
from cds.rulebook.loader import read_rulebook
from cds.ruleset import problems_of
from tests.language_server.editor import TODAY, Editor, copy_of_shipped, editing, labels, plain

pytestmark = [pytest.mark.slow, pytest.mark.processes]

CONTRAINDICATIONS = "ketamine/contraindications.yaml"
TRD = "depression/treatment-resistant-depression.yaml"
EVALUATION = "ketamine/evaluation.yaml"
CASES = "ketamine/contraindications.test.yaml"


Script = Callable[[Editor], Awaitable[None]]
Run = Callable[[Script], None]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[asyncio.AbstractEventLoop, Callable[[Path], Editor]]]:
    """One server for all sessions: an editor has one for all its folders."""
    loop = asyncio.new_event_loop()
    started = editing()
    yield loop, loop.run_until_complete(started.__aenter__())
    loop.run_until_complete(started.__aexit__(None, None, None))
    loop.close()


@pytest.fixture
def session(server: tuple[asyncio.AbstractEventLoop, Callable[[Path], Editor]], tmp_path: Path) -> Run:
    """A session in a copy of the shipped rules."""
    loop, start = server
    return lambda script: loop.run_until_complete(script(start(copy_of_shipped(tmp_path))))


def problems(folder: Path) -> list[str]:
    """What `cds check` says of a folder without deciding its cases."""
    book = read_rulebook(folder)
    rule_tests = read_rule_tests(folder, book)
    return [one.what for one in with_cases(problems_of(book, TODAY), book, rule_tests, TODAY)]


def test_mistakes_are_told_as_they_are_typed_and_a_quick_fix_mends_one(session: Run) -> None:
    async def script(editor: Editor) -> None:
        editor.open(CONTRAINDICATIONS)
        await editor.told(CONTRAINDICATIONS, None)

        editor.type(CONTRAINDICATIONS, "    any: [ketamine_allergy, ana", "    any: [ketamine_alergy, ana")
        found = await editor.told(CONTRAINDICATIONS, "unknown-name")

        (wrong,) = [one for one in found if one.code == "unknown-name"]
        assert "ketamine_alergy" in wrong.message
        assert wrong.code_description is not None and wrong.code_description.href.endswith("checks/unknown-name.md")
        row = editor.texts[editor.folder / CONTRAINDICATIONS].split("\n")[wrong.range.start.line]
        assert row[wrong.range.start.character : wrong.range.end.character] == "ketamine_alergy"

        actions = await editor.client.text_document_code_action_async(
            types.CodeActionParams(
                types.TextDocumentIdentifier(editor.uri(CONTRAINDICATIONS)), wrong.range, types.CodeActionContext(found)
            )
        )
        edits = {one.title: one.edit for one in actions or [] if isinstance(one, types.CodeAction)}
        offered = edits["Write ketamine_allergy for ketamine_alergy."]
        assert offered is not None and offered.changes is not None
        ((uri, (edit,)),) = offered.changes.items()
        assert uri == editor.uri(CONTRAINDICATIONS) and edit.new_text == "ketamine_allergy"
        editor.type(CONTRAINDICATIONS, "ketamine_alergy", edit.new_text)
        await editor.told(CONTRAINDICATIONS, None)

        # A text that is no YAML is said so at once; what other files say of it stays.
        editor.type(CONTRAINDICATIONS, "  title: Labeled contra", "  title: [Labeled contra")
        await editor.told(CONTRAINDICATIONS, "yaml-syntax")
        editor.type(CONTRAINDICATIONS, "  title: [Labeled contra", "  title: Labeled contra")
        await editor.told(CONTRAINDICATIONS, None)

        # A mistake in one file is told at another that needs it.
        editor.type(CONTRAINDICATIONS, "  ketamine_contraindicated:\n", "  ketamine_ruled_out:\n")
        assert "ketamine_contraindicated" in str(await editor.told(EVALUATION, "unknown-name"))

    session(script)


def test_what_belongs_at_a_cursor_is_offered(session: Run) -> None:
    async def script(editor: Editor) -> None:
        editor.open(CONTRAINDICATIONS)
        await editor.told(CONTRAINDICATIONS, None)

        cursor = editor.type(CONTRAINDICATIONS, "    coded: pre-eclampsia\n", "    coded: pre")
        sets = await editor.completed(CONTRAINDICATIONS, cursor)
        assert "pre-eclampsia" in labels(sets) and "ketamine_allergy" not in labels(sets)
        offered = next(one for one in sets if one.label == "pre-eclampsia")
        said = await editor.client.completion_item_resolve_async(offered)
        assert isinstance(said.documentation, types.MarkupContent) and "O14" in said.documentation.value
        editor.type(CONTRAINDICATIONS, "    coded: pre", "    coded: pre-eclampsia\n")

        window = "    look_back: pre_eclampsia_window\n"
        cursor = editor.type(CONTRAINDICATIONS, window, "    look_back: pre")
        durations = labels(await editor.completed(CONTRAINDICATIONS, cursor))
        assert "pre_eclampsia_window" in durations and "label_region" not in durations and "aneurysm" not in durations
        cursor = editor.type(CONTRAINDICATIONS, "    look_back: pre    undated: unknown\n", "    lo\n")
        cursor = types.Position(cursor.line - 1, len("    lo"))
        keys = labels(await editor.completed(CONTRAINDICATIONS, cursor))
        assert "look_back" in keys and "possibly_coded" in keys and "if_none_found" not in keys

        cursor = editor.type(
            CONTRAINDICATIONS, "any: [hypertensive_crisis, pre_eclampsia]", "any: [hypertensive_crisis, "
        )
        names = labels(await editor.completed(CONTRAINDICATIONS, cursor))
        assert {"pre_eclampsia", "ketamine_contraindicated", "not", "all"} <= set(names)
        assert "pressure_crisis_window" not in names
        assert "phq9" in names  # as the key of `phq9: {at_least: …}`, which may stand in a list

        cursor = editor.type(CONTRAINDICATIONS, "[hypertensive_crisis, ", "[{phq9: {at_least: ")
        limits = labels(await editor.completed(CONTRAINDICATIONS, cursor))
        assert "symptomatic_phq9" in limits and "label_region" not in limits

        editor.open("valuesets/ascites.yaml")
        cursor = editor.type("valuesets/ascites.yaml", '      "R18.8": "Other ascites"', "      K70.3")
        codes = await editor.completed("valuesets/ascites.yaml", cursor)
        assert 'K70.31: "Alcoholic cirrhosis of liver with ascites"' in [
            one.text_edit.new_text for one in codes if one.text_edit is not None
        ]

        editor.open(CASES)
        cursor = editor.type(
            CASES, "    then: {arteriovenous_malformation: true, ketamine_contraindicated: true", "    then: {arter"
        )
        claims = labels(await editor.completed(CASES, cursor))
        assert "does_not_show" in claims and "shows" not in claims  # the case has that one
        assert "arteriovenous_malformation" in claims

        editor.open(EVALUATION)
        cursor = editor.type(EVALUATION, "    detail: |\n      **First:**", "    detail: |\n      {{ why(")
        assert "ketamine_contraindicated" in labels(await editor.completed(EVALUATION, cursor))
        begun = "    detail: |\n      {{ "
        cursor = editor.type(EVALUATION, f"{begun}why(", f"{begun}failed_trials | one: # trial | ")
        assert labels(await editor.completed(EVALUATION, cursor)) == ["one", "other"]

    session(script)


def test_a_hover_says_what_a_name_stands_for(session: Run) -> None:
    async def script(editor: Editor) -> None:
        editor.open(CONTRAINDICATIONS)
        editor.open(TRD)
        editor.open(CASES)
        await editor.told(CASES, None)

        lenses = await editor.client.text_document_code_lens_async(  # answered once every case is read
            types.CodeLensParams(types.TextDocumentIdentifier(editor.uri(CONTRAINDICATIONS)))
        )
        conclusion = plain(await editor.hover(CONTRAINDICATIONS, "  ketamine_contra|indicated:\n"))
        assert "any of - Aneurysmal vascular disease, ever" in conclusion  # the words of the condition
        assert "Evidence (read by this project): SPRAVATO" in conclusion
        assert "[evaluation.yaml:" in conclusion and "Used in" in conclusion
        assert "case(s) claim something of it" in conclusion
        fact = plain(await editor.hover(CONTRAINDICATIONS, "      - intracerebral_hemor|rhage\n"))
        assert "find: condition" in fact and "status: any" in fact
        parameter = plain(await editor.hover(CONTRAINDICATIONS, "    look_back: pressure_crisis_w|indow"))
        assert "90 days" in parameter and "No site may set it" in parameter
        value_set = plain(await editor.hover(CONTRAINDICATIONS, "    coded: pre-ecl|ampsia\n"))
        assert "icd-10-cm" in value_set and "- O14 and below" in value_set
        cited = plain(await editor.hover(CONTRAINDICATIONS, "    evidence: [expected-eff|ects]"))
        assert "Evidence (not read by this project): Thirdline project decision" in cited
        assert "In aneurysmal-vascular-disease" in plain(
            await editor.hover(CASES, "code: I67|.1, status: resolved, abated")
        )
        key = plain(await editor.hover(CONTRAINDICATIONS, "  saf|ety: true"))
        assert "Patients may come to harm" in key

        row = editor.texts[editor.folder / CONTRAINDICATIONS].split("\n").index("  aneurysm:")
        (lens,) = [one for one in lenses or [] if one.range.start.line == row]
        assert lens.command is not None and int(lens.command.title.split()[0]) >= 6

    session(script)


def test_definitions_and_references_are_found_across_files(session: Run) -> None:
    async def script(editor: Editor) -> None:
        editor.open(EVALUATION)
        editor.open(CONTRAINDICATIONS)
        await editor.told(CONTRAINDICATIONS, None)

        found = await editor.client.text_document_definition_async(
            types.DefinitionParams(**editor.at(CONTRAINDICATIONS, "[eu_or_uk_label, cardiovascular_ev|ent]"))
        )
        assert isinstance(found, list)
        (there,) = found
        assert isinstance(there, types.Location)
        text = (editor.folder / there.uri.rpartition("/rules/")[2]).read_text()
        assert text.split("\n")[there.range.start.line].strip() == "cardiovascular_event:"

        (file,) = await editor.client.text_document_definition_async(
            types.DefinitionParams(**editor.at(CONTRAINDICATIONS, "    coded: pre-ecl|ampsia\n"))
        )  # type: ignore[misc]
        assert isinstance(file, types.Location) and file.uri == editor.uri("valuesets/pre-eclampsia.yaml")

        places = await editor.client.text_document_references_async(
            types.ReferenceParams(
                context=types.ReferenceContext(include_declaration=True),
                **editor.at(CONTRAINDICATIONS, "  ketamine_contra|indicated:\n"),
            )
        )
        files = {one.uri.rpartition("/rules/")[2] for one in places or []}
        assert {CONTRAINDICATIONS, CASES, EVALUATION} <= files
        for one in places or []:
            row = (editor.folder / one.uri.rpartition("/rules/")[2]).read_text().split("\n")[one.range.start.line]
            assert row[one.range.start.character : one.range.end.character] == "ketamine_contraindicated"

    session(script)


def test_what_is_renamed_leaves_a_folder_that_checks_clean(session: Run) -> None:
    async def script(editor: Editor) -> None:
        editor.open(CONTRAINDICATIONS)
        await editor.told(CONTRAINDICATIONS, None)
        before = problems(editor.folder)

        for around, new in (
            ("  pre_eclam|psia:\n", "eclampsia_or_before"),  # a fact
            ("  pressure_crisis_wi|ndow: {", "crisis_window"),  # a parameter
            ("    coded: hypertensive-cri|sis\n", "pressure-crisis"),  # a value set
            ("  ketamine_contra|indicated:\n", "ketamine_ruled_out"),  # a conclusion
        ):
            edit = await editor.client.text_document_rename_async(
                types.RenameParams(new_name=new, **editor.at(CONTRAINDICATIONS, around))
            )
            assert edit is not None
            editor.apply(edit)
            await reopened(editor)
        assert problems(editor.folder) == before
        text = (editor.folder / CONTRAINDICATIONS).read_text()
        assert "formerly: [pressure_crisis_window]" in text and "coded: pressure-crisis\n" in text
        assert not (editor.folder / "valuesets/hypertensive-crisis.yaml").exists()

        with pytest.raises(JsonRpcException, match="is taken"):
            await editor.client.text_document_rename_async(
                types.RenameParams(new_name="aneurysm", **editor.at(CONTRAINDICATIONS, "  hypertensive_cri|sis:\n"))
            )

    session(script)


async def reopened(editor: Editor) -> None:
    """The editor with the files as they are on disk now."""
    for path in list(editor.texts):
        file = path.relative_to(editor.folder).as_posix()
        editor.client.text_document_did_close(
            types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(editor.uri(file)))
        )
        editor.open(file)
