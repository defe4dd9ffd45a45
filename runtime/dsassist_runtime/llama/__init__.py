"""A typed, small layer over the low-level API of llama-cpp-python."""
