"""A dense model becomes a mixture of experts: its feed-forward neurons are grouped and a router is fitted."""
