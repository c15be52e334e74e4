"""The journal of a venue: every command it was given, and what is needed to apply them again."""
