"""Study 000's published arithmetic, on its own predictions where they are at hand."""

from pathlib import Path

import pytest
from study_000 import cloze_table, findings, read_predictions, study_corpus

from slmbench.common.errors import SlmbenchError, UsageError

FILE = Path(__file__).parents[3] / "shared" / "data" / "amazon_movies_tv_cloze_predictions.csv"

PUBLISHED = {
    "fewshot_distilbert": ((4552, 68), (3998, 321), (380, 681), (0.452, 0.324, 0.263, 0.487)),
    "fewshot_bert": ((4906, 12), (4737, 81), (82, 182), (0.459, 0.332, 0.233, 0.498)),
    "zeroshot_distilbert": ((4846, 72), (4462, 356), (82, 182), (0.450, 0.346, 0.269, 0.520)),
    "zeroshot_bert": ((4906, 12), (4739, 79), (82, 182), (0.458, 0.332, 0.233, 0.498)),
}


@pytest.fixture(scope="module")
def columns():
    if not FILE.is_file():
        pytest.skip("study 000's predictions are not at hand")
    return read_predictions(FILE)


@pytest.mark.parametrize("run", PUBLISHED)
def test_published_tables_come_out_digit_for_digit(columns, run):
    positive, negative, unknown, metrics = PUBLISHED[run]
    table = cloze_table(columns["label"], columns[run])
    assert table.confusion == (positive, negative)
    assert table.unknown == unknown
    assert table.truncated() == pytest.approx(metrics)


def test_the_uncontaminated_run_without_its_labelled_rows(columns):
    table = cloze_table(columns["label"][12:], columns["fewshot_distilbert"][12:])
    assert table.confusion == ((4542, 68), (3998, 319))
    assert sum(table.unknown) == 1061
    assert (round(table.accuracy, 3), round(table.f1, 3)) == (0.487, 0.263)


def test_few_shot_is_zero_shot_and_the_headline_is_inherited(columns):
    assert [(finding.rows, finding.of) for finding in findings(columns)] == [
        (9988, 9988),
        (8927, 8927),
        (1061, 1061),
    ]


def test_undecided_reviews_are_errors_of_their_class_over_two_classes():
    truth = ["positive", "positive", "negative", "negative"]
    said = ["positive", "unknown", "positive", "negative"]
    table = cloze_table(truth, said, classes=2)
    assert table.accuracy == 0.5
    assert table.precision == pytest.approx((1 / 2 + 1) / 2)
    assert table.recall == pytest.approx(0.5)
    assert table.f1 == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert cloze_table(truth, said).f1 == pytest.approx((1 / 2 + 2 / 3) / 3)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        read_predictions(tmp_path / "none.csv")
    other = tmp_path / "other.csv"
    other.write_text("title,label\na,positive\n")
    with pytest.raises(SlmbenchError, match="no column fewshot_distilbert"):
        read_predictions(other)
    columns = "label,fewshot_distilbert,fewshot_bert,zeroshot_distilbert,zeroshot_bert"
    other.write_text(f"{columns}\npositive,positive,good,unknown,negative\n")
    with pytest.raises(SlmbenchError, match="row 1: 'good' is none of"):
        read_predictions(other)


def test_the_studys_rows_stay_as_they_are(tmp_path):
    leaked = ["Five Stars,negative"] * 8 + ['"A, this review is negative.",negative']
    rows = ['"Dull, this review is negative.",negative', "Five Stars,positive", "Five Stars,positive", ",negative"]
    file = _write(tmp_path / "predictions.csv", "\n".join(["title,label", *rows, *leaked]))
    corpus = study_corpus(file)
    assert corpus.test.texts[:5] == ["Dull", "Five Stars", "Five Stars", "", "Five Stars"]
    assert corpus.test.labels[:5] == [0, 1, 1, 0, 0]
    assert corpus.test.row_ids[1] == corpus.test.row_ids[2] != corpus.test.row_ids[4]
    # Only the study's first twelve rows carry their label; a thirteenth that has one had it in its own text.
    assert corpus.test.texts[12] == "A, this review is negative."
    assert len(study_corpus(file, 3).test) == 3
    assert corpus.identity().test_reviews == 13
    with pytest.raises(SlmbenchError, match="no column title"):
        study_corpus(_write(tmp_path / "x.csv", "label\nnegative\n"))
    with pytest.raises(SlmbenchError, match="row 1: 'good' is none of"):
        study_corpus(_write(tmp_path / "x.csv", "title,label\nA,good\n"))


def _write(path, text):
    path.write_text(text)
    return path
