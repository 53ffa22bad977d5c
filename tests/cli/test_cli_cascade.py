"""``slmbench cascade``, and what the other commands make of its bundle."""

import json

import pytest
from cli_helpers import json_lines, json_of, missing_keys, run, run_apart
from learnable import write_reviews
from sealing import reseal
from test_base_install import HIDING

CONTRACT = {
    "name": None,
    "path": None,
    "forms": None,
    "cascade": {
        "threshold": None,
        "chosen": None,
        "routed": None,
        "validation_routed": None,
        "sweep": None,
        "break_even": None,
        "small": {"name", "form", "accuracy", "evaluation"},
        "large": {"name", "form", "accuracy", "evaluation"},
        "against_small": {"difference", "ci95", "p_value"},
        "against_large": {"difference", "ci95", "p_value"},
        "timing": {"mean_ms", "routed"},
    },
}


@pytest.fixture
def kitchen(here):
    """A working folder with two bundles that leave reviews to choose a threshold on."""
    write_reviews(here / "reviews.csv", ["negative", "positive"], 600)
    for name, size in (("weak", 12), ("strong", 200)):
        sizes = ("--train-size", size, "--output", f"runs/{name}", "--quiet")
        assert run("finetune", "--method", "tfidf", "--corpus", "reviews.csv", *sizes).exit_code == 0
        assert run("export", f"runs/{name}", "--quiet").exit_code == 0
    return here


def test_the_record(kitchen):
    document = json_of(run("cascade", "exported/weak", "exported/strong", "--json"))

    assert document["schema"] == "slmbench.bundle/1"
    assert missing_keys(CONTRACT, document) == []
    assert (document["name"], document["path"]) == ("weak+strong", "exported/weak+strong")
    assert document["cascade"]["small"]["accuracy"] < document["forms"]["fp32+fp32"]["accuracy"]
    on_disk = json.loads((kitchen / "exported/weak+strong/bundle.json").read_text(encoding="utf-8"))
    assert on_disk == document


def test_what_people_see(kitchen):
    result = run("cascade", "exported/weak", "runs/strong", "--output", "exported/both")

    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    for words in (
        "small: weak fp32",
        "large: strong fp32",
        "[95 %]",
        "macro",
        "0.99 100.0 %",
        "the least routing within one standard error of the best accuracy",
        "of the test reviews are routed to strong",
        "as slow as strong alone at",
        "accuracy against runtime: exported/both/cascade.png",
    ):
        assert words in shown, words
    assert "building" not in result.stderr
    again = run("cascade", "exported/weak", "runs/strong", "--output", "exported/both")
    assert again.stdout == result.stdout
    assert "exported/both is already there" in again.stderr
    assert run("cascade", "exported/weak", "runs/strong", "--output", "exported/both", "--quiet").stdout == ""


def test_every_option(kitchen):
    for bundle in ("weak", "strong"):
        run("profile", f"exported/{bundle}", "--processes", 1, "--time-limit", 0.2, "--quiet")
    profiles = [next((kitchen / "profiles").glob(f"{name}.*.json")) for name in ("weak", "strong")]

    document = json_of(
        run(
            *("cascade", "exported/weak", "exported/strong", "--max-routed", 0.3, "--validation-size", 250),
            *("--small-form", "fp32", "--large-form", "fp32", "--profiles", *profiles, "--json"),
        )
    )

    facts = document["cascade"]
    assert facts["validation_routed"] <= 0.3
    assert len(facts["validation"]["routing"]["row_ids"]) == 250
    assert facts["profiled"]["small"].startswith("weak.fp32.")
    fixed = json_of(run("cascade", "exported/weak", "exported/strong", "--threshold", 0.75, "--json"))
    assert (fixed["cascade"]["threshold"], fixed["cascade"]["chosen"]) == (0.75, "given")


