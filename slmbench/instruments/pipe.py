"""The child's side of a child process: requests on stdin, answers on stdout, one JSON document per line.

It imports next to nothing, because measured processes use it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from slmbench.common.lifeline import end_with_parent


class RequestPipe:
    """Iterates over the parent's requests until stdin is closed; each must be answered before the next comes.

    What libraries write to stdout goes to stderr from now on. The process ends with its parent.
    """

    def __init__(self) -> None:
        end_with_parent()
        self._answers = sys.stdout
        sys.stdout = sys.stderr

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in sys.stdin:
            yield json.loads(line)

    def answer(self, document: Any) -> None:
        """Send the answer to the last request."""
        self._answers.write(json.dumps(document) + "\n")
        self._answers.flush()
