"""The git hook: the pre-commit entry and its installation."""
