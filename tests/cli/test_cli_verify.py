"""``slmbench verify``: what it prints, its document, its exit status."""

import shutil

from cli_helpers import json_of, run
from sealing import spoil


def test_all_bundles_of_a_folder(here, tiny_bundle, floor_bundle):
    for bundle, name in ((tiny_bundle, "tiny"), (floor_bundle, "floor")):
        shutil.copytree(bundle, here / "exported" / name)
    result = run("verify")
    assert result.exit_code == 0
    assert result.stdout.count("agrees: the same answers") == 3
    document = json_of(run("verify", "--json"))
    assert document["schema"] == "slmbench.verifications/1"
    assert document["agrees"] is True
    assert [entry["name"] for entry in document["verifications"]] == ["tfidf", "tiny-bert-full"]


def test_a_damaged_bundle_is_status_one(here, tiny_bundle):
    bundle = shutil.copytree(tiny_bundle, here / "tiny")
    spoil(bundle / "tokenizer.json")
    result = run("verify", "tiny", "--json")
    assert result.exit_code == 1
    assert "tiny-bert-full: the answers here differ" in result.stderr
    assert "tokenizer.json is not the file that was exported" in result.stdout


def test_a_file_that_was_put_beside_does_not_change_the_answers_and_the_sentence_says_so(here, tiny_bundle):
    bundle = shutil.copytree(tiny_bundle, here / "tiny")
    (bundle / ".DS_Store").write_bytes(b"left by a file browser")
    result = run("verify", "tiny")
    assert result.exit_code == 1
    assert ".DS_Store is not in the manifest" in result.stdout
    assert "the answers agree but the files" in result.stderr
    assert "answers here differ" not in result.stderr
