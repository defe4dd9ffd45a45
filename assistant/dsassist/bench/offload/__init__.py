"""`dsassist bench offload`: a mixture of experts larger than memory, by llama.cpp's own means and by ours.

The parts, from below: `memory_cap`, `read_ahead` (what the machine is set to meanwhile), `routing` (a recorded choice
of experts, forced on a model), `advised` (the best that is known for a mapped file), `arm` (one way to run a model, in
a process of its own), `cases` (models, and the memory that they get), `figures` (what came of it, and the bars), `run`,
`command`.
"""
