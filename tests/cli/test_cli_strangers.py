"""What strangers made, given to commands: exit status 1 or 2, one sentence, and nothing written elsewhere."""

import json
import os
import shutil

import factories
import pytest
from cli_helpers import run
from sealing import reseal

from slmbench.records import write_record


def corrupted(bundle, edit):
    reseal(bundle, edit)


def pipe(path):
    path.unlink()
    os.mkfifo(path)


BUNDLES = {
    "bytes after the seal": lambda bundle: (bundle / "bundle.json").open("ab").write(b"x"),
    "a pipe for a record": lambda bundle: pipe(bundle / "bundle.json"),
    "a pipe for a model": lambda bundle: pipe(bundle / "tfidf.npz"),
    "a form outside": lambda bundle: corrupted(bundle, lambda d: d["forms"]["fp32"].update(file="../../x")),
    "a form that is a path": lambda bundle: corrupted(
        bundle, lambda d: d["forms"].update({"../../owned": d["forms"].pop("fp32")})
    ),
    "no labels": lambda bundle: corrupted(bundle, lambda d: d.update(labels=[])),
    "predictions of another": lambda bundle: corrupted(
        bundle, lambda d: d["forms"]["fp32"]["predictions"].update(truth=[0])
    ),
}
COMMANDS = {
    "predict": ("predict", "bundle", "good"),
    "verify": ("verify", "bundle"),
    "profile": ("profile", "bundle", "--output", "profiles"),
    "evaluate": ("evaluate", "bundle", "--corpus", "reviews.csv"),
}


@pytest.fixture
def place(tmp_path, monkeypatch, floor_bundle, small_corpus_file):
    shutil.copytree(floor_bundle, tmp_path / "work" / "bundle")
    shutil.copy(small_corpus_file, tmp_path / "work" / "reviews.csv")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("attack", BUNDLES)
def test_a_bundle_that_is_refused(place, attack, command):
    BUNDLES[attack](place / "work/bundle")
    if (attack, command) == ("predictions of another", "predict"):
        pytest.skip("what was predicted at export is nothing to an app, and is not read")
    result = run(*COMMANDS[command])
    assert result.exit_code in (1, 2)
    assert len(result.stderr.strip().splitlines()) <= 3
    assert "Traceback" not in result.stderr
    assert [path.name for path in place.iterdir()] == ["work"]
    assert not list((place / "work").glob("profiles/*.json"))


def test_a_corpus_that_would_search_the_disk(place):
    """A record names a pattern; ``profile`` then times words of the same lengths, and looks at so many files only."""
    reseal(
        place / "work/bundle",
        lambda d: d["corpus"].update(options={"name_or_path": "/**/*.csv", "test_corpus": None, "evil": 1}),
    )
    result = run("verify", "bundle")
    assert result.exit_code == 0


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["predictions"].update(truth=[5] * 40),
        lambda document: document["predictions"]["probabilities"].__setitem__(0, [0.9, 0.9]),
        lambda document: document["latency"].update(processes_ms=[[-1.0]]),
        lambda document: document.update(form="\x1b[31m" * 300_000),
        lambda document: document.update(hardware={}),
        lambda document: document.update(size_bytes=-1),
    ],
)
def test_no_decision_over_damaged_records(place, edit):
    folder = place / "work/measured"
    folder.mkdir()
    write_record(factories.profile_record("sound", reviews=40), folder / "sound.json")
    document = json.loads(factories.profile_record("odd", reviews=40).to_json())
    edit(document)
    (folder / "odd.json").write_text(json.dumps(document))
    result = run("compare", "measured")
    assert result.exit_code == 1
    assert "odd.json" in result.stderr
    assert result.stdout == ""


def test_an_error_is_one_line_whatever_is_named(place):
    (place / "work/odd.csv").write_text(f'"a\n{"x" * 9000}\nb",c\n1,2\n')
    result = run("evaluate", "bundle", "--corpus", "odd.csv")
    assert result.exit_code in (1, 2)
    assert len(result.stderr.splitlines()) == 1
    assert len(result.stderr) < 2200


def test_names_on_the_terminal(place):
    folder = place / "work/measured"
    folder.mkdir()
    for name in ("[/red]mine", "\x1b]0;owned\x07yours", ":smile:"):
        write_record(factories.profile_record(name, reviews=40, p50_ms=9.0), folder / f"{len(name)}.json")
    result = run("compare", "measured")
    assert result.exit_code in (0, 1)
    assert "[/red]mine" in result.stdout + result.stderr
    assert "\x1b]0" not in result.stdout + result.stderr
