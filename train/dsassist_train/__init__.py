"""Trains small mixtures of experts after DeepSeek-V2, and writes them as GGUF files that llama.cpp runs unchanged.

Nothing imports this package: training and serving meet in the file. PyTorch comes with the extra `train` and is
imported by `architecture`, `fused`, `optimizers`, `losses`, `checkpoint`, `training`, `speed` and `export` alone.
"""
