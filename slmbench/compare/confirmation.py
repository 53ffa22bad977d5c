"""The accuracy of what is recommended, on reviews used for nothing else: one opening a decision, logged.

Where the profile of the winner carries sealed answers, they are opened and scored. An opening is one decision: these
answers under these limits. Deciding the same again is not another one; other limits or another winner are, and all
openings of the same reviews are counted. The log, :data:`LOG`, lies in the folder of the profile, and lines are only
ever added; what cannot be logged is not opened. Where there are no sealed answers, the accuracy on the reviews that
chose the winner is corrected for the choice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.formatting import percent, percent_interval, points
from slmbench.common.version import __version__
from slmbench.compare.choosing import Candidates, Choice, choose
from slmbench.compare.decision import Decision
from slmbench.records.comparison import Confirmation, CorrectedAccuracy
from slmbench.records.sealed_answers import SealedAnswers, carried_content, open_answers
from slmbench.statistics.resampling import corrected_for_selection, selection_optimism

#: The log of openings, one JSON document a line.
LOG = "openings.jsonl"
_OLDER = "its profile is from before answers were kept for it"


def confirm(decision: Decision, folders: Mapping[str, Path]) -> Confirmation | CorrectedAccuracy | None:
    """Return the accuracy of the winner that a decision may report.

    Args:
        decision: The decision for one machine.
        folders: Where the profiles with sealed answers lie, by the digest of the answers.

    Returns:
        The confirmed accuracy; where there is none, the corrected one with the reason; ``None`` without a winner.
    """
    if decision.choice is None or decision.winner is None:
        return None
    profile = decision.choice.winner.profile
    sealed = profile.confirmation
    if sealed is None:
        return _corrected(decision.choice, profile.no_confirmation or _OLDER)
    folder = folders.get(sealed.digest)
    if folder is None:
        return _corrected(decision.choice, "its profile was not read from a file, so no opening can be logged")
    try:
        content = carried_content(sealed)
        openings = _log_opening(folder / LOG, decision, sealed)
    except OSError as error:
        return _corrected(decision.choice, f"the opening cannot be logged in {folder / LOG} ({error.strerror})")
    except SlmbenchError as error:
        return _corrected(decision.choice, str(error))
    scores = open_answers(content).evaluate()
    return Confirmation(
        reviews=scores.reviews,
        accuracy=scores.accuracy,
        ci95=scores.accuracy_ci95,
        macro_f1=scores.macro_f1,
        rows_hash=sealed.rows_hash,
        digest=sealed.digest,
        openings=openings,
    )


def headline(found: Confirmation | CorrectedAccuracy | None, limits: Mapping[str, float]) -> str:
    """Return the accuracy to expect of what is shipped and which reviews it is from; empty where nothing chose it.

    Args:
        found: From :func:`confirm`.
        limits: The limits of the decision, by name.
    """
    if found is None or (isinstance(found, CorrectedAccuracy) and found.candidates == 1):
        return ""
    expected = f"{percent(found.accuracy)} [{percent_interval(found.ci95)}]"
    minimum = limits.get("min_accuracy", 0.0)
    if found.accuracy < minimum:
        expected += f", below the minimum of {percent(minimum)}"
    if isinstance(found, Confirmation):
        again = f" (opened {found.openings} times)" if found.openings > 1 else ""
        return f"accuracy {expected}, confirmed on {found.reviews:,} reviews that were used for nothing else{again}"
    than = "as" if found.optimism < 0.0005 else f"{points(found.optimism)} less than"
    return (
        f"expected accuracy {expected}, {than} on the {found.reviews:,} reviews it was chosen on (not confirmed on"
        f" others: {found.no_confirmation})"
    )


def _log_opening(log: Path, decision: Decision, sealed: SealedAnswers) -> int:
    """Log an opening unless it is there, and return how many there are of the same reviews, this one included.

    A line that cannot be read counts as one.

    Raises:
        OSError: The log cannot be read or written.
    """
    logged: list[dict[str, Any]] = []
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        logged.append(entry if isinstance(entry, dict) else {"confirmation_hash": sealed.confirmation_hash})
    opening = {"digest": sealed.digest, "limits": decision.limits}
    if not any(opening.items() <= entry.items() for entry in logged):
        profile = decision.choice.winner.profile if decision.choice else None
        entry = {
            "opened": datetime.now(UTC).isoformat(timespec="seconds"),
            "name": profile and profile.bundle,
            "form": profile and profile.form,
            **opening,
            "confirmation_hash": sealed.confirmation_hash,
            "rows_hash": sealed.rows_hash,
            "slmbench_version": __version__,
        }
        with log.open("a", encoding="utf-8") as file:
            # A line may have been cut off by a full disk.
            file.write(("\n" if text and not text.endswith("\n") else "") + json.dumps(entry) + "\n")
        logged.append(entry)
    return sum(entry.get("confirmation_hash") == sealed.confirmation_hash for entry in logged)


def _corrected(choice: Choice, reason: str) -> CorrectedAccuracy:
    winner, candidates = choice.winner, choice.candidates
    optimism = 0.0
    if len(candidates) > 1:
        right = np.stack([cell.right for cell in candidates])
        optimism = selection_optimism(right, lambda weights: _choose_again(choice.compared, right, weights))
    interval = winner.accuracy_ci95
    accuracy, ci95 = corrected_for_selection(winner.accuracy, interval, optimism)
    return CorrectedAccuracy(
        no_confirmation=reason,
        reviews=winner.profile.evaluation.reviews,
        measured=winner.accuracy,
        optimism=optimism,
        candidates=len(candidates),
        accuracy=accuracy,
        ci95=ci95,
    )


def _choose_again(compared: Candidates, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Choose by accuracy where each review counts so often, shape (replays, reviews); returns numbers, (replays,)."""
    quality = weights @ right.T / weights.sum(1, keepdims=True)
    log_time = np.repeat(compared.log_time[None], len(quality), axis=0)
    return choose(quality, log_time, compared.size, compared.margins).winner
