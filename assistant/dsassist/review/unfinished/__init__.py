"""Unfinished changes: what was begun in one place and left undone in another, told from structure without a model."""

from dsassist.review.unfinished.find import find_unfinished
from dsassist.review.unfinished.tree import GitTree, Tree

__all__ = ["GitTree", "Tree", "find_unfinished"]
