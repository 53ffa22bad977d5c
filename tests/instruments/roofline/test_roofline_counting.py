"""Operations counted in ONNX files: by hand, the same in every form, the same as the configuration says."""

import onnx
import pytest
from onnx import TensorProto, helper
from tiny import configuration, model_folder

from slmbench.export import FORMS, Calibration, export
from slmbench.export.exporter import export_onnx
from slmbench.instruments.roofline import NotCountableError, count_operations
from slmbench.profiling.architectures.configurations import PublishedModel
from slmbench.profiling.architectures.families import answer_tokens, blueprint
from slmbench.records.roofline import Polynomial

#: Of the tiny BERT: two layers of width 32 and inner width 64, pooler and two labels.
PER_TOKEN = 2 * (4 * 32 * 32 + 2 * 32 * 64)
ONCE = 32 * 32 + 32 * 2
#: Scores and their use, both of width 32, in two layers.
PER_PAIR = 2 * 2 * 32


@pytest.fixture(scope="module")
def every_form(tiny_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("counted") / "tiny"
    calibration = Calibration("minmax", 16)
    export(tiny_run, forms=list(FORMS.names), max_accuracy_drop=1, calibration=calibration, output=folder)
    return folder


@pytest.mark.parametrize("form", FORMS.names)
def test_a_form_computes_what_can_be_counted_by_hand(every_form, form):
    counted = count_operations(every_form / FORMS[form].file)

    assert counted.linear == Polynomial(const=ONCE, per_token=PER_TOKEN)
    assert counted.full == Polynomial(const=ONCE, per_token=PER_TOKEN, per_token2=PER_PAIR)
    assert sum(counted.by_precision.values(), Polynomial()) == counted.full


@pytest.mark.parametrize(
    ("form", "precisions"),
    [
        ("fp32", {"fp32": (ONCE, PER_TOKEN, PER_PAIR)}),
        ("fused", {"fp32": (ONCE, PER_TOKEN, PER_PAIR)}),
        ("fp16", {"fp16": (ONCE, PER_TOKEN, PER_PAIR)}),
        # Products of two activations stay in float.
        ("int8", {"int8": (ONCE, PER_TOKEN, 0), "fp32": (0, 0, PER_PAIR)}),
        ("int8-fused", {"int8": (ONCE, PER_TOKEN, 0), "fp32": (0, 0, PER_PAIR)}),
        # So do pooler and head, which are Gemm.
        ("int8-static", {"int8": (0, PER_TOKEN, 0), "fp32": (ONCE, 0, PER_PAIR)}),
    ],
)
def test_in_what_numbers_a_form_computes(every_form, form, precisions):
    counted = count_operations(every_form / FORMS[form].file)

    found = {p: (work.const, work.per_token, work.per_token2) for p, work in counted.by_precision.items()}
    assert found == precisions


def test_any_length_follows_from_the_polynomial():
    work = Polynomial(const=ONCE, per_token=PER_TOKEN, per_token2=PER_PAIR)

    assert work.at(10) == ONCE + 10 * PER_TOKEN + 100 * PER_PAIR
    assert (work + work).at(10) == 2 * work.at(10)


#: What XLNet's graph computes for the token types, which a call may leave out, and for the waves of its positions: a
#: matrix of two types and 32 columns in two layers, and 16 frequencies for each of two positions a token.
XLNET_TYPES = Polynomial(per_token=2 * 2 * 32)
XLNET_WAVES = Polynomial(per_token=2 * 16)
#: And their scores in four heads.
XLNET_TYPE_SCORES = Polynomial(per_token2=2 * 4 * 2)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "albert", "electra", "roberta", "mpnet", "xlnet"])
def test_the_graph_computes_what_the_configuration_says(kind, tmp_path):
    export_onnx(model_folder(tmp_path / "model", kind), tmp_path / "model.onnx")
    model = PublishedModel("tiny", kind, ("classification",), configuration(kind).to_dict(), "")
    plan, answer = blueprint(model, "classification"), answer_tokens(model, "classification")
    more = XLNET_TYPES + XLNET_WAVES if kind == "xlnet" else Polynomial()
    scores = XLNET_TYPE_SCORES if kind == "xlnet" else Polynomial()

    counted = count_operations(tmp_path / "model.onnx")

    assert counted.linear == plan.linear(answer) + more
    assert counted.full == plan.full(answer) + more + scores


