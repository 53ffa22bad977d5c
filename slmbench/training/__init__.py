"""Fine-tuning: from a corpus and a base model to a run with its test metrics."""

from slmbench.training.finetune import finetune
from slmbench.training.options import METHODS, TrainingOptions

__all__ = ["METHODS", "TrainingOptions", "finetune"]
