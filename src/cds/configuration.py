"""
Options, environment, secrets folder and settings file → Settings, with where each comes from.

What is given twice counts as listed: an option before a variable, a variable before a secret, a secret before the file.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from rapidfuzz import process

from cds.errors import CdsError
from cds.settings import Settings

PREFIX = "CDS_"
FILE, SECRETS = "CDS_SETTINGS", "CDS_SECRETS_DIR"  # where other settings are; no settings themselves
RENAMED = {
    "max_depth": "max_json_depth",
    "most_bytes": "max_body_bytes",
    "at_once": "max_concurrency",
    "waiting": "queue_size",
    "most_seconds": "request_timeout",
}  # taken until version 0.4, with a line that says the new name
LARGEST_FILE = 65_536  # bytes of a settings file or secret
DEFAULT, OPTION, ENVIRONMENT = "default", "option", "environment"
PASSWORD = re.compile(r"(?<=://)([^:/@\s]+):[^@\s]+(?=@)")


class SettingsError(CdsError):
    """
    Settings nothing can be started with.

    Attributes:
        lines: One for each wrong one: which, where it is from, what kind is asked for.
    """

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class Configuration:
    """
    The settings in force.

    Attributes:
        origins: Field → where its value is from: "default", "option", "environment", or the path of a file.
        notices: A line for each setting that is given by a name of an earlier version.
    """

    settings: Settings
    origins: Mapping[str, str]
    notices: tuple[str, ...] = ()

    def shown(self) -> Iterator[tuple[str, str, str]]:
        """Variable, value and origin of every setting; a secret is "set" or "not set", never its value."""
        for name in Settings.model_fields:
            yield variable_of(name), _shown(getattr(self.settings, name)), self.origins[name]


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + name.upper()


def configure(options: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Configuration:
    """
    The settings in force; options that are None were not given.

    Raises:
        SettingsError: A value is of the wrong kind, a name is no setting, or a file cannot be read.
    """
    environ = os.environ if environment is None else environment
    given = _Given()
    _from_file(environ.get(FILE, ""), given)
    _from_secrets(environ.get(SECRETS, ""), given)
    variables = {key: text for key, text in environ.items() if key.startswith(PREFIX) and key not in (FILE, SECRETS)}
    for key, text in variables.items():
        if text:
            given.take(key.removeprefix(PREFIX).lower(), text, ENVIRONMENT, key)
    for name, value in (options or {}).items():
        if value is not None:
            given.take(name, value, OPTION, f"--{name.replace('_', '-')}")
    try:
        settings = Settings(**given.values)
    except ValidationError as error:
        given.wrong += [_line_of(one, given.origins) for one in error.errors()]
    if given.wrong:
        raise SettingsError(tuple(dict.fromkeys(given.wrong)))
    origins = {name: given.origins.get(name, DEFAULT) for name in Settings.model_fields}
    return Configuration(settings, origins, tuple(given.notices))


@dataclass
class _Given:
    """Values by field as they are collected, later ones in place of earlier ones."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def take(self, name: str, value: Any, origin: str, written: str) -> None:
        """A value under a field's name, or a former one, as `written` there."""
        if name in RENAMED:
            now = RENAMED[name]
            self.notices.append(
                f"{written} ({origin}) is now called {_like(written, now)}; the old name goes in version 0.4."
            )
            if self.origins.get(now) == origin:
                return  # the new name counts where both are given
            name = now
        if name not in Settings.model_fields:
            self.wrong.append(f"{written} ({origin}) is no setting.{_meant(written, name)}")
            return
        self.values[name], self.origins[name] = value, origin


def _like(written: str, name: str) -> str:
    return variable_of(name) if written.startswith(PREFIX) else name


def _meant(written: str, name: str) -> str:
    close = process.extractOne(name, list(Settings.model_fields), score_cutoff=70)
    return f" Did you mean {_like(written, close[0])}?" if close else " `cds config` lists those there are."


