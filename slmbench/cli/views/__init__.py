"""Tables and lines for a terminal; all that rich renders."""
