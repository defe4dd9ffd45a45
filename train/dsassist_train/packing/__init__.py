"""A packed corpus becomes sequences to train on: text, holes as the runtime asks for them, and functions with bugs."""

from dsassist_train.packing.bugs import BugRow, bug_rows
from dsassist_train.packing.groups import next_group
from dsassist_train.packing.mix import Mix
from dsassist_train.packing.samples import LEAST_LENGTH
from dsassist_train.packing.sequences import Packed, sequences

__all__ = ["LEAST_LENGTH", "BugRow", "Mix", "Packed", "bug_rows", "next_group", "sequences"]
