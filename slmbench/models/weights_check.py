"""Whether the weights of a checkpoint are those of the model that its configuration describes.

transformers draws at random whatever a checkpoint lacks, and warns. Here only a new head may start at random: an
encoder that does would be measured as if it had learned something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError
from slmbench.models.model_files import ModelFiles

if TYPE_CHECKING:
    from transformers import PreTrainedModel


#: Tensors that a message names; of more it gives the number.
_NAMED = 4


@dataclass(frozen=True)
class WeightsReport:
    """How the tensors of a checkpoint compare with those of a model.

    Attributes:
        missing: Tensors of the model that the checkpoint lacks.
        unexpected: Tensors of the checkpoint that the model has no use for.
        misshaped: Tensors of both that differ in shape.
    """

    missing: list[str]
    unexpected: list[str]
    misshaped: list[str]

    @classmethod
    def of(cls, loading_info: Mapping[str, Any]) -> WeightsReport:
        """Make a report of what ``from_pretrained(output_loading_info=True)`` returns."""
        # Names, or names with both shapes, by the version of transformers.
        misshaped = [entry if isinstance(entry, str) else entry[0] for entry in loading_info["mismatched_keys"]]
        return cls(
            missing=sorted(loading_info["missing_keys"]),
            unexpected=sorted(loading_info["unexpected_keys"]),
            misshaped=sorted(misshaped),
        )

    def drawn(self) -> list[str]:
        """Return the tensors that were drawn at random."""
        return sorted([*self.missing, *self.misshaped])

    def sentence(self, model: PreTrainedModel, folder: Path) -> str:
        """Return what does not fit, as the end of a sentence.

        Args:
            model: As it was loaded.
            folder: Where its weights are.
        """
        wanted = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
        saved = tensor_shapes(folder)
        prefix = f"{model.base_model_prefix}."
        shapes = [
            f"{name} {saved.get(name) or saved.get(name.removeprefix(prefix))} instead of {wanted.get(name)}"
            for name in self.misshaped
        ]
        found = {"missing": self.missing, "of another shape": shapes, "unexpected": self.unexpected}
        return "; ".join(f"{what}: {_few(names)}" for what, names in found.items() if names)


def tensor_shapes(folder: Path) -> dict[str, list[int]]:
    """Return the shapes of the tensors in a folder's ``*.safetensors`` files, by name; none of pickled weights."""
    from safetensors import safe_open

    shapes: dict[str, list[int]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="numpy") as weights:
            shapes |= {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    return shapes


def check_weights(files: ModelFiles, model: PreTrainedModel, report: WeightsReport, *, new_head: bool) -> list[str]:
    """Check that a model was read from its checkpoint and not drawn at random.

    Args:
        files: The model's files.
        model: As it was loaded.
        report: What was found on loading it.
        new_head: Its head may start at random: it is to be trained, or to be thrown away.

    Returns:
        The tensors that start at random: those of the head, or none.

    Raises:
        SlmbenchError: Other tensors do, embedding tables included; the message names them.
    """
    drawn = report.drawn()
    wrong = [tensor for tensor in drawn if not (new_head and _is_of_head(tensor, model))]
    if not wrong:
        return drawn
    details = report.sentence(model, files.folder)
    if all(_is_of_head(tensor, model) for tensor in wrong):
        raise SlmbenchError(
            f"'{files.name}' has no trained head that fits: its answers would be random ({details}); train one, as a"
            " classifier with --method full, or take a checkpoint that has one"
        )
    raise SlmbenchError(
        f"the weights of '{files.name}' do not fit its config.json, part of the model would be random"
        f" ({details}): download it again, or correct config.json"
    )


def _is_of_head(tensor: str, model: PreTrainedModel) -> bool:
    """Say whether a tensor lies above the encoder; a pooler does, which many encoders are published without."""
    return "pooler" in tensor.split(".") or not (
        tensor.startswith(f"{model.base_model_prefix}.") or model.base_model is model
    )


def _few(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
