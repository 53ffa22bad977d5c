"""Untrusted JSON documents: read within limits, and every value checked before a record is made.

What holds for every record is checked here: sizes, depth, texts, and numbers that no measurement gives. What holds
for one kind of record is checked by its own model, when it is read (:data:`READING`), not when it is made.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from slmbench.edge.runtime import MAX_NAME, MAX_RECORD_BYTES, is_file_name, is_unicode, read_bytes

#: Validation context of a record that comes from a file.
READING = {"reading": True}
#: Longest text in a record, and most lists and objects within one another. Published records have 9,120 and 8.
MAX_TEXT, MAX_DEPTH = 100_000, 40
#: Whole numbers beyond are none that a computer counts to.
MAX_INTEGER = (1 << 63) - 1
#: Below these keys whole numbers need not be counts.
_FREE = frozenset({"hyperparameters", "options", "settings", "details", "hardware", "seed"})
#: Endings of keys whose numbers cannot be negative.
_NEVER_NEGATIVE = ("_ms", "_s", "seconds", "_bytes", "_per_second", "qps")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_document(path: Path) -> Any:
    """Read a JSON file and check its values.

    Raises:
        OSError: It is missing, not a regular file, or larger than :data:`MAX_RECORD_BYTES`.
        ValueError: As of :func:`parse_document`.
    """
    return parse_document(read_bytes(path, MAX_RECORD_BYTES))


def parse_document(raw: bytes) -> Any:
    """Parse JSON and check its values.

    Raises:
        ValueError: It is not JSON, or a value cannot be in a record; the message names the field.
    """
    try:
        document = json.loads(raw.decode(), parse_constant=_not_finite)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    check_values(document, surrogates=_SURROGATE.search(raw) is not None)
    return document


def check_values(document: Any, *, surrogates: bool = True) -> None:
    """Check that every value of a document can be in a record.

    Args:
        document: From JSON.
        surrogates: Whether texts may have halves of surrogate pairs.

    Raises:
        ValueError: One cannot; the message names its field.
    """
    waiting: list[tuple[Any, str, int, bool, bool]] = [(document, "", 0, False, False)]
    while waiting:
        value, where, depth, free, timed = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"{where[:200]}: it is nested too deep")
        if isinstance(value, dict):
            _check_texts(value, where, surrogates, MAX_NAME)
            for key, one in value.items():
                inside = f"{where}.{key}" if where else key
                waiting.append((one, inside, depth + 1, free or key in _FREE, timed or key.endswith(_NEVER_NEGATIVE)))
        elif isinstance(value, list):
            kinds = set(map(type, value))
            if kinds == {str}:
                _check_texts(value, where, surrogates)
            elif kinds <= {int, float} and kinds:
                least = min(value)
                _check_size(max(max(value), -least), where)
                _check_sign(least, where, free, timed or (int in kinds and not free))
            else:
                waiting += [(one, f"{where}.{place}", depth + 1, free, timed) for place, one in enumerate(value)]
        elif isinstance(value, str):
            _check_texts([value], where, surrogates)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            _check_size(value, where)
            _check_sign(value, where, free, timed)


def _check_size(number: float, where: str) -> None:
    """Check that a number can be computed with: what is written as 1e999 is read as infinity."""
    if abs(number) > MAX_INTEGER if isinstance(number, int) else math.isinf(number):
        raise ValueError(f"{where[:200]}: {str(number)[:40]} is too large a number to compute with")


def _check_sign(least: float, where: str, free: bool, timed: bool) -> None:
    """Check that a number is not negative where it is a time or a size, or a whole number, which counts something."""
    if least < 0 and (timed or (isinstance(least, int) and not free)):
        raise ValueError(f"{where[:200]}: {least} is negative")


def _check_texts(texts: Iterable[str], where: str, surrogates: bool, longest: int = MAX_TEXT) -> None:
    for text in texts:
        if len(text) > longest:
            raise ValueError(f"{where[:200] or text[:50]}: a text has more than {longest:,} characters")
        if surrogates and not is_unicode(text):
            raise ValueError(f"{where[:200] or ascii(text[:50])}: a text has half of a surrogate pair")


#: Milliseconds, or seconds, of one measured time: eleven days.
MAX_TIME = 1e9


def is_reading(info: ValidationInfo) -> bool:
    """Say whether a record is made from a file's content."""
    return bool(info.context and info.context.get("reading"))


def _taken(times: list[list[float]] | None, info: ValidationInfo) -> list[list[float]] | None:
    """Check times of a file: each process has some, none is zero, and none too long to be drawn or added up."""
    if is_reading(info) and times is not None:
        if not times or any(min(one, default=0) <= 0 for one in times):
            raise ValueError("every process needs times, all above zero")
        if any(max(one) > MAX_TIME for one in times):
            raise ValueError(f"no time is longer than {MAX_TIME:g}")
    return times


def _each_taken(times: list[float], info: ValidationInfo) -> list[float]:
    """Check times of a file: there are some, and none is zero."""
    _taken([times], info)
    return times


def _counted(number: int, info: ValidationInfo) -> int:
    """Check a number of a file: there is something."""
    if is_reading(info) and number < 1:
        raise ValueError(f"{number} is fewer than one")
    return number


def _positive(number: float, info: ValidationInfo) -> float:
    """Check a number of a file that others are divided by."""
    if is_reading(info) and number <= 0:
        raise ValueError(f"{number:g} is not above zero")
    return number


def _file_name(name: str, info: ValidationInfo) -> str:
    """Check the name of a file below a record's folder."""
    if is_reading(info) and not is_file_name(name):
        raise ValueError(f"{name!r:.100} is not the name of a file below the folder")
    return name


def _folder_name(name: str, info: ValidationInfo) -> str:
    """Check a name that becomes a folder's."""
    if is_reading(info) and not (is_file_name(name) and "/" not in name):
        raise ValueError(f"{name!r:.100} is not the name of a folder")
    return name


#: Times by process; times of all processes; how many there are of something that there has to be.
Times = Annotated[list[list[float]], AfterValidator(_taken)]
EachTime = Annotated[list[float], AfterValidator(_each_taken)]
Count = Annotated[int, AfterValidator(_counted)]
#: Numbers that others are divided by, names of files below the record's folder, and names that become folders'.
Positive = Annotated[float, AfterValidator(_positive)]
FileName = Annotated[str, AfterValidator(_file_name)]
FolderName = Annotated[str, AfterValidator(_folder_name)]


def _not_finite(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")
