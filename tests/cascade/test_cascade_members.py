"""Two models that do not belong together, and options that make no sense: one sentence, and nothing left behind."""

import shutil

import pytest
from factories import profile_record
from learnable import write_reviews
from sealing import reseal

from slmbench.cascade import CascadeOptions, cascade
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.records import RunRecord, read_record, write_record


@pytest.fixture
def out(tmp_path):
    """A place for a cascade that must stay empty."""
    yield tmp_path / "out"
    assert not (tmp_path / "out").exists()
    assert not [entry.name for entry in tmp_path.iterdir() if "building" in entry.name]


def floor(folder, reviews, **sizes):
    """Train and export a TF-IDF floor; returns the bundle's folder."""
    corpus = load_corpus(str(reviews), **sizes)
    finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=folder / "run")
    export(folder / "run", output=folder / "bundle")
    return folder / "bundle"


@pytest.mark.parametrize("name", ["there is none", "empty"])
def test_a_folder_that_is_no_model(bundles, out, tmp_path, name):
    (tmp_path / "empty").mkdir()
    says = "no bundle or run at" if name != "empty" else "holds no bundle or run"
    for members in ((tmp_path / name, bundles[1]), (bundles[0], tmp_path / name)):
        with pytest.raises(UsageError, match=says):
            cascade(*members, output=out)


def test_the_same_twice(bundles, floors, out, tiny_bundle):
    with pytest.raises(UsageError, match="are the same classifier"):
        cascade(bundles[0], bundles[0], output=out)
    with pytest.raises(UsageError, match="are the same classifier"):
        cascade(bundles[0], floors[0], output=out)
    with pytest.raises(UsageError, match="are the same classifier"):
        cascade(tiny_bundle, tiny_bundle, output=out)


def test_a_cascade_as_a_member(both, bundles, out):
    with pytest.raises(UsageError, match="is a cascade itself: name the bundles it was made of"):
        cascade(bundles[0], both, output=out)


def test_a_run_without_a_model(bundles, floors, out, tmp_path):
    run = shutil.copytree(floors[1], tmp_path / "run")
    record = read_record(RunRecord, run / "run.json")
    write_record(record.model_copy(update={"has_model": False, "method": "prompt"}), run / "run.json")
    with pytest.raises(UsageError, match=r"no model that could be exported \(method prompt\)"):
        cascade(bundles[0], run, output=out)


def test_different_labels(bundles, floor_bundle, out):
    with pytest.raises(UsageError, match="labels negative, neutral, positive, .* negative, positive"):
        cascade(bundles[0], floor_bundle, output=out)


def test_different_corpora(floor_bundle, out, tmp_path):
    other = floor(tmp_path, write_reviews(tmp_path / "other.csv", ["negative", "positive"], 100, seed=5))
    with pytest.raises(UsageError, match="were not trained on the same corpus"):
        cascade(floor_bundle, other, output=out)


def test_different_test_rows(bundles, many_reviews, out, tmp_path):
    other = floor(tmp_path, many_reviews, train_size=18, test_size=50)
    with pytest.raises(UsageError, match="tested on 50 reviews, .* 128 .*--test-size"):
        cascade(other, bundles[1], output=out)


def test_no_review_to_choose_on(floor_bundle, tiny_bundle, out):
    with pytest.raises(SlmbenchError, match="none to choose a threshold on: .* or give --threshold"):
        cascade(floor_bundle, tiny_bundle, output=out)


def test_a_member_without_an_accepted_form(bundles, out, tmp_path):
    refused = shutil.copytree(bundles[1], tmp_path / "refused")
    reseal(refused, lambda document: document["forms"]["fp32"].update(accepted=False))
    with pytest.raises(SlmbenchError, match="refused has no accepted form"):
        cascade(bundles[0], refused, output=out)
    cascade(bundles[0], refused, CascadeOptions(large_form="fp32"), output=tmp_path / "named")


def test_forms_that_are_not_there(bundles, floors, out):
    with pytest.raises(UsageError, match=r"has no form 'int8'; it has: fp32"):
        cascade(*bundles, CascadeOptions(small_form="int8"), output=out)
    with pytest.raises(UsageError, match=r"has no form 'int8'; it has: fp32"):
        cascade(bundles[0], floors[1], CascadeOptions(large_form="int8"), output=out)


def test_a_member_that_is_not_whole(bundles, out, tmp_path):
    cut = shutil.copytree(bundles[1], tmp_path / "cut")
    (cut / "tfidf.npz").unlink()
    with pytest.raises(SlmbenchError, match=r"tfidf\.npz is missing: copy the bundle again"):
        cascade(bundles[0], cut, output=out)


def test_reviews_that_have_changed(out, tmp_path):
    reviews = write_reviews(tmp_path / "reviews.csv", ["negative", "positive"], 200)
    for name, size in (("weak", 20), ("strong", 60)):
        (tmp_path / name).mkdir()
        floor(tmp_path / name, reviews, train_size=size)
    write_reviews(reviews, ["negative", "positive"], 200, seed=1)
    with pytest.raises(SlmbenchError, match="the data has changed; train again, or restore the file"):
        cascade(tmp_path / "weak/bundle", tmp_path / "strong/bundle", output=out)
    reviews.unlink()
    with pytest.raises(SlmbenchError, match="the corpus of the record cannot be loaded again"):
        cascade(tmp_path / "weak/bundle", tmp_path / "strong/bundle", output=out)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threshold": 0.0}, "--threshold must be above 0 and at most 1, not 0"),
        ({"threshold": 1.01}, "--threshold must be above 0 and at most 1, not 1.01"),
        ({"threshold": float("nan")}, "--threshold must be above 0 and at most 1, not nan"),
        ({"max_routed": -0.1}, "--max-routed must be above 0 and at most 1, not -0.1"),
        ({"threshold": 0.9, "max_routed": 0.1}, "--threshold and --max-routed contradict each other"),
        ({"validation_size": 0}, "--validation-size must be at least 1, not 0"),
    ],
)
def test_options_out_of_range(bundles, out, options, says):
    with pytest.raises(UsageError) as caught:
        cascade(*bundles, CascadeOptions(**options), output=out)
    assert says in str(caught.value)


def test_places_that_hold_something_else(bundles, tmp_path):
    for place in bundles:
        with pytest.raises(UsageError, match="is one of the members: name another folder"):
            cascade(*bundles, output=place)
        assert (place / "tfidf.npz").is_file()
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds other files, which would be lost"):
        cascade(*bundles, output=tmp_path)


def test_profiles_that_do_not_fit(bundles, out, tmp_path):
    from factories import RASPBERRY

    weak, strong, elsewhere, otherwise, none = (
        tmp_path / f"{name}.json" for name in ("weak", "strong", "elsewhere", "otherwise", "there is none")
    )
    write_record(profile_record("weak"), weak)
    write_record(profile_record("strong"), strong)
    write_record(profile_record("strong", machine=RASPBERRY), elsewhere)
    write_record(profile_record("strong", backend="openvino"), otherwise)
    for paths, says in (
        ((strong, weak), "is a profile of strong fp32, not of weak fp32"),
        ((weak, elsewhere), "were not measured on the same machine"),
        ((weak, otherwise), "were not measured on the same machine"),
        ((weak, none), "there is no profile"),
    ):
        with pytest.raises(UsageError, match=says):
            cascade(*bundles, CascadeOptions(profiles=paths), output=out)
