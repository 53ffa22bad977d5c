"""A recipe where no model hub is reachable: starter models and corpora are substituted, under their own names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slmbench.recipes.recipe import CorpusTable, Recipe
from slmbench.recipes.rungs import CascadeRung, Rung


def offline(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Replace models and corpora that need a hub.

    A rung with another model gets another name that contains both, so that a substitute never has the name of the
    model it replaces.

    Args:
        recipe: The recipe as written.

    Returns:
        The recipe that can be run offline, and sentences that name each substitution.
    """
    models = recipe.offline.models
    renamed: dict[str, str] = {}
    rungs: list[Rung] = []
    for rung in recipe.rungs:
        changes: dict[str, Any] = {
            "offline": {},
            **{key: renamed[other] for key, other in rung.references.items()},
        }
        if not isinstance(rung, CascadeRung):
            substitute = models.get(rung.model, rung.model)
            changes |= {"model": substitute, **rung.offline}
            if substitute != rung.model:
                changes["name"] = f"{Path(substitute).name}-for-{rung.name}"
        elif any(renamed[name] != name for name in rung.references.values()):
            changes["name"] = f"stand-in-for-{rung.name}"
        renamed[rung.name] = changes.get("name", rung.name)
        rungs.append(rung.changed(**changes))
    replaced = {
        rung.model: models[rung.model]
        for rung in recipe.rungs
        if not isinstance(rung, CascadeRung) and rung.model in models
    }
    corpus = CorpusTable.model_validate({**recipe.corpus.model_dump(), **recipe.offline.corpus})
    notes = []
    if replaced:
        pairs = ", ".join(f"{here} stands in for {named}" for named, here in replaced.items())
        notes.append(f"offline: {pairs}; these are not the numbers of the models named in the recipe")
    if corpus.name != recipe.corpus.name:
        notes.append(f"offline: the corpus {corpus.name} stands in for {recipe.corpus.name}")
    changed = {
        "corpus": corpus,
        "rungs": tuple(rungs),
        "transfer": tuple(
            table.model_copy(update={"rung": renamed[table.rung]})
            for table in recipe.transfer
            if _is_here(table.corpus)
        ),
        "name": f"{recipe.name}-offline" if notes else recipe.name,
    }
    left_out = [table.corpus for table in recipe.transfer if not _is_here(table.corpus)]
    if left_out:
        notes.append(f"offline: the transfer to {', '.join(left_out)} is left out, it needs the hub")
    return recipe.model_copy(update=changed), notes


def _is_here(corpus: str) -> bool:
    from slmbench.corpora import corpus_available
    from slmbench.corpora.known_corpora import find_source

    return not find_source(corpus).needs_hub or corpus_available({"name_or_path": corpus})
