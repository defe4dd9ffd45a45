"""Source text as syntax: languages and their grammars, trees, and what a tree says of a change."""
