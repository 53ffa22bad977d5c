"""Study 000's cloze protocol (Cabestany & Adsuar): its template and its rule of decision.

Its published tables are recomputed by ``benchmarks/studies/study_000.py``.
"""

#: Its name on the command line.
PROTOCOL = "study-000"
#: What follows a title, the mask's place marked.
TEMPLATE = "{text}, this review is {mask}."
#: A word counts when it is among so many likeliest tokens.
TOP_N = 30
