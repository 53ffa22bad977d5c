"""Parts of ``--method prompt``: prompts and their tokens, label likelihoods, generated answers, a classifier."""
