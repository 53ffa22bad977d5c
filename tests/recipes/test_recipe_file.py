"""What a recipe file may say."""

import re
from inspect import signature
from pathlib import Path

import pytest

from slmbench.cascade import CascadeOptions
from slmbench.common.errors import UsageError
from slmbench.compare import Constraints
from slmbench.compare.quantities import LIMITS
from slmbench.corpora import load_corpus
from slmbench.export import DEFAULT_FORMS, Calibration
from slmbench.recipes import find_recipe, read_recipe
from slmbench.recipes.ladder import offline_version
from slmbench.statistics.verdicts import MODEL_MARGIN, reviews_to_settle

TINY = (
    'name = "mine"\n[[rungs]]\nname = "baseline"\nmethod = "tfidf"\n[[rungs]]\nname = "tiny"\nmodel = "bert-tiny"\n'
)
MINIMAL = 'name = "mine"\n[[rungs]]\nname = "baseline"\nmethod = "tfidf"\n'


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_quickstart_comes_along():
    recipe = read_recipe(find_recipe("quickstart"))

    names = [rung.name for rung in recipe.rungs]
    assert names == ["tfidf", "bert-tiny", "minilm-l6-3layers", "minilm-l6", "bert-tiny-distilled", "tfidf-distilled"]
    assert recipe.rungs[4].options.teacher == ("minilm-l6",)
    assert recipe.rungs[0].method == "tfidf"
    assert recipe.rungs[2].options.layers == 3
    assert (recipe.corpus.name, recipe.corpus.train_size, recipe.corpus.test_size) == ("imdb", 1000, 1800)
    assert recipe.corpus.test_size >= reviews_to_settle(0.08, MODEL_MARGIN)
    assert recipe.export.forms == ("fp32", "int8")


def test_the_students_of_small_join_their_teachers():
    rungs = {rung.name: rung for rung in read_recipe(find_recipe("small")).rungs}
    first, second = rungs["static-taught"].referred, rungs["static-second"].referred
    assert set(second) > {*first, "static-taught", "tfidf-taught"}
    assert rungs["tfidf-second"].referred == rungs["bert-tiny-second-seed44"].referred == second
    assert not rungs["minilm-l6-tail"].ship
    assert rungs["bert-tiny-second"].options.vocabulary == "corpus"


def test_little_has_to_be_said(tmp_path):
    recipe = read_recipe(written(tmp_path, MINIMAL))

    assert recipe.corpus.name == "imdb"
    assert recipe.rungs[0].seed == 42
    assert [(one.backend, one.device) for one in recipe.profile.settings()] == [("onnxruntime", "cpu")]


def test_a_rung_may_have_several_teachers(tmp_path):
    text = TINY + '[[rungs]]\nname = "taught"\nmodel = "bert-tiny"\nteacher = ["baseline", "tiny"]\n'
    recipe = read_recipe(written(tmp_path, text + '[offline]\nmodels = { bert-tiny = "minilm-l6" }\n'))
    assert recipe.rungs[2].options.teacher == ("baseline", "tiny")
    assert recipe.rungs[2].referred == ["baseline", "tiny"]
    here, _ = offline_version(recipe)
    assert here.rungs[2].options.teacher == ("baseline", "minilm-l6-for-tiny")
    with pytest.raises(UsageError, match="no earlier rung is named 'tinny'"):
        read_recipe(written(tmp_path, text.replace('"tiny"]', '"tinny"]')))


def test_a_cascade_takes_the_options_of_its_command(tmp_path):
    text = TINY + '[[rungs]]\nname = "both"\nmethod = "cascade"\nsmall = "baseline"\nlarge = "tiny"\n'
    recipe = read_recipe(written(tmp_path, text + 'max_routed = 0.2\nlarge_form = "int8"\nvalidation_size = 300\n'))
    assert recipe.rungs[2].options == CascadeOptions(max_routed=0.2, large_form="int8", validation_size=300)
    assert read_recipe(written(tmp_path, text)).rungs[2].options == CascadeOptions()
    for wrong, said in (("threshold = 2", "--threshold"), ("threshold = 0.9\nmax_routed = 0.1", "--max-routed")):
        with pytest.raises(UsageError, match=f"rung 'both'.*{said}"):
            read_recipe(written(tmp_path, f"{text}{wrong}\n"))