def _from_file(path: str, given: _Given) -> None:
    """A TOML file of `name = value`, names as those of the variables without CDS_, in lower case."""
    if not path:
        return
    text = _text_of(Path(path), FILE, given)
    if text is None:
        return
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        given.wrong.append(f"{FILE}: {path} is not TOML: {error}.")
        return
    for key, value in found.items():
        if isinstance(value, dict):
            given.wrong.append(f"{key} ({path}) is a table. Write name = value, without [sections].")
        else:
            given.take(key, tuple(value) if isinstance(value, list) else value, path, key)


def _from_secrets(path: str, given: _Given) -> None:
    """A folder with a file for each secret, named as its variable in lower case (`cds_journal_key`)."""
    if not path:
        return
    folder = Path(path)
    try:
        files = sorted(file for file in folder.iterdir() if file.name.lower().startswith(PREFIX.lower()))
    except OSError as error:
        given.wrong.append(f"{SECRETS}: {path} cannot be read: {error.strerror}.")
        return
    for file in files:
        text = _text_of(file, SECRETS, given)
        if text is not None:
            given.take(file.name.lower().removeprefix(PREFIX.lower()), text.strip(), str(file), file.name.upper())


def _text_of(path: Path, variable: str, given: _Given) -> str | None:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_FILE:
            given.wrong.append(f"{variable}: {path} is not a file of at most {LARGEST_FILE} bytes.")
            return None
        return path.read_text(encoding="utf-8")
    except OSError as error:
        given.wrong.append(f"{variable}: {path} cannot be read: {error.strerror}.")
    except UnicodeDecodeError:
        given.wrong.append(f"{variable}: {path} is not UTF-8 text.")
    return None


# ---------------------------------------------------------------- one line for each wrong one


def _line_of(error: Any, origins: Mapping[str, str]) -> str:
    """What is wrong with one setting; a value that may be a secret is never repeated."""
    what = error["msg"].removeprefix("Value error, ").rstrip(".")
    if not error["loc"]:
        return f"{what}."
    name = str(error["loc"][0])
    about = Settings.model_fields[name]
    where = f"{variable_of(name)} ({origins.get(name, DEFAULT)})"
    if error["type"] == "value_error":
        return f"{where}: {what}. {about.description}"
    secret = SecretStr in (about.annotation, *get_args(about.annotation))
    value = "what is there" if secret else repr(error["input"])
    return f"{where}: {value} is not {kind_of(about)}. {about.description}"


def kind_of(about: FieldInfo) -> str:
    """What may be written for a setting: "a whole number from 0 to 65535"."""
    kinds = [kind for kind in (about.annotation, *get_args(about.annotation)) if kind is not type(None)]
    choices = get_args(about.annotation) if get_origin(about.annotation) is Literal else ()
    if choices:
        return f"one of {', '.join(map(str, choices))}"
    if bool in kinds:
        return "true or false"
    if int in kinds or float in kinds:
        return f"a {'whole ' if int in kinds else ''}number{_limits(about)}"
    if Path in kinds:
        return "a path"
    shortest = next((one.min_length for one in about.metadata if isinstance(one, MinLen)), 0)
    return f"a text of at least {shortest} characters" if shortest else "a text"


def _limits(about: FieldInfo) -> str:
    said = []
    for one in about.metadata:
        match one:
            case Ge():
                said.append(f"from {one.ge}")
            case Gt():
                said.append(f"above {one.gt}")
            case Le():
                said.append(f"to {one.le}")
            case Lt():
                said.append(f"below {one.lt}")
    return "".join(f" {one}" for one in said)


def _shown(value: Any) -> str:
    match value:
        case SecretStr():
            return "set"
        case None | "" | ():
            return "not set"
        case tuple():
            return ", ".join(map(str, value))
        case bool():
            return str(value).lower()
    return PASSWORD.sub(r"\1:***", str(value))
