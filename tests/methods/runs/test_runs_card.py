"""The model card in a run's folder."""

import pytest

from slmbench.records import RunRecord, read_record


@pytest.mark.parametrize("which", ["tiny_run", "floor_run"])
def test_a_run_has_a_card_with_data_quality_and_licence(which, request):
    folder = request.getfixturevalue(which)
    record = read_record(RunRecord, folder / "run.json")
    card = (folder / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert "license: other\n" in front
    assert "pipeline_tag: text-classification\n" in front
    assert f"# {record.name}" in body
    assert f"| accuracy | {100 * record.test.accuracy:.1f} % [" in body
    assert f"always the most frequent label | {100 * record.test.majority_baseline:.1f} %" in body
    assert record.corpus.test_hash[:16] in body
    assert f"Trained on {record.corpus.train_reviews} reviews" in body
    assert "## Licence" in body
    assert "{{" not in card and "{%" not in card