def test_a_recipe_says_how_static_int8_is_calibrated(tmp_path):
    said = '[export]\ncalibration = "entropy"\ncalibration_reviews = 16\nmax_accuracy_drop = 0.005\n'
    options = read_recipe(written(tmp_path, MINIMAL + said)).export.options()
    assert options["calibration"] == Calibration("entropy", 16)
    assert (options["max_accuracy_drop"], options["forms"]) == (0.005, DEFAULT_FORMS)
    (tmp_path / "texts.csv").write_text("text\na film\n", encoding="utf-8")
    further = read_recipe(written(tmp_path, MINIMAL + said + 'calibration_corpus = "texts.csv"\n'))
    found = further.export.options()["calibration"].corpus
    assert found == str(tmp_path / "texts.csv")
    with pytest.raises(UsageError, match=r"export\.calibration.*minmax"):
        read_recipe(written(tmp_path, MINIMAL + '[export]\ncalibration = "none"\n'))


def test_every_form_on_every_device_with_every_backend_that_runs_there(tmp_path):
    recipe = read_recipe(
        written(
            tmp_path,
            MINIMAL
            + '[export]\nforms = ["fp32", "int8-static", "int4-weights"]\n'
            + '[profile]\ndevices = ["cpu", "cuda"]\nbackends = ["onnxruntime", "openvino", "torch"]\n'
            + 'torch_forms = ["fp32", "bf16-compile"]\nthreads = 3\nprocesses = 2\n'
            + "time_limit_s = 7\nsustained_s = 60\n",
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
    assert {(one.threads, one.processes, one.time_limit_s, one.sustained_s) for one in settings} == {
        (3, 2, 7.0, 60.0)
    }


def test_a_rung_with_several_seeds_is_several_rungs_and_the_first_keeps_the_name(tmp_path):
    text = MINIMAL + '[[rungs]]\nname = "tiny"\nmodel = "bert-tiny"\nepochs = 2\nseeds = [42, 43]\n'
    text += '[[rungs]]\nname = "both"\nmethod = "cascade"\nsmall = "baseline"\nlarge = "tiny"\n'

    recipe = read_recipe(written(tmp_path, text))

    assert [rung.name for rung in recipe.rungs] == ["baseline", "tiny", "tiny-seed43", "both"]
    assert [(rung.seed, rung.options.epochs) for rung in recipe.rungs[1:3]] == [(42, 2), (43, 2)]


def test_a_number_of_seeds_counts_from_the_seed_up(tmp_path):
    recipe = read_recipe(written(tmp_path, TINY + "seeds = 3\nseed = 7\n"))

    assert [(rung.name, rung.seed) for rung in recipe.rungs[1:]] == [
        ("tiny", 7),
        ("tiny-seed8", 8),
        ("tiny-seed9", 9),
    ]


def test_what_only_the_command_line_could_choose_stands_in_recipes(tmp_path):
    text = TINY + 'weight_decay = 0.1\nwarmup_ratio = 0.2\nreport_to = "wandb"\n'
    text += '[[rungs]]\nname = "space"\nmodel = "bert-tiny"\nmethod = "space"\nplots = true\n'

    recipe = read_recipe(written(tmp_path, text))

    assert recipe.rungs[1].options.given == {"weight_decay": 0.1, "warmup_ratio": 0.2, "report_to": "wandb"}
    assert recipe.rungs[2].options.plots


def test_limits_of_the_recipe_and_of_the_caller(tmp_path):
    recipe = read_recipe(written(tmp_path, MINIMAL + "[limits]\nmax_p95_ms = 20\nmin_accuracy = 85\n"))

    assert recipe.constraints().as_dict() == {"max_p95_ms": 20, "min_accuracy": 0.85}
    assert recipe.constraints(Constraints(max_p95_ms=5)).as_dict() == {"max_p95_ms": 5, "min_accuracy": 0.85}


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    folder = tmp_path / "recipes"
    (folder / "base").mkdir(parents=True)
    (folder / "reviews.csv").write_text("text,label\n")
    text = TINY.replace('"bert-tiny"', '"base"') + '[corpus]\nname = "reviews.csv"\ntest_corpus = "parts/*.jsonl"\n'
    text += '[[transfer]]\nrung = "tiny"\ncorpus = "imdb"\n[offline]\nmodels = { a = "bert-tiny" }\n'
    path = written(folder, text)

    monkeypatch.chdir(tmp_path)
    recipe = read_recipe(path)
    assert (recipe.corpus.name, recipe.rungs[1].model) == (str(folder / "reviews.csv"), str(folder / "base"))
    assert recipe.corpus.test_corpus == str(folder / "parts" / "*.jsonl")
    assert (recipe.transfer[0].corpus, recipe.offline.models) == ("imdb", {"a": "bert-tiny"})
    monkeypatch.chdir(folder)
    assert read_recipe(Path("mine.toml")).corpus.name == "reviews.csv"


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


def test_the_corpus_table_has_the_options_of_a_corpus(tmp_path):
    recipe = read_recipe(written(tmp_path, MINIMAL))
    # The sizes of other parts belong to rungs; labels are those of the data.
    others = {"name_or_path", "validation_fraction", "unlabelled_size", "labels", "progress", "announce"}
    others |= {"fold"}

    assert set(type(recipe.corpus).model_fields) == {"name"} | set(signature(load_corpus).parameters) - others


def test_shares_may_have_their_unit(tmp_path):
    said = (
        '[limits]\nmin_accuracy = "85%"\n[export]\nmax_accuracy_drop = "0.5%"\n'
        '[decision]\nmodel_margin = "3 points"\n[corpus]\ntest_share = "30%"\n'
    )
    recipe = read_recipe(written(tmp_path, MINIMAL + said))
    assert recipe.constraints().as_dict() == {"min_accuracy": 0.85}
    assert recipe.export.max_accuracy_drop == 0.005
    assert recipe.decision.rule().model_margin == 0.03
    assert recipe.corpus.test_share == 0.3
    with pytest.raises(UsageError, match=r"max_accuracy_drop.*1% or 100%"):
        read_recipe(written(tmp_path, MINIMAL + '[export]\nmax_accuracy_drop = "1"\n'))


def test_the_documented_keys_of_limits_exist():
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("| `[limits]`")]

    assert set(re.findall(r"`(\w+)`", line)) == set(LIMITS)


def test_a_file_is_found_by_its_path(tmp_path):
    path = written(tmp_path, MINIMAL)

    assert find_recipe(str(path)) == path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("quikstart", "'quikstart'.*did you mean 'quickstart'"),
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
        ('name = "mine"\n', "wrong at 'rungs'.*required"),
        ('name = "mine"\nrungs = []\n', "wrong at 'rungs'"),
        (MINIMAL.replace('"mine"', '"../mine"'), "wrong at 'name'"),
        (MINIMAL.replace('"baseline"', '"a baseline"'), r"wrong at 'rungs\.0\.name'"),
        (MINIMAL + "epoch = 3\n", r"rung 'baseline'.*'epoch'"),
        (TINY + 'epochs = "three"\n', "rung 'tiny': --epochs 'three'"),
        (TINY + "epochs = 0\n", "rung 'tiny': --epochs must be above 0, not 0"),
        (TINY + "lr = 0.1\n", "rung 'tiny'.*'lr'.*did you mean 'learning_rate'"),
        (TINY + "learningrate = 0.1\n", "rung 'tiny'.*did you mean 'learning_rate'"),
        (TINY + "allow_pickle = true\n", "rung 'tiny'.*'allow_pickle'.*command line"),
        (TINY + 'method = "lorra"\n', "rung 'tiny'.*did you mean 'lora'"),
        (TINY.replace('model = "bert-tiny"', ""), "rung 'tiny'.*needs a model"),
        (TINY + 'teacher = "baselin"\n', "rung 'tiny'.*'baselin'; did you mean 'baseline'"),
        (MINIMAL.replace("[[rungs]]", 'title = "x"\n[[rungs]]'), "'title'"),
        (MINIMAL + "[limits]\nmax_p95 = 3\n", "'limits'.*'max_p95'; did you mean 'max_p95_ms'"),
        (MINIMAL + "[limits]\nmax_p95_ms = 0\n", "'limits'.*max-p95-ms must be a number above 0"),
        (MINIMAL + "[corpus]\ntrain_sise = 3\n", "'corpus'.*'train_sise'; did you mean 'train_size'"),
        (TINY + 'precision = "fp8"\n', "rung 'tiny': --precision fp8.*fp32"),
        (MINIMAL + "seed = 1\nseeds = [1, 2]\n", "in rung 'baseline': it has seed and a list of seeds"),
        (MINIMAL + "seeds = []\n", "rung 'baseline': seeds"),
        (MINIMAL + "seeds = 0\n", "rung 'baseline': seeds"),
        (MINIMAL + 'seeds = ["a"]\n', r"wrong at 'rungs\.0\.seeds"),
        (MINIMAL + "seeds = [1, 2, 2]\n", "two rungs named"),
        (MINIMAL + '[corpus]\nstars = "maybe"\n', r"wrong at 'corpus\.stars'"),
        (MINIMAL + "[profiling]\nprocesses = 1\n", "'profiling'; did you mean 'profile'"),
        (
            MINIMAL + '[export]\nforms = ["int9"]\n',
            r"wrong at 'export\.forms': .*no form 'int9'.*fp32, fused",
        ),
        (MINIMAL + '[profile]\ndevices = ["tpu"]\n', "wrong in 'profile': .*tpu"),
        (
            MINIMAL + '[profile]\ndevices = ["cuda"]\nbackends = ["openvino"]\n',
            "wrong in 'profile': .*cuda: openvino runs on cpu",
        ),
        (
            MINIMAL + '[profile]\ntorch_forms = ["fp32"]\n',
            "'profile': torch_forms goes with the backend torch",
        ),
        (
            MINIMAL + '[profile]\nbackends = ["torch"]\ntorch_forms = ["fp8"]\n',
            "wrong in 'profile': .*fp8",
        ),
        (MINIMAL + '[[rungs]]\nname = "baseline"\n', "two rungs named"),
    ],
)
def test_mistakes_are_named_by_place(tmp_path, text, says):
    with pytest.raises(UsageError, match=says):
        read_recipe(written(tmp_path, text))


def test_a_recipe_in_another_encoding(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(MINIMAL.replace("mine", "mïne").encode("latin-1"))

    with pytest.raises(UsageError, match="cannot be read"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("rung", "said"),
    [
        ('name = "both"\nmethod = "cascade"\nsmall = "baseline"\nlarge = "tiny"\n', "rung 'both'.*build on another"),
        ('name = "student"\nmodel = "bert-tiny"\nteacher = "tiny"\n', "rung 'student'.*build on another"),
        ('name = "often"\nmodel = "bert-tiny"\nseeds = 3\n', "rung 'often'.*folds and seeds"),
    ],
)
def test_folds_take_rungs_that_stand_for_themselves(tmp_path, rung, said):
    text = f"{TINY}[[rungs]]\n{rung}"
    read_recipe(written(tmp_path, text))
    assert read_recipe(written(tmp_path, f"{TINY}[corpus]\nfolds = 5\n")).corpus.folds == 5
    with pytest.raises(UsageError, match=said):
        read_recipe(written(tmp_path, f"{text}[corpus]\nfolds = 5\n"))
