"""How often decisions are wrong: the parts of ``benchmarks/operating_characteristics.py``, one a kind of decision.

Every function that returns rates takes the number of replays and a seed. ``before`` has the rules that slmbench had
before verdicts had margins; what is measured now is called from slmbench as a comparison or an export calls it.
"""
