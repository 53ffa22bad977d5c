"""Which text classifier, in which form, should I ship on this hardware? Answered with measurements."""

__version__ = "0.1.0"
