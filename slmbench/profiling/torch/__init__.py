"""Runs measured in torch: precisions, torch.compile and CUDA graphs, beside exported forms."""
