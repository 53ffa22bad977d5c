"""Whole corpora answered by a bundle: in shards with manifests, so that nothing is lost and nothing twice.

From the input to the summary: ``stores`` (folders, here or remote), ``inputs`` (which files), ``reading`` (rows by
their place), ``planning`` (how many rows, and what a rerun has to agree with), ``answers`` (how rows are written),
``shards`` (one shard is claimed, written and committed), ``worker`` (that, in a process), ``crew`` (several of them),
``summary`` (all shards together), and ``predicting``, which calls them.
"""
