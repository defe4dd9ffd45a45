"""Asking an instruct model about code, and what of its answer goes into the file: explain, document, test, fix."""
