"""Correction: what to write instead, as a sentence that a program can act on as well."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

SHORT = 6  # letters below which one slip of the pen is all that a word may have
NAMES_ALIKE, LETTERS_ALIKE = 70, 60  # per cent from which a name is worth asking for


class Correction(str):
    """
    A sentence for the author, with the words in it that a program may put in place.

    Attributes:
        written: What is in the file now: a key, a value, or a word of a text.
        instead: What to put there.
    """

    __slots__ = ("instead", "written")
    written: str
    instead: str

    def __new__(cls, sentence: str, written: str, instead: str) -> Correction:
        """The sentence, with both words kept beside it."""
        made = super().__new__(cls, sentence)
        made.written, made.instead = written, instead
        return made

    def __getnewargs__(self) -> tuple[str, str, str]:  # type: ignore[override]
        """What pickle makes it of again: problems may travel between processes."""
        return str(self), self.written, self.instead


def did_you_mean(word: object, names: Iterable[object], otherwise: str, *, by_letter: bool = False) -> str:
    """
    "Did you mean `…?`" with the name that is most like a word, or what to do when no name is like it.

    Never the word itself: where it is known and still wrong, asking for it helps no author. A Correction where exactly
    one name is a slip of the pen away.

    Args:
        by_letter: Compare letter by letter, for short words such as keys; names are also alike by their parts.
    """
    written = str(word)
    others = [str(name) for name in names]
    close = nearest(word, others, by_letter=by_letter)
    if not close:
        return otherwise
    also = [one for one in others if by_letter and one not in (close, written) and _plain(written) in _plain(one)]
    if also:  # `sets` may be `set` or `valuesets`
        return f"Did you mean `{close}` or `{also[0]}`?"
    sentence = f"Did you mean `{close}`?"
    return Correction(sentence, written, close) if close == _one_slip_away(written, others) else sentence


def nearest(word: object, names: Iterable[object], *, by_letter: bool = False) -> str:
    """The name most like a word and another than it; "" when none is like it."""
    others = sorted({str(name) for name in names} - {str(word)})
    if one := _one_slip_away(str(word), others):
        return one
    scorer, alike = (fuzz.ratio, LETTERS_ALIKE) if by_letter else (fuzz.WRatio, NAMES_ALIKE)
    found = process.extractOne(str(word), others, scorer=scorer, score_cutoff=alike)
    return found[0] if found else ""


def _one_slip_away(word: str, names: list[str]) -> str:
    """The only name with as many letters wrong as a slip of the pen has; "" for none and for several."""
    slips = 1 if len(word) < SHORT else 2
    near = [name for name in {*names} - {word} if OSA.distance(_plain(word), _plain(name), score_cutoff=slips) <= slips]
    return near[0] if len(near) == 1 and len(word) > slips else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
