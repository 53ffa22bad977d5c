"""Where a model's files come from, and what is said when they cannot be had."""

import json
import shutil

import pytest
from huggingface_hub.errors import GatedRepoError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from slmbench import starter
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.models import find_model


@pytest.fixture
def hub(monkeypatch):
    """Replace the hub: ``hub(cached, online)`` sets what the cache and the network answer (a path or an error)."""
    asked = []

    def answer(cached=None, online=None):
        cached = cached or LocalEntryNotFoundError("not in the cache")
        online = online or LocalEntryNotFoundError("no connection")

        def snapshot_download(name, *, allow_patterns, local_files_only=False):
            asked.append((name, local_files_only, tuple(allow_patterns)))
            found = cached if local_files_only else online
            if isinstance(found, Exception):
                raise found
            return str(found)

        monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
        return asked

    return answer


def http_error(kind):
    import requests

    return kind("no", response=requests.Response())


def test_a_folder(tiny_base):
    files = find_model(str(tiny_base))
    assert (files.folder, files.source, files.name, files.license) == (tiny_base, "directory", str(tiny_base), None)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_git_lfs_has_not_fetched(tiny_base, tmp_path, file):
    folder = shutil.copytree(tiny_base, tmp_path / "model")
    (folder / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(SlmbenchError, match=rf"{file} is a pointer of Git LFS"):
        find_model(str(folder))


def test_an_adapter_is_no_model(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="adapter of PEFT"):
        find_model(str(tmp_path))


def test_a_run_is_a_model_to_go_on_from(tiny_run):
    assert find_model(str(tiny_run)).folder == tiny_run / "model"


@pytest.mark.parametrize("record", ["run.json", "checkpoint.json"])
def test_what_goes_on_from_weights_inherits_their_licence(tiny_base, tmp_path, record):
    shutil.copytree(tiny_base, tmp_path / "model")
    (tmp_path / record).write_text(json.dumps({"base_license": "Apache-2.0"}))
    assert find_model(str(tmp_path)).license == "Apache-2.0"
    (tmp_path / record).write_text("{")
    assert find_model(str(tmp_path)).license is None


def test_a_starter_item(tiny_base, monkeypatch):
    monkeypatch.setattr(starter, "ensure", lambda name, progress: tiny_base)
    files = find_model("bert-tiny")
    assert (files.folder, files.source, files.license) == (tiny_base, "starter", "Apache-2.0")


def test_a_folder_goes_before_a_starter_item_of_its_name(tiny_base, tmp_path, monkeypatch):
    shutil.copytree(tiny_base, tmp_path / "bert-tiny")
    monkeypatch.chdir(tmp_path)
    assert find_model("bert-tiny").source == "directory"


def test_a_corpus_is_no_model():
    with pytest.raises(UsageError, match="'imdb' is a corpus, not a model: pass it as --corpus"):
        find_model("imdb")


def test_a_folder_without_configuration(tmp_path):
    with pytest.raises(UsageError, match=r"is not a model folder: it has no config\.json"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("name", ["./nothing", "/no/such/folder", "~/no-such-folder", "a/b/c"])
def test_a_path_that_is_not_there_is_not_looked_for_on_the_hub(name, hub):
    asked = hub()
    with pytest.raises(UsageError, match="there is no model folder"):
        find_model(name)
    assert not asked


def test_a_folder_without_weights(tiny_base, tmp_path):
    shutil.copy(tiny_base / "config.json", tmp_path)
    with pytest.raises(SlmbenchError, match=r"has no weights: .* holds no \*\.safetensors file"):
        find_model(str(tmp_path))


def test_pickled_weights_are_refused_unless_allowed(tiny_base, tmp_path):
    shutil.copy(tiny_base / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(SlmbenchError, match="only pickled weights.*--allow-pickle"):
        find_model(str(tmp_path))
    assert find_model(str(tmp_path), allow_pickle=True).folder == tmp_path


def test_the_cache_of_the_hub_goes_before_the_hub(hub, tiny_base):
    asked = hub(cached=tiny_base)
    assert find_model("someone/some-model").source == "hub cache"
    assert [local for _, local, _ in asked] == [True]


def test_a_model_of_the_hub(hub, tiny_base):
    asked = hub(online=tiny_base)
    assert find_model("someone/some-model").source == "hub"
    assert [local for _, local, _ in asked] == [True, False]
    assert not any("bin" in pattern for _, _, patterns in asked for pattern in patterns)


def test_pickles_are_fetched_from_the_hub_only_when_allowed(hub, tiny_base):
    asked = hub(online=tiny_base)
    find_model("someone/some-model", allow_pickle=True)
    assert all("*.bin" in patterns for _, _, patterns in asked)


@pytest.mark.parametrize("error", [LocalEntryNotFoundError("no"), ConnectionError("no route"), TimeoutError("slow")])
def test_an_unreachable_hub_is_one_sentence_that_says_what_there_is(hub, error):
    hub(online=error)
    with pytest.raises(SlmbenchError) as raised:
        find_model("albert-base-v2")
    said = str(raised.value)
    assert "'albert-base-v2' is not on this machine and the model hub cannot be reached" in said
    assert "bert-tiny, minilm-l6, mpnet-base" in said
    assert "imdb" not in said
    assert "pass their folder as --model" in said
    assert "\n" not in said
    assert raised.value.exit_code == 1


def test_the_real_hub_library_offline_gives_the_same_sentence():
    with pytest.raises(SlmbenchError, match="is not on this machine and the model hub cannot be reached"):
        find_model("slmbench-tests/no-such-model")


def test_a_name_the_hub_does_not_know(hub):
    hub(online=http_error(RepositoryNotFoundError))
    with pytest.raises(
        UsageError,
        match="the model hub has no model 'minilm-l7'.*'minilm-l6'.*: bert-tiny",
    ):
        find_model("minilm-l7")


def test_a_gated_model(hub):
    hub(online=http_error(GatedRepoError))
    with pytest.raises(SlmbenchError, match="'a/b' is gated: accept its terms"):
        find_model("a/b")


def test_a_name_that_cannot_be_one(hub):
    hub(cached=HFValidationError("bad name"))
    with pytest.raises(UsageError, match="'not a name' is neither a folder, a starter model nor a hub name"):
        find_model("not a name")
