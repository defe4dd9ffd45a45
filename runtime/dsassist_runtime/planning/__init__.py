"""How a model that may be larger than memory would be held: what it contains, what the machine has, and the plan."""
