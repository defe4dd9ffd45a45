"""Which thresholds hold for a review: what the user set, what was learnt from their code, or what is shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.review.calibration.fit import fit
from dsassist.review.calibration.record import Record, read_record
from dsassist.review.calibration.thresholds import Thresholds
from dsassist_runtime.models import catalogue

if TYPE_CHECKING:
    from dsassist.config import LoadedConfig
    from dsassist.engine import RemoteModel
    from dsassist_runtime.models.store import ResolvedModel

__all__ = ["fitted_thresholds", "shipped_thresholds", "thresholds_for"]

_OPTION = "review.threshold_nats"
_SHIPPED = Path(__file__).with_name("defaults.json")


def thresholds_for(loaded: LoadedConfig, model: ResolvedModel | RemoteModel) -> Thresholds:
    """A threshold that somebody set holds for all families; else it is learnt or shipped for the model."""
    option_nats, origin = loaded.config.review.threshold_nats, loaded.origins[_OPTION]
    if origin != "default":
        return Thresholds(option_nats, source=f"{_OPTION} ({origin})")
    shipped = shipped_thresholds(model.name, option_nats)
    if model.kind == "remote":
        return shipped
    record = read_record(model.path, model.lora)
    return fitted_thresholds(record, shipped) if record.functions else shipped


def fitted_thresholds(record: Record, before: Thresholds) -> Thresholds:
    """What was learnt from a record; with few functions not less than what held before."""
    found = fit(list(record.functions.values()), before.threshold_nats)
    functions = "1 unchanged function" if found.functions == 1 else f"{found.functions} unchanged functions"
    return Thresholds(found.threshold_nats, found.factors, f"calibrated on {functions}")


def shipped_thresholds(name: str, otherwise_nats: float) -> Thresholds:
    """What comes with dsassist for a model of the catalogue, by its name or by that of its file."""
    files = {entry.file_name: entry.name for entry in catalogue.load().values()}
    name = files.get(Path(name).name, name)
    shipped = json.loads(_SHIPPED.read_bytes()).get(name)
    if shipped is None:
        return Thresholds(otherwise_nats, source="default")
    return Thresholds(shipped["threshold_nats"], shipped["factors"], f"shipped for {name}")
