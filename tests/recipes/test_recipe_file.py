"""What a recipe file may say."""

import pytest

from slmbench.errors import UsageError
from slmbench.recipes import find_recipe, read_recipe

LEAST = 'name = "mine"\n[[rungs]]\nname = "floor"\nmethod = "tfidf"\n'


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_quickstart_comes_along():
    recipe = read_recipe(find_recipe("quickstart"))

    names = [rung.name for rung in recipe.rungs]
    assert names == ["tfidf", "bert-tiny", "minilm-l6-3layers", "minilm-l6", "bert-tiny-distilled"]
    assert recipe.rungs[4].teacher == "minilm-l6"
    assert recipe.rungs[0].method == "tfidf"
    assert recipe.rungs[2].layers == 3
    assert (recipe.corpus.name, recipe.corpus.train_size, recipe.corpus.test_size) == ("imdb", 1000, 1000)
    assert recipe.export.forms == ("fp32", "int8")


def test_little_has_to_be_said(tmp_path):
    recipe = read_recipe(written(tmp_path, LEAST))

    assert recipe.corpus.name == "imdb"
    assert recipe.rungs[0].seed == 42
    assert recipe.profile.device == "cpu"


def test_a_file_is_found_by_its_path(tmp_path):
    path = written(tmp_path, LEAST)

    assert find_recipe(str(path)) == path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("quikstart", "there is no recipe 'quikstart'; there are: quickstart"),
        ("nowhere.toml", "there is no recipe file nowhere.toml"),
    ],
)
def test_recipes_that_are_not_there(name, says):
    with pytest.raises(UsageError, match=says):
        find_recipe(name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: mine\n", "cannot be read"),
        ('name = "mine"\n', "wrong at 'rungs': field required"),
        ('name = "mine"\nrungs = []\n', "wrong at 'rungs'"),
        (LEAST.replace('"mine"', '"../mine"'), "wrong at 'name'"),
        (LEAST.replace('"floor"', '"a floor"'), r"wrong at 'rungs\.0\.name'"),
        (LEAST + "epoch = 3\n", r"wrong at 'rungs\.0\.epoch': extra inputs are not permitted"),
        (LEAST + 'epochs = "three"\n', r"wrong at 'rungs\.0\.epochs'"),
        (LEAST + 'precision = "fp8"\n', r"wrong at 'rungs\.0\.precision'"),
        (LEAST + '[corpus]\nstars = "maybe"\n', r"wrong at 'corpus\.stars'"),
        (LEAST + "[profiling]\nprocesses = 1\n", "wrong at 'profiling'"),
        (LEAST + '[[rungs]]\nname = "floor"\n', "two rungs of one name"),
    ],
)
def test_mistakes_are_named_by_place(tmp_path, text, says):
    with pytest.raises(UsageError, match=says):
        read_recipe(written(tmp_path, text))


def test_a_recipe_in_another_encoding(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(LEAST.replace("mine", "mïne").encode("latin-1"))

    with pytest.raises(UsageError, match="cannot be read"):
        read_recipe(path)
