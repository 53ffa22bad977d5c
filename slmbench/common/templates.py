"""Markdown from templates: model cards and reports are written by Jinja2, never by joining strings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from slmbench.common.formatting import printable

#: What begins a tag of HTML; Markdown may have them.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def _harmless(value: Any) -> Any:
    """Return a value that cannot add markup: names and sentences may be untrusted."""
    if not isinstance(value, str):
        return value
    return _TAG.sub("&lt;", printable(value).replace("\n", " ")).replace("](", "]\\(")


def render_markdown(
    package: str, template: str, filters: Mapping[str, Callable[..., Any]] | None = None, **values: Any
) -> str:
    """Fill in a template of a package's ``templates`` folder.

    Args:
        package: Such as ``slmbench.export``.
        template: The file's name.
        filters: Filters beside Jinja2's own.
        **values: The template's variables; one that is missing is an error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
        finalize=_harmless,
    )
    environment.filters |= dict(filters or {})
    return environment.get_template(template).render(**values)
