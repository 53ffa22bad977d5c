"""Progress that remembers what was said."""

from __future__ import annotations

from slmbench.common.progress import Silent


class Listener(Silent):
    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)
