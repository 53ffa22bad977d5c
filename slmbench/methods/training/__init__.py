"""Fine-tuning: from a corpus and a base model to a run with its test metrics."""

from slmbench.methods.training.finetune import finetune
from slmbench.methods.training.mlm import MlmOptions, adapt
from slmbench.methods.training.options import TrainingOptions

__all__ = ["MlmOptions", "TrainingOptions", "adapt", "finetune"]
