"""Each product quantized alone, in one file: the answers are those of a file made for it."""

import numpy as np
import onnx
import pytest

from slmbench.common.progress import SILENT
from slmbench.edge.runtime import OnnxBackend
from slmbench.export.exporter import quantize_dynamic
from slmbench.export.graph import unweighted_nodes, weighted_nodes
from slmbench.export.sensitivity import SearchInputs, rank
from slmbench.export.switched import NotSwitchableError, SwitchedForm, write_switched

TEXTS = ["a superb film", "dull and far too long", "never again"]
PRESET = "avx512_vnni"


@pytest.fixture(scope="module")
def graphs(tiny_bundle, tmp_path_factory):
    """The float graph, one with everything quantized, one with switches, and the names of the products."""
    folder = tmp_path_factory.mktemp("switched")
    source = tiny_bundle / "onnx/model.onnx"
    nodes = weighted_nodes(source)
    quantize_dynamic(source, folder / "all.onnx", PRESET, unweighted_nodes(source))
    write_switched(source, folder / "all.onnx", folder / "switched.onnx", nodes)
    return source, folder / "all.onnx", folder / "switched.onnx", nodes


def answers(backend):
    return np.stack([backend.logits([item])[0] for item in backend.encode(TEXTS)])


def test_without_a_switch_the_answers_are_those_of_fp32(tiny_bundle, graphs):
    source, _, switched, nodes = graphs
    form = SwitchedForm(tiny_bundle, switched, nodes)
    np.testing.assert_allclose(answers(form), answers(OnnxBackend(tiny_bundle, source, 1)), atol=1e-6)


def test_each_product_alone_answers_like_a_file_of_its_own(tiny_bundle, graphs, tmp_path):
    source, _, switched, nodes = graphs
    form = SwitchedForm(tiny_bundle, switched, nodes)
    changed = 0
    for node in nodes:
        keep = [*unweighted_nodes(source), *(other for other in nodes if other != node)]
        quantize_dynamic(source, tmp_path / "one.onnx", PRESET, keep)
        form.quantized = node
        alone = answers(OnnxBackend(tiny_bundle, tmp_path / "one.onnx", 1))
        np.testing.assert_allclose(answers(form), alone, atol=1e-5)
        form.quantized = None
        changed += not np.allclose(answers(form), alone, atol=1e-5)
    assert changed > len(nodes) / 2


def test_what_is_kept_in_float_is_in_float_also_where_bias_and_product_are_one_operator(graphs, tmp_path):
    source, _, _, nodes = graphs
    assert "Gemm" in {node.op_type for node in onnx.load(source).graph.node}
    quantize_dynamic(source, tmp_path / "none.onnx", PRESET, [*unweighted_nodes(source), *nodes])
    assert not {node.op_type for node in onnx.load(tmp_path / "none.onnx").graph.node} & {
        "MatMulInteger",
        "DynamicQuantizeLinear",
    }


def test_graphs_that_do_not_fit_are_refused(graphs, tmp_path):
    source, quantized, _, nodes = graphs
    with pytest.raises(NotSwitchableError, match="no product nothing"):
        write_switched(source, quantized, tmp_path / "x.onnx", [*nodes, "nothing"])
    other = onnx.load(quantized)
    for node in other.graph.node:
        for names in (node.input, node.output):
            names[:] = [f"{name}_renamed" for name in names]
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(NotSwitchableError, match="nothing gives"):
        write_switched(source, tmp_path / "other.onnx", tmp_path / "x.onnx", nodes)


class Answers:
    """Divergences that are known: a node's number, on however many reviews; counts what it is asked."""

    def __init__(self, reviews):
        self.reviews, self.asked = reviews, 0

    def __len__(self):
        return self.reviews

    def divergence(self, node, reviews):
        rows = len(range(self.reviews)[reviews])
        self.asked += rows
        return np.full(rows, float(node))


@pytest.mark.parametrize(("reviews", "asked"), [(256, 16 * 8 + 8 * 8 + 4 * 16), (10, 16 * 8 + 8 * 2), (5, 16 * 5)])
def test_the_more_harmful_half_is_asked_more(reviews, asked):
    class Switched:
        quantized = None

    class Inputs(SearchInputs):
        def with_one(self, node):
            return node

    answers, nodes = Answers(reviews), [str(number) for number in range(16)]
    harm = rank(Inputs(nodes, None, None, answers, None, Switched()), SILENT)
    assert list(harm.items()) == [(str(number), float(number)) for number in reversed(range(16))]
    assert answers.asked == asked
    whole = Answers(reviews)
    assert rank(Inputs(nodes, None, None, whole, None), SILENT) == harm
    assert whole.asked == 16 * min(32, reviews)
