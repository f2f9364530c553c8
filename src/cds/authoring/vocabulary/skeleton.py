"""Terms that were not read → entries of a vocabulary.yaml, each still to be decided by a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from cds.authoring.vocabulary.proposals import MeaningProposal
from cds.authoring.vocabulary.unread import UnreadTerm

HEAD = """\
# yaml-language-server: $schema=../rules/vocabulary.schema.json
# Each `means` is to be decided: a value set, a list of them, or `other` for what no rule looks for.
vocabulary:
  because: "TODO: why these codes and texts mean what they mean"
  by: "TODO: who decided it"
  review: 2000-01-01
entries:
"""


def vocabulary_skeleton(found: Iterable[tuple[UnreadTerm, Sequence[MeaningProposal]]]) -> str:
    """A vocabulary.yaml that `cds check` refuses until each entry is decided."""
    return HEAD + "".join(_entry(term, proposals) for term, proposals in found)


def _entry(term: UnreadTerm, proposals: Sequence[MeaningProposal]) -> str:
    about = f"  # {term.kind.value}, {term.times} × in {term.patients} chart(s)\n"
    about += "".join(f"  # perhaps {one.key}: {one.value} (like {one.like}, {one.score} %)\n" for one in proposals)
    if term.code:
        said = f"code: {json.dumps(term.code)}, display: {_quoted(term.text or 'TODO: what it is')}"
    else:
        said = f"text: {_quoted(term.text)}"
    return f'{about}  - {{{said}, means: "TODO: decide"}}\n'


def _quoted(text: str) -> str:
    """A text in double quotes; JSON's are YAML's, too."""
    return json.dumps(text, ensure_ascii=False)
