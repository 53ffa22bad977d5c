"""Fine-tuning: from a corpus and a base model to a run with its test metrics."""

from slmbench.training.finetune import finetune
from slmbench.training.mlm import MlmOptions, adapt
from slmbench.training.options import METHODS, TrainingOptions

__all__ = ["METHODS", "MlmOptions", "TrainingOptions", "adapt", "finetune"]
