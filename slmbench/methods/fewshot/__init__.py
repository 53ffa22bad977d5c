"""Few or no labels: cloze, contrastive few-shot, entailment, prompted language models."""

from slmbench.methods.fewshot.answering import FewshotOptions, fewshot

__all__ = ["FewshotOptions", "fewshot"]
