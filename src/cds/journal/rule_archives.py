"""Files of rule sets in the journal, kept with the inputs that were decided by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sqlalchemy import Connection, Delete, select

from cds.journal.store import Store
from cds.journal.tables import inputs, receipts, rule_archives
from cds.rulebook.archive import packed_rules
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.yaml_source.source_file import RecordedFiles

Archives = Mapping[str, bytes]  # version of a rule set → its packed files


def read_to_hold(folder: Path, hold: Callable[[str, bytes], None] | None) -> tuple[Rulebook, Callable[[], None]]:
    """
    The rulebook of a folder, and what holds its files once its rules are in force, to the byte as they were read.

    `hold` takes a version and its packed files; None where no files are kept.
    """
    if hold is None:
        return read_rulebook(folder), lambda: None
    files = RecordedFiles()
    book = read_rulebook(folder, files)
    return book, lambda: hold(book.digest[:12], packed_rules(book, files))


def keep_archives(connection: Connection, store: Store, versions: Iterable[str], held: Archives) -> None:
    """Write down the files of these versions, of those that are held and not there yet."""
    wanted = held.keys() & set(versions)
    if not wanted:
        return
    known = rule_archives.c.version
    there = set(connection.execute(select(known).where(known.in_(wanted))).scalars())
    rows = [{"version": version, "body": held[version]} for version in sorted(wanted - there)]
    if rows:
        connection.execute(store.insert_new(rule_archives), rows)


def kept_archive(store: Store, version: str) -> bytes | None:
    """
    The packed files of a version; None where they are not kept.

    Raises:
        StoreDownError: The journal cannot be read.
    """
    with store.reading() as connection:
        query = select(rule_archives.c.body).where(rule_archives.c.version == version)
        body = connection.execute(query).scalar_one_or_none()
    return None if body is None else bytes(body)


def without_inputs() -> Delete:
    """What removes the files that no kept input was decided by."""
    used = select(receipts.c.rules).join(inputs, inputs.c.receipt == receipts.c.id)
    return rule_archives.delete().where(rule_archives.c.version.not_in(used))
