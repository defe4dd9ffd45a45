"""A packed corpus becomes sequences to train on: plain text, and holes that are asked for as the runtime asks."""

from dsassist_train.packing.mix import Mix
from dsassist_train.packing.samples import LEAST_LENGTH
from dsassist_train.packing.sequences import Packed, next_group, sequences

__all__ = ["LEAST_LENGTH", "Mix", "Packed", "next_group", "sequences"]
