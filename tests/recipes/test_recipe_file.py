"""What a recipe file may say."""

import re
from pathlib import Path

import pytest

from slmbench.common.errors import UsageError
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
    assert [(one.backend, one.device) for one in recipe.profile.settings()] == [("onnxruntime", "cpu")]


def test_every_form_on_every_device_with_every_backend_that_runs_there(tmp_path):
    recipe = read_recipe(
        written(
            tmp_path,
            LEAST
            + '[export]\nforms = ["fp32", "int8-static", "int4-weights"]\n'
            + '[profile]\ndevices = ["cpu", "cuda"]\nbackends = ["onnxruntime", "openvino", "torch"]\n'
            + 'torch_forms = ["fp32", "bf16-compile"]\nthreads = 3\nprocesses = 2\ntime_limit_s = 7\n',
        )
    )

    settings = recipe.profile.settings()

    assert recipe.export.forms == ("fp32", "int8-static", "int4-weights")
    assert [(one.backend, one.device, one.forms) for one in settings] == [
        ("onnxruntime", "cpu", None),
        ("onnxruntime", "cuda", None),
        ("openvino", "cpu", None),
        ("torch", "cpu", ("fp32", "bf16-compile")),
        ("torch", "cuda", ("fp32", "bf16-compile")),
    ]
    assert {(one.threads, one.processes, one.time_limit_s) for one in settings} == {(3, 2, 7.0)}


def test_a_rung_with_several_seeds_is_several_rungs_and_the_first_keeps_the_name(tmp_path):
    text = LEAST + '[[rungs]]\nname = "tiny"\nmodel = "bert-tiny"\nepochs = 2\nseeds = [42, 43]\n'
    text += '[[rungs]]\nname = "both"\nmethod = "cascade"\nsmall = "floor"\nlarge = "tiny"\n'

    recipe = read_recipe(written(tmp_path, text))

    assert [rung.name for rung in recipe.rungs] == ["floor", "tiny", "tiny-seed43", "both"]
    assert [(rung.seed, rung.epochs) for rung in recipe.rungs[1:3]] == [(42, 2), (43, 2)]


def test_the_documented_recipe_can_be_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)

    recipe = read_recipe(written(tmp_path, text))

    assert [rung.name for rung in recipe.rungs] == [
        *("tfidf", "minilm", "minilm-seed43", "minilm-seed44", "tiny", "few", "both")
    ]
    assert {one.backend for one in recipe.profile.settings()} == {"onnxruntime", "torch"}
    named = set(re.findall(r"`(\w+)`", page.split("| `[profile]` |")[1].split("|")[0]))
    assert named == set(type(recipe.profile).model_fields)


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
        (LEAST + "epoch = 3\n", r"wrong at 'rungs\.0\.epoch': there is no such key"),
        (LEAST + 'epochs = "three"\n', r"wrong at 'rungs\.0\.epochs'"),
        (LEAST + 'precision = "fp8"\n', r"wrong at 'rungs\.0\.precision'"),
        (LEAST + "seed = 1\nseeds = [1, 2]\n", "in rung 'floor': it has seed and seeds, give one"),
        (LEAST + "seeds = []\n", r"wrong at 'rungs\.0\.seeds'"),
        (LEAST + 'seeds = ["a"]\n', r"wrong at 'rungs\.0\.seeds\.0'"),
        (LEAST + "seeds = [1, 2, 2]\n", "two rungs of one name"),
        (LEAST + '[corpus]\nstars = "maybe"\n', r"wrong at 'corpus\.stars'"),
        (LEAST + "[profiling]\nprocesses = 1\n", "wrong at 'profiling'"),
        (
            LEAST + '[export]\nforms = ["int9"]\n',
            r"wrong at 'export\.forms': .*no form 'int9'.*fp32, fused",
        ),
        (LEAST + '[profile]\ndevices = ["tpu"]\n', "wrong in 'profile': .*tpu"),
        (
            LEAST + '[profile]\ndevices = ["cuda"]\nbackends = ["openvino"]\n',
            "wrong in 'profile': .*cuda: openvino runs on cpu",
        ),
        (
            LEAST + '[profile]\ntorch_forms = ["fp32"]\n',
            "'profile': torch_forms goes with the backend torch",
        ),
        (
            LEAST + '[profile]\nbackends = ["torch"]\ntorch_forms = ["fp8"]\n',
            "wrong in 'profile': .*fp8",
        ),
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
