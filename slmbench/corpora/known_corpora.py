"""Every kind of corpus, and which of them a name belongs to."""

from __future__ import annotations

from pathlib import Path

from slmbench import starter
from slmbench.common.errors import UsageError
from slmbench.common.registry import Registry
from slmbench.common.suggestions import did_you_mean
from slmbench.corpora.formats import FORMATS, format_of
from slmbench.corpora.hub import HubDatasets, SavedDatasets
from slmbench.corpora.local_files import LocalFiles
from slmbench.corpora.sources import CorpusSource
from slmbench.corpora.starter_corpora import STARTER_CORPORA

_HUB = HubDatasets()
#: By name; installed packages add to them.
CORPORA: Registry[CorpusSource] = Registry(
    "corpus", "slmbench.corpora", (*STARTER_CORPORA, SavedDatasets(), LocalFiles(), _HUB)
)
_OTHER_FILES = {".gz", ".txt", ".zip", ".xlsx", ".xls"}


def find_source(corpus: str) -> CorpusSource:
    """Return the kind of a corpus: the one of its name, else the first that knows it, else the hub's.

    Args:
        corpus: A name, path or pattern.

    Raises:
        SlmbenchError: A package that adds kinds of corpora cannot be imported.
    """
    if corpus in CORPORA and CORPORA[corpus].matches(corpus):
        return CORPORA[corpus]
    return next((source for source in CORPORA if source is not _HUB and source.matches(corpus)), _HUB)


def check_corpus(corpus: str) -> CorpusSource:
    """Return the kind of a corpus, after telling a hub dataset's name from a missing file or a misspelt name.

    Raises:
        UsageError: There is no such corpus.
        SlmbenchError: A package that adds kinds of corpora cannot be imported.
    """
    source = find_source(corpus)
    if source is not _HUB:
        return source
    path = Path(corpus)
    local = corpus.startswith((".", "~")) or path.is_absolute() or "\\" in corpus or corpus.count("/") > 1
    if local or format_of(path) in FORMATS or path.suffix.lower() in _OTHER_FILES:
        raise UsageError(f"there is no file {corpus}")
    named = [name for name in CORPORA.names if CORPORA[name].matches(name) and CORPORA[name] is not _HUB]
    if corpus in starter.catalogue():
        raise UsageError(f"'{corpus}' is a model, not a corpus; corpora are: {', '.join(named)}")
    hint = did_you_mean(corpus, named)
    if hint and "/" not in corpus:
        raise UsageError(f"there is no corpus '{corpus}'{hint}")
    return source


def is_available(corpus: str) -> bool:
    """Say whether a corpus can be read without downloading anything."""
    return find_source(corpus).is_available(corpus)


def location(corpus: str) -> str:
    """Return the name by which a corpus is found from any working folder: a local one's absolute path."""
    return find_source(corpus).location(corpus)
