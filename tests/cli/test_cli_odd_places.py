"""Odd names, links, pipes and locks, given to commands: one sentence, a status, and nothing hangs."""

import json
import os
import shutil
import sys
import threading

import factories
import pytest
from cli_helpers import run
from sealing import reseal

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import check_place, write_atomically
from slmbench.common.places import named_path
from slmbench.common.sole_writer import sole_writer
from slmbench.edge import Classifier
from slmbench.edge.runtime import read_seal, verified_file
from slmbench.recipes.recipe import read_recipe
from slmbench.records import write_record

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows has other names, and no pipes among files"),
    pytest.mark.usefixtures("nothing_hangs"),
]

TRAIN = ("finetune", "--method", "tfidf", "--corpus", "reviews.csv", "--output", "made")
LONG, NOBODY, NOT_UTF8 = "x" * 5000, "~nobody_at_all/x", "a\udcff.csv"


@pytest.fixture
def work(tmp_path, monkeypatch, small_corpus_file):
    """A working folder with reviews; it has to be alone in its folder afterwards."""
    (tmp_path / "place" / "work").mkdir(parents=True)
    shutil.copy(small_corpus_file, tmp_path / "place" / "work" / "reviews.csv")
    monkeypatch.chdir(tmp_path / "place" / "work")
    yield tmp_path / "place" / "work"
    assert os.listdir(tmp_path / "place") == ["work"]


def refused(*words, status):
    """Run a command that has to fail with one sentence; returns it."""
    result = run(*words)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert (result.exit_code, len(errors)) == (status, 1), result.stderr
    assert not [name for name in os.listdir() if name.startswith(".")]
    return errors[0]


NAMED = {
    "corpus": lambda name: ("finetune", "--method", "tfidf", "--corpus", name),
    "model": lambda name: ("finetune", "--model", name, "--corpus", "reviews.csv"),
    "profiles": lambda name: ("compare", name),
    "bundle": lambda name: ("verify", name),
    "output": lambda name: (*TRAIN[:-1], name),
}


@pytest.mark.parametrize("what", NAMED)
@pytest.mark.parametrize("name", [LONG, f"*{LONG}", NOT_UTF8], ids=["long", "long pattern", "not UTF-8"])
def test_names_that_no_file_can_have(work, what, name):
    if name == NOT_UTF8:
        shutil.copy("reviews.csv", name)
    said = refused(*NAMED[what](name), status=2)
    assert "cannot be the name of a file" in said


@pytest.mark.parametrize("what", [what for what in NAMED if what != "output"])
def test_a_folder_of_nobody(work, what):
    assert "nobody_at_all" in refused(*NAMED[what](NOBODY), status=2)


RECIPE = 'name="r"\n[corpus]\nname="{corpus}"\n[[rungs]]\nname="b"\nmodel="{model}"\n'


@pytest.mark.parametrize("name", [LONG, "m/" * 3000, "a\\u0000b"], ids=["long", "long path", "zero"])
@pytest.mark.parametrize("field", ["corpus", "model"])
def test_names_in_a_recipe(work, name, field):
    (work / "beside").mkdir()
    recipe = work / "beside/r.toml"
    recipe.write_text(RECIPE.format(**{"corpus": "reviews.csv", "model": "bert-tiny", field: name}))
    with pytest.raises(UsageError):
        read_recipe(recipe)
    recipe.write_text(RECIPE.format(**{"corpus": "reviews.csv", "model": "bert-tiny", field: NOBODY}))
    read_recipe(recipe)


def test_names_that_are_none_of_these(work, monkeypatch):
    monkeypatch.setenv("HOME", str(work))
    assert named_path("~/reviews.csv") == work / "reviews.csv"
    assert named_path("nowhere/at/all") == type(work)("nowhere/at/all")
    with pytest.raises(UsageError, match="zero byte"):
        named_path("a\0b")


LINKS = {
    "to nothing": lambda work: (work / "made").symlink_to("nowhere"),
    "to itself": lambda work: (work / "made").symlink_to("made"),
    "to a file": lambda work: (work / "made").symlink_to("reviews.csv"),
    "a pipe": lambda work: os.mkfifo(work / "made"),
    "below a file": lambda work: (work / "made").write_text(""),
    "below a link to nothing": lambda work: (work / "made").symlink_to("nowhere"),
}


