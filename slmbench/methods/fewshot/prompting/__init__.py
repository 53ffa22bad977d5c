"""Prompting: frames around reviews, their tokens, label likelihoods, generated answers and what they mean."""
