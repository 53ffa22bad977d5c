"""Datasets of the Hugging Face hub, and folders that its library saves; the one module that imports ``datasets``."""

from __future__ import annotations

import contextlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from slmbench.common.errors import SlmbenchError, first_line, require_extra
from slmbench.common.formatting import few
from slmbench.common.places import named_path
from slmbench.common.progress import Progress
from slmbench.corpora.sources import CorpusSource, Opening, OpenPart
from slmbench.corpora.tables import Table

_BATCH = 1000
#: Parts to test on, the first that is there.
_TEST_PARTS = ("test", "validation", "valid", "dev")


class HubDatasets(CorpusSource):
    """Datasets by their name on the hub; any name that no other source knows."""

    name = "hub"
    help = "A dataset of the Hugging Face hub by name (owner/name), where the hub can be reached."
    extra = "train"
    needs_hub = True

    def matches(self, corpus: str) -> bool:
        """Say yes: what nobody else knows is looked for on the hub."""
        return True

    def is_available(self, corpus: str) -> bool:
        """Say no: whether the cache is complete, only the hub can tell."""
        return False

    def description(self, corpus: str) -> str:
        """Return that it is a hub dataset, and its name."""
        return f"hub dataset {corpus}"

    def parts(self, corpus: str, opening: Opening) -> Iterator[OpenPart]:
        """Open the part to test on, where there is one, and "train"."""
        yield from _open_parts(corpus, load_parts(corpus, opening.progress), opening)


class SavedDatasets(CorpusSource):
    """Folders that ``Dataset.save_to_disk`` has written."""

    name = "saved-dataset"
    help = "A folder that Dataset.save_to_disk of the library datasets has written."
    extra = "train"

    def matches(self, corpus: str) -> bool:
        """Say whether a name is such a folder."""
        folder = named_path(corpus)
        return any((folder / file).is_file() for file in ("dataset_dict.json", "state.json"))

    def short_name(self, corpus: str) -> str:
        """Return the folder's name."""
        return named_path(corpus).absolute().name

    def description(self, corpus: str) -> str:
        """Return the absolute path."""
        return f"saved dataset {self.location(corpus)}"

    def location(self, corpus: str) -> str:
        """Return the absolute path."""
        return str(named_path(corpus).absolute())

    def parts(self, corpus: str, opening: Opening) -> Iterator[OpenPart]:
        """Open the part to test on, where there is one, and "train"; of a dataset without parts all of it."""
        require_extra("datasets", "train", f"'{corpus}' is a saved dataset, and reading it")
        import datasets

        try:
            saved = datasets.load_from_disk(self.location(corpus))
        except (OSError, ValueError, KeyError) as error:
            raise SlmbenchError(f"{corpus} cannot be read as a saved dataset ({first_line(error)})") from None
        parts = saved if isinstance(saved, dict) else {"train": saved}
        yield from _open_parts(corpus, parts, opening)


def _open_parts(name: str, parts: Mapping[str, Any], opening: Opening) -> Iterator[OpenPart]:
    """Open the part to test on, where there is one, and then "train", or the only part.

    Raises:
        SlmbenchError: It has several parts, none of which is called "train".
    """
    train = next(iter(parts)) if len(parts) == 1 else "train"
    if train not in parts:
        raise SlmbenchError(
            f"the dataset '{name}' has no part called 'train' ({', '.join(parts)}); save the part you want as"
            " a local file and give its path"
        )
    labelled = [part for part in _TEST_PARTS if part in parts and part != train and not _hides_labels(parts[part])]
    test = labelled[0] if labelled else None
    sides: tuple[tuple[str | None, Literal["test", "train"]], ...] = ((test, "test"), (train, "train"))
    for part, side in sides:
        if part is not None:
            called = f"{name} ({part})" if len(parts) > 1 else name
            table = DatasetTable(parts[part], opening.progress, f"reading {name}")
            if left := [other for other in parts if other not in (test, train)]:
                table.notes.append(f"parts left out: {few(left)}")
            yield OpenPart(called, table, opening.bad_rows(called), side)


def _hides_labels(part: Any) -> bool:
    """Say whether a part has no labels, as the test parts of benchmarks: -1 instead of the numbers of classes."""
    columns = [column for column, feature in part.features.items() if getattr(feature, "names", None)]
    return bool(columns) and all(set(part[:_BATCH][column]) == {-1} for column in columns)


class DatasetTable(Table):
    """One part of a dataset; ``class_names`` holds the names of integer labels, by column."""

    def __init__(self, dataset: Any, progress: Progress, description: str) -> None:
        self._dataset = dataset
        self._progress = progress
        self._description = description
        super().__init__(dataset.column_names)
        self.class_names = {
            column: tuple(feature.names)
            for column, feature in dataset.features.items()
            if getattr(feature, "names", None)  # a ClassLabel; that of a list of them has none
        }

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns."""
        chosen = self._dataset.select_columns(list(columns))
        number = 0
        with self._progress.task(self._description, total=len(chosen), unit="reviews") as task:
            for batch in chosen.iter(batch_size=_BATCH):
                for values in zip(*(batch[column] for column in columns), strict=True):
                    number += 1
                    yield number, values
                task.advance(len(batch[columns[0]]))


def load_parts(name: str, progress: Progress) -> Mapping[str, Any]:
    """Load a dataset of the hub, or of the hub's cache on this machine.

    Args:
        name: Its name on the hub, ``owner/name``.
        progress: Told what is fetched.

    Returns:
        Its parts by name.

    Raises:
        SlmbenchError: The hub cannot be reached, or has no such dataset.
    """
    require_extra(
        "datasets",
        "train",
        f"'{name}' is no file and no starter corpus (imdb, rotten-tomatoes), and reading it from the hub",
    )
    import datasets.exceptions

    if not _in_cache(name, datasets.config.HF_DATASETS_CACHE) and not _hub_answers():
        raise SlmbenchError(_offline(name, "the model hub cannot be reached from here"))
    progress.say(f"fetching {name} from the hub")
    datasets.disable_progress_bars()
    try:
        parts: Mapping[str, Any] = datasets.load_dataset(name)
    # A dataset that is not there, wants a configuration or runs code, and every kind of broken connection.
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise SlmbenchError(_offline(name, first_line(error))) from None
    return parts


def _offline(name: str, why: str) -> str:
    return (
        f"cannot load '{name}': there is no such file or starter corpus here, and as a hub dataset: {why}."
        " Offline there are imdb, rotten-tomatoes and local files (CSV, TSV, JSON lines, Parquet): save the"
        " dataset as such a file on a connected machine and give its path"
    )


def _in_cache(name: str, cache: Path | str) -> bool:
    return (Path(cache) / name.replace("/", "___")).is_dir()


def _hub_answers() -> bool:
    """Say whether the hub's name resolves: without this a closed network costs half a minute of retries."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if {"http", "https", "all"} & urllib.request.getproxies().keys():
        return True
    with contextlib.suppress(OSError):
        socket.getaddrinfo(urllib.parse.urlsplit(constants.ENDPOINT).hostname, 443)
        return True
    return False