@pytest.mark.parametrize("what", LINKS)
def test_where_no_folder_can_be_made_is_said_before_the_work(work, what, monkeypatch):
    monkeypatch.setattr("slmbench.methods.runs.run_folder.make_run", None)
    LINKS[what](work)
    place = "made/below" if what.startswith("below") else "made"
    assert "made" in refused(*TRAIN[:-1], place, status=2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")
def test_a_folder_that_takes_no_files_is_not_waited_for(work):
    refused(*TRAIN[:-1], "/proc/made", status=1)


def test_a_folder_that_is_removed_while_its_lock_is_waited_for(tmp_path):
    entered, ready, done = threading.Event(), threading.Event(), threading.Event()
    place = tmp_path / "new" / "made"

    class Ears:
        def say(self, _):
            ready.set()

    def wait():
        with sole_writer(place, Ears()):
            entered.set()
        done.set()

    # A lock of somebody else, by the same means.
    from filelock import FileLock

    place.parent.mkdir()
    other = FileLock(place.parent / ".made.lock")
    other.acquire()
    waiting = threading.Thread(target=wait)
    waiting.start()
    assert ready.wait(30)
    other.release()
    shutil.rmtree(place.parent, ignore_errors=True)
    assert entered.wait(30) and done.wait(30)
    waiting.join()


def test_a_name_that_is_not_utf8_within_a_text(tmp_path):
    with pytest.raises(SlmbenchError, match="not UTF-8"):
        write_atomically(tmp_path / "record.json", "a \udcff b")
    assert list(tmp_path.iterdir()) == []


def test_places_for_an_output(work):
    (work / "made").mkdir()
    (work / "link").symlink_to("made")
    for name in ("made", "link", "new", "new/below", "link/below"):
        check_place(work / name, "run.json")


def test_hardware_that_is_no_text(work, floor_bundle):
    bundle = shutil.copytree(floor_bundle, work / "bundle")
    reseal(bundle, lambda document: document["hardware"].update(machine=["a"]))
    said = refused("verify", "bundle", status=1)
    assert "hardware.machine" in said
    assert ": :" not in said


CACHED = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a link to itself": lambda path: os.symlink(path, path),
    "a device without end": lambda path: os.symlink("/dev/zero", path),
    "nested without end": lambda path: path.write_text("[" * 100_000),
    "another kind of value": lambda path: path.write_text("[]"),
}


@pytest.mark.parametrize("what", CACHED)
def test_what_verify_has_kept_is_another_thing(tiny_bundle, what, monkeypatch, tmp_path):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path))
    kept = verified_file(read_seal(tiny_bundle))
    kept.parent.mkdir()
    CACHED[what](kept)
    assert Classifier(tiny_bundle).predict("a good film")


def test_a_link_to_itself_among_profiles(work):
    folder = work / "profiles"
    folder.mkdir()
    write_record(factories.profile_record("sound", reviews=40), folder / "sound.json")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "deeper").symlink_to(folder)
    result = run("compare", "profiles", "--json")
    assert result.exit_code == 0, result.stderr


def test_times_that_cannot_be_drawn(work):
    (work / "profiles").mkdir()
    document = json.loads(factories.profile_record("odd", reviews=40).to_json())
    document["latency"]["processes_ms"] = [[1e308] * len(one) for one in document["latency"]["processes_ms"]]
    (work / "profiles/odd.json").write_text(json.dumps(document))
    assert "latency.processes_ms" in refused("compare", "profiles", status=1)


@pytest.mark.parametrize("text", ["a" + ".a" * 20_000 + "=1", "[" + "a." * 20_000 + "a]"])
def test_a_recipe_with_a_key_of_very_many_parts(work, text):
    (work / "r.toml").write_text(text)
    assert "dots" in refused("compare", "--recipe", "r.toml", status=2)


@pytest.mark.parametrize("what", ["to nothing", "to itself", "a pipe", "below a file"])
def test_where_no_report_can_be_written(work, what):
    (work / "profiles").mkdir()
    write_record(factories.profile_record("sound", reviews=40), work / "profiles/sound.json")
    LINKS[what](work)
    place = "made/below" if what.startswith("below") else "made"
    assert "made" in refused("compare", "profiles", "--report", place, status=2)
