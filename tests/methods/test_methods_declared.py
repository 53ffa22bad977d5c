"""What a declaration may say, and that reading the declarations costs nothing."""

import subprocess
import sys

import pytest

from slmbench.common.errors import UsageError
from slmbench.methods.known_methods import METHODS, method_of, picks_epoch
from slmbench.methods.method import Method
from slmbench.methods.options import ByModel, Option

WIDTH = Option("width", int, "Width", ByModel("the model's", lambda _, hidden: hidden), min=1, max=9)
SHADE = Option("shade", str, "Shade", choices=("light", "dark"))
DEPTH = Option("depth", float, "Depth", 0.5, above=0, below=1, goes_with="shade", flags=("--deep", "--depth"))
PEN = Option("pen", bool, "Use a pen", default=False, keyboard_only=True)
DRAW = Method("draw", "Draw it", "finetune", print, (WIDTH, SHADE, DEPTH, PEN))


def test_the_registry_imports_no_library_of_the_trade():
    script = (
        "import sys, slmbench.methods.known_methods as r; print([n for n in sys.modules if n in %r], r.METHODS.names)"
    )
    heavy = ("torch", "transformers", "sklearn", "numpy", "pydantic", "onnxruntime")
    shown = subprocess.run(
        [sys.executable, "-c", script % (heavy,)], capture_output=True, text=True, check=True
    ).stdout
    assert shown.startswith("[]")
    assert "lora" in shown


def test_values_are_checked_and_defaults_filled_in():
    chosen = DRAW.choose({"shade": "dark", "width": None})
    assert (chosen.shade, chosen.depth, chosen.width, chosen.pen) == ("dark", 0.5, None, False)
    assert chosen.for_model("bert", 7).width == 7
    assert chosen.for_model("bert", 7).hyperparameters() == {"width": 7, "shade": "dark", "depth": 0.5}
    # What goes with an option that was not chosen has no part in the run.
    assert DRAW.choose({}).for_model("bert", 7).hyperparameters() == {"width": 7, "shade": None}
    assert DRAW.choose({}).replace(width=3) == DRAW.choose({"width": 3})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"width": 0}, "--width.*at least 1 and at most 9, not 0"),
        ({"width": 10}, "--width.*not 10"),
        ({"width": "many"}, "--width 'many'"),
        ({"shade": "drak"}, "--shade drak.*light, dark.*did you mean 'dark'"),
        ({"shade": "dark", "depth": 1}, "--deep.*above 0 and below 1"),
        ({"shade": "dark", "depth": float("nan")}, "--deep.*nan"),
        ({"depth": 0.5}, "--deep.*--shade"),
        ({"widht": 3}, "--widht.*did you mean 'width'"),
    ],
)
def test_mistakes(given, says):
    with pytest.raises(UsageError, match=says):
        DRAW.choose(given)


@pytest.mark.parametrize("options", [(WIDTH, WIDTH), (Option("corpus", str, "Which"),)])
def test_names_that_are_taken(options):
    with pytest.raises(ValueError, match="taken"):
        Method("draw", "Draw it", "finetune", print, options)


def test_a_method_is_known_by_name_and_command():
    assert method_of("fewshot", "setfit") is METHODS["setfit"]
    with pytest.raises(UsageError, match="slmbench fewshot"):
        method_of("finetune", "setfit")
    with pytest.raises(UsageError, match="did you mean 'linear'"):
        method_of("finetune", "linaer")
    for stage, name in (("fewshot", "mlm"), ("finetune", "mlm"), ("finetune", "cascade")):
        with pytest.raises(UsageError, match=f"slmbench {'adapt' if name == 'mlm' else name}"):
            method_of(stage, name)
    assert (picks_epoch("full"), picks_epoch("tfidf"), picks_epoch("of a package that is gone")) == (
        True,
        False,
        False,
    )


def test_every_method_names_its_code_and_its_extra():
    for method in METHODS:
        assert method.help and not method.help.endswith(".")
        assert method.needs
        assert method.card
