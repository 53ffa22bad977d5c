"""Where a model's files come from: a local folder, the starter items, the hub's cache, the hub; in this order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slmbench import starter
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import LFS_ADVICE, LFS_POINTER, content_key, sha256_of
from slmbench.common.places import named_path
from slmbench.common.progress import SILENT, Progress
from slmbench.common.suggestions import did_you_mean
from slmbench.edge.runtime import MAX_RECORD_BYTES, read_json
from slmbench.records import CheckpointRecord, RunRecord, artefacts

#: Files a classifier is made of, and the card; everything else in a hub repository is left there.
_PATTERNS = ["README.md", "*.json", "*.jinja", "*.txt", "*.model"]
_WEIGHTS = ["*.safetensors"]
_PICKLES = ["*.bin"]
#: Largest size of a pointer of Git LFS.
_MAX_POINTER_BYTES = 1024


@dataclass(frozen=True)
class ModelFiles:
    """A model's files on disk.

    Attributes:
        name: As the user named it.
        folder: Where ``config.json`` is.
        source: ``directory``, ``starter``, ``hub cache`` or ``hub``.
        license: Licence of the weights where it is known.
        gguf: Name of the file in the folder that holds everything, where the model is in GGUF form.
    """

    name: str
    folder: Path
    source: str
    license: str | None = None
    gguf: str | None = None


def find_model(name: str, *, allow_pickle: bool = False, progress: Progress = SILENT) -> ModelFiles:
    """Find a model's files, fetching them where that is possible.

    Args:
        name: A folder with ``config.json``, a run, an adapted language model, a starter item, or a hub name such as
            ``albert-base-v2``.
        allow_pickle: Accept weights in PyTorch's pickle format, which can run code when loaded.
        progress: Where a download is announced.

    Returns:
        The files.

    Raises:
        UsageError: The folder is no model, or the name belongs to nothing known.
        SlmbenchError: The hub cannot be reached and the model is not cached, or only pickles are there.
    """
    folder = named_path(name)
    licence = None
    kind = artefacts.kind_of(folder)
    if kind in (RunRecord, CheckpointRecord) and (folder / "model" / "config.json").is_file():
        licence = _inherited_licence(folder / str(kind.file))
        folder = folder / "model"  # training can go on from a run or an adapted language model
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            if (folder / "adapter_config.json").is_file():
                raise UsageError(
                    f"{folder} is an adapter of PEFT: merge it into its model (merge_and_unload) and save that"
                )
            raise UsageError(f"{folder} is not a model folder: it has no config.json")
        return _checked(ModelFiles(name, folder, "directory", licence), allow_pickle)
    items = starter.catalogue()
    if name in items:
        item = items[name]
        if item.kind != "model":
            raise UsageError(f"'{name}' is a corpus, not a model: pass it as --corpus")
        if not _is_encoder(item):
            raise UsageError(
                f"'{name}' is a generative model in GGUF form: it cannot be fine-tuned as a classifier, but it can"
                " be asked (`slmbench fewshot --method prompt`)"
            )
        return _checked(ModelFiles(name, starter.ensure(name, progress), "starter", item.licence), allow_pickle)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UsageError(f"there is no model folder {name}")
    return _checked(_from_hub(name, allow_pickle, progress), allow_pickle)


def find_language_model(name: str, *, progress: Progress = SILENT) -> ModelFiles:
    """Find the files of a model that continues texts: what :func:`find_model` finds, and GGUF files.

    Args:
        name: A GGUF file, a starter item in GGUF form, or a name for :func:`find_model`.
        progress: Where a download is announced.

    Raises:
        UsageError: The folder is no model, or the name belongs to nothing known.
        SlmbenchError: The hub cannot be reached and the model is not cached, or only pickles are there.
    """
    path = named_path(name)
    if path.suffix == ".gguf" and path.is_file():
        return ModelFiles(name, path.parent, "directory", gguf=path.name)
    item = starter.catalogue().get(name)
    if item and not path.is_dir():
        for file in item.files:
            if file.name.endswith(".gguf"):
                return ModelFiles(name, starter.ensure(name, progress), "starter", item.licence, gguf=file.name)
    return find_model(name, progress=progress)


def weights_sha256(folder: Path) -> str:
    """Return the SHA-256 of a model's weights; of several files, the hash of their names and hashes."""
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if len(weights) == 1:
        return sha256_of(weights[0])
    return content_key(**{file.name: sha256_of(file) for file in weights})


def _inherited_licence(record: Path) -> str | None:
    """Return the licence of the weights that a run or an adapted model started from: it holds for them as well."""
    try:
        return read_json(record, MAX_RECORD_BYTES).get("base_license")
    except (OSError, ValueError, AttributeError):  # a damaged record; the weights beside it may be sound
        return None


def _from_hub(name: str, allow_pickle: bool, progress: Progress) -> ModelFiles:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    weights = _WEIGHTS + (_PICKLES if allow_pickle else [])
    patterns = _PATTERNS + weights
    try:
        cached = Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True))
        # An interrupted download leaves a part of a model in the cache.
        if (cached / "config.json").is_file() and any(any(cached.glob(pattern)) for pattern in weights):
            return ModelFiles(name, cached, "hub cache")
    except LocalEntryNotFoundError:
        pass
    except HFValidationError:
        raise UsageError(f"'{name}' is neither a folder, a starter model nor a hub name{_available(name)}") from None
    progress.say(f"looking for {name} on the model hub")
    try:
        return ModelFiles(name, Path(snapshot_download(name, allow_patterns=patterns)), "hub")
    except GatedRepoError:
        raise SlmbenchError(
            f"'{name}' is gated: accept its terms on the hub and log in with `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise UsageError(f"the model hub has no model '{name}'{_available(name)}") from None
    except (OSError, LocalEntryNotFoundError) as error:
        raise SlmbenchError(
            f"'{name}' is not on this machine and the model hub cannot be reached ({type(error).__name__})"
            f"{_available(name)}: to bring {name} over, download its files elsewhere and pass their folder as --model"
        ) from None


def _available(name: str) -> str:
    models = [item.name for item in starter.catalogue().values() if _is_encoder(item)]
    return f"{did_you_mean(name, models)} (available without the hub: {', '.join(models)})"


def _is_encoder(item: starter.Item) -> bool:
    """Whether a starter item is a model that transformers can put a classification head on."""
    return item.kind == "model" and any(file.name == "config.json" for file in item.files)


def _checked(files: ModelFiles, allow_pickle: bool) -> ModelFiles:
    """Refuse pickles unless they were allowed, and pointers instead of files.

    Raises:
        SlmbenchError: There are no weights, only pickled ones, or a file was not fetched from Git LFS.
    """
    for file in sorted(files.folder.iterdir()):
        if file.is_file() and file.stat().st_size < _MAX_POINTER_BYTES and file.read_bytes().startswith(LFS_POINTER):
            raise SlmbenchError(f"{file} is {LFS_ADVICE}")
    if any(files.folder.glob("*.safetensors")):
        return files
    if any(files.folder.glob("*.bin")):
        if allow_pickle:
            return files
        raise SlmbenchError(
            f"'{files.name}' has only pickled weights (*.bin), which can run code when loaded:"
            " pass --allow-pickle if you trust where they come from"
        )
    raise SlmbenchError(f"'{files.name}' has no weights: {files.folder} holds no *.safetensors file")
