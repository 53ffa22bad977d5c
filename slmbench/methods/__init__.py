"""Every way to a classifier: training, few-shot, and what a run keeps."""
