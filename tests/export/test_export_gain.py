"""Whether a form is worth having: the verdict follows from measured times and sizes."""

import time

import pytest

from slmbench.common.progress import SILENT
from slmbench.edge.runtime import OnnxBackend
from slmbench.export.checking import FormChecker, describe_gain, measure_gain


@pytest.mark.parametrize(
    ("speedup", "interval", "size", "verdict", "said"),
    [
        (2.0, (1.8, 2.2), 0.25, "faster_and_smaller", "faster and smaller: 2.00× the speed of fp32"),
        (1.5, (1.2, 1.7), 1.0, "faster", "faster: 1.50×"),
        (1.01, (0.9, 1.1), 0.25, "smaller", "smaller, not measurably faster: 1.01×"),
        (0.6, (0.5, 0.7), 0.25, "smaller", "smaller, but slower: 0.60×"),
        (1.02, (1.01, 1.03), 1.0, "none", "no gain on this CPU: not measurably faster and not smaller"),
        (0.8, (0.7, 0.9), 1.1, "none", "no gain on this CPU: slower and not smaller"),
    ],
)
def test_the_verdict(speedup, interval, size, verdict, said):
    gain = describe_gain([1.0], [1.0], speedup, interval, size)
    assert gain.verdict == verdict
    assert gain.sentence.startswith(said)


class Recording:
    """A backend that notes what it is asked."""

    def __init__(self, asked, name):
        self.asked, self.name = asked, name

    def lengths(self, items):
        return [len(item) for item in items]

    def logits(self, items):
        self.asked.append((self.name, items[0]))


def test_the_two_take_turns_on_the_same_reviews_of_all_lengths():
    asked = []
    items = ["x" * length for length in range(1, 301)]
    gain = measure_gain(Recording(asked, "fp32"), Recording(asked, "form"), items, fp32_bytes=100, form_bytes=50)
    warm, timed = asked[:2], asked[2:]
    assert [name for name, _ in warm] == ["fp32", "form"]
    pairs = list(zip(timed[::2], timed[1::2], strict=True))
    assert len(pairs) == gain.reviews == 60
    assert all(first[1] == second[1] for first, second in pairs)
    assert {first[0] for first, _ in pairs[::2]} == {"fp32"}
    assert {first[0] for first, _ in pairs[1::2]} == {"form"}
    lengths = sorted(len(first[1]) for first, _ in pairs)
    assert (lengths[0], lengths[-1]) == (1, 300)
    assert gain.size_ratio == 0.5


def cpu_after_answers(backend):
    """CPU seconds of this process in the 50 ms after each of six answers, the largest left out."""
    items = backend.encode(["a good film"])
    backend.logits(items)
    used = []
    for _ in range(6):
        backend.logits(items)
        before = time.process_time()
        time.sleep(0.05)
        used.append(time.process_time() - before)
    return sum(sorted(used)[:-1])


def test_a_form_that_has_answered_leaves_the_cores_to_the_other(tiny_bundle):
    file = tiny_bundle / "onnx/model.onnx"
    checked = FormChecker(tiny_bundle, None, [], 0, SILENT).load(file)
    assert checked._session.get_session_options().get_session_config_entry("session.force_spinning_stop") == "1"
    # Two threads also on a machine with one core, where onnxruntime's own choice would be one.
    quiet, spinning = (OnnxBackend(tiny_bundle, file, 2, spin_between=spin) for spin in (False, True))
    assert cpu_after_answers(quiet) < 0.02 < cpu_after_answers(spinning)
