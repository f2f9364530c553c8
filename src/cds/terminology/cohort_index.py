"""What texts and concepts say, remembered from record to record: for a run over a population, and for no service."""

from __future__ import annotations

from typing import Any

from cds.terminology.index import RecordTerminologyIndex, TerminologyIndex
from cds.terminology.phrases import FoundPhrase

MOST_REMEMBERED = 20_000  # texts and concepts; some 18 MB
MOST_CHARACTERS = 5_000_000  # of all these texts: notes are long, and hardly one comes twice


class CohortTerminologyIndex(RecordTerminologyIndex):
    """
    An index for as long as one process reads many records: of the words of one, most come again with the next.

    What it remembers stays in the memory of its process, ends with it, and is forgotten whenever it is too much.
    """

    _characters: int

    def __init__(self, codes: TerminologyIndex) -> None:
        super().__init__(codes)
        self.__dict__["_characters"] = 0

    def for_one_record(self) -> RecordTerminologyIndex:
        """Itself, with what it remembers."""
        memories: tuple[dict[Any, Any], ...] = (
            self._readings, self._text_readings, self._coded, self._claimed_by, self._found, self._said
        )  # fmt: skip
        if self._characters > MOST_CHARACTERS or sum(map(len, memories)) > MOST_REMEMBERED:
            for memory in memories:
                memory.clear()
            self.__dict__["_characters"] = 0
        return self

    def _found_in(self, text: str) -> tuple[list[FoundPhrase], frozenset[int]]:
        if text not in self._found:
            self.__dict__["_characters"] += len(text)
        return super()._found_in(text)
