"""Options listed once: their defaults, and the tables in the documentation."""

from pathlib import Path

import pytest

from slmbench.methods.known_methods import methods_of
from slmbench.methods.listing import list_options, with_tables
from slmbench.methods.method import STAGES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("file", ["fewshot.md", "training.md"])
def test_the_tables_in_the_documentation_are_up_to_date(file):
    document = (DOCS / file).read_text(encoding="utf-8")
    assert "<!-- options of" in document
    # If not: python -m slmbench.methods.listing docs/FILE
    assert with_tables(document) == document


@pytest.mark.parametrize("stage", STAGES)
def test_every_option_is_listed_once_and_explained(stage):
    listed = list_options(methods_of(stage))
    names = [one.declared[0].name for one in listed]
    assert len(names) == len(set(names))
    assert set(names) == {option.name for method in methods_of(stage) for option in method.options}
    for one in listed:
        assert all(option.help and not option.help.endswith(".") for option in one.declared)
        assert one.shown_default


def test_a_default_that_differs_names_its_methods():
    shots = next(one for one in list_options(methods_of("fewshot")) if one.declared[0].name == "shots")
    assert shots.shown_default == "cloze, prompt: 0; setfit, probe: 8"
    assert shots.panel == "Options of several methods"
