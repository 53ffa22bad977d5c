"""Fine-tuning: from a corpus and a base model to a run with its test metrics."""

from slmbench.methods.training.adapt import MlmOptions, adapt
from slmbench.methods.training.finetune import TrainingOptions, finetune

__all__ = ["MlmOptions", "TrainingOptions", "adapt", "finetune"]