def test_weights_beside_the_file(every_form, tmp_path):
    model = onnx.load(every_form / "onnx/model.onnx")
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=64)
    assert (tmp_path / "weights.bin").stat().st_size > 1000

    assert count_operations(tmp_path / "model.onnx").linear == Polynomial(const=ONCE, per_token=PER_TOKEN)


def saved(path, nodes, initializers=(), inputs=("input_ids",), functions=()):
    """Write a graph from token ids, shape (1, n), to a value y."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, TensorProto.INT64, [1, None]) for name in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid("own", 1)] if functions else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=8), path)
    return path


CAST = helper.make_node("Cast", ["input_ids"], ["x"], to=TensorProto.FLOAT)
OUTER = [CAST, helper.make_node("Einsum", ["x", "x"], ["xx"], equation="bi,bj->ij")]


def test_products_of_constants_cost_nothing(tmp_path):
    table = helper.make_tensor("w", TensorProto.FLOAT, [4, 4], [1.0] * 16)
    nodes = [
        *OUTER,
        helper.make_node("MatMul", ["w", "w"], ["ww"]),
        helper.make_node("ReduceSum", ["ww"], ["s"], keepdims=0),
        helper.make_node("Add", ["xx", "s"], ["y"]),
    ]

    counted = count_operations(saved(tmp_path / "m.onnx", nodes, [table]))

    assert counted.full == Polynomial(per_token2=1)
    assert counted.linear == Polynomial()


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([*OUTER, helper.make_node("MatMul", ["xx", "xx"], ["y"])], "polynomial of second degree"),
        ([CAST, helper.make_node("ConvTranspose", ["x", "x"], ["y"])], "ConvTranspose are not known"),
        ([*OUTER, helper.make_node("Einsum", ["x", "x", "x"], ["y"], equation="bi,bj,bk->ij")], "Einsum"),
        ([CAST, helper.make_node("MatMul", ["x", "x"], ["y"])], "does not run at 4 tokens"),
    ],
)
def test_what_cannot_be_counted_says_why(nodes, says, tmp_path):
    with pytest.raises(NotCountableError, match=says):
        count_operations(saved(tmp_path / "m.onnx", nodes))


def test_inputs_of_other_models_are_not_guessed(tmp_path):
    nodes = [*OUTER, helper.make_node("Identity", ["xx"], ["y"])]
    with pytest.raises(NotCountableError, match="'bbox' is not one of an encoder"):
        count_operations(saved(tmp_path / "m.onnx", nodes, inputs=("input_ids", "bbox")))


def branching(result, node):
    """Return nodes whose last takes the same branch of one node either way, and the condition."""
    output = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
    branch = helper.make_graph([node], "branch", [], [output])
    either = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    return [*OUTER, either], helper.make_tensor("c", TensorProto.BOOL, [], [True])


def test_branches_without_products_do_not_matter(tmp_path):
    nodes, condition = branching("z", helper.make_node("Identity", ["xx"], ["z"]))

    assert count_operations(saved(tmp_path / "if.onnx", nodes, [condition])).full == Polynomial(per_token2=1)


def test_what_is_hidden_from_the_main_graph_is_not_passed_over(tmp_path):
    nodes, condition = branching("z", helper.make_node("MatMul", ["x", "x"], ["z"]))
    with pytest.raises(NotCountableError, match="multiplies in a branch of If"):
        count_operations(saved(tmp_path / "if.onnx", nodes, [condition]))

    own = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    call = helper.make_node("Twice", ["x"], ["y"], domain="own")
    with pytest.raises(NotCountableError, match="functions of its own"):
        count_operations(saved(tmp_path / "own.onnx", [CAST, call], functions=[own]))