def test_its_bundle_is_like_any_other(here, floor_bundle, tiny_bundle):
    made = run("cascade", floor_bundle, tiny_bundle, "--threshold", 0.9, "--output", "exported/both", "--quiet")
    assert (made.exit_code, made.stdout, made.stderr) == (0, "", "")

    said = json_lines(run("predict", "exported/both", "superb, the best", "an awful, boring plot"))
    assert [line["label"] for line in said] == ["positive", "negative"]
    measured = ("--processes", 1, "--time-limit", 0.3, "--json")
    document = json_of(run("profile", "exported/both", floor_bundle, tiny_bundle, *measured))
    assert document["failed"] == []
    (ours,) = [profile for profile in document["profiles"] if profile["bundle"] == "both"]
    others = [profile["size_bytes"] for profile in document["profiles"] if profile["form"] != "fp32"]
    assert (ours["form"], ours["method"], ours["backend"]) == ("fp32+int8", "cascade", "onnxruntime")
    assert ours["size_bytes"] > max(size for size in others if size != ours["size_bytes"])
    assert ours["corpus"]["inputs"] == "reviews"
    assert not [warning for warning in ours["warnings"] if "cascade" in warning]
    compared = json_of(run("compare", "--json"))
    assert "both" in {row["name"] for row in compared["rows"]}
    (caveat,) = [caveat for caveat in compared["caveats"] if "is a cascade" in caveat]
    assert caveat.startswith("both fp32+int8 is a cascade: some reviews take its small member's time")


def test_on_a_device_without_the_reviews_its_latency_comes_with_a_warning(here, floor_bundle, tiny_bundle):
    run("cascade", floor_bundle, tiny_bundle, "--threshold", 0.9, "--output", "both", "--quiet")
    elsewhere = str(here / "elsewhere.csv")
    reseal(here / "both", lambda document: document["corpus"]["options"].update(name_or_path=elsewhere))

    (profile,) = json_of(run("profile", "both", "--processes", 1, "--time-limit", 0.2, "--json"))["profiles"]

    assert profile["corpus"]["inputs"] == "length-matched words"
    assert [warning for warning in profile["warnings"] if "was timed on words, not on reviews" in warning]


def test_members_in_bundles_need_no_extra(here, tmp_path, floor_bundle, tiny_bundle):
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding/sitecustomize.py").write_text(HIDING, encoding="utf-8")

    words = ("cascade", floor_bundle, tiny_bundle, "--threshold", 0.9, "--output", "both", "--json")
    result = run_apart(*words, cwd=here, PYTHONPATH=str(tmp_path / "hiding"))

    assert json_of(result)["cascade"]["threshold"] == 0.9
    assert "needs the 'report' extra" in result.stderr
    assert not (here / "both/cascade.png").exists()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("bundle", "bundle"), 2, "bundle and bundle are the same classifier: a cascade needs two"),
        (("bundle", "nowhere"), 2, "no bundle or run at nowhere"),
        (("bundle", "{floor}"), 1, "none to choose a threshold on"),
        (("bundle", "{floor}", "--threshold", "1.5"), 2, "--threshold must be above 0 and at most 1, not 1.5"),
        (("bundle", "{floor}", "--small-form", "int4"), 2, "bundle has no form 'int4'; it has: fp32, int8"),
        (("bundle", "{floor}", "--threshold", "0.9", "--output", "bundle"), 2, "bundle is one of the members"),
        (("bundle", "{floor}", "--threshold", "0.9", "--output", "reviews.csv"), 2, "reviews.csv is a file"),
        (("bundle", "{floor}", "--profiles", "a.json", "b.json"), 2, "there is no profile a.json"),
    ],
)
def test_bad_input_is_one_sentence(workshop, floor_bundle, words, status, says):
    before = sorted(entry.name for entry in workshop.iterdir())

    result = run("cascade", *(word.format(floor=floor_bundle) for word in words), "--quiet")

    assert result.exit_code == status
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: ") and says in sentence
    assert sorted(entry.name for entry in workshop.iterdir()) == before


def test_help_explains_by_example():
    result = run("cascade", "--help")

    assert result.exit_code == 0
    assert "slmbench cascade runs/tfidf exported/bert-tiny-imdb" in result.stdout
