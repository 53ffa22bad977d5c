"""Does a bundle answer on this machine as it did where it was exported? Needs the base install only."""

from slmbench.verify.replay import verify

__all__ = ["verify"]
