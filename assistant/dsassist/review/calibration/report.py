"""What a person sees of a calibration: a bar with the time left, and at its end what was learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsassist.review.calibration.calibration import Calibration, Step
from dsassist.review.calibration.current import fitted_thresholds, shipped_thresholds, thresholds_for
from dsassist.review.calibration.fit import LEAST_FUNCTIONS, fit
from dsassist.review.calibration.record import read_record

if TYPE_CHECKING:
    from dsassist.config import LoadedConfig
    from dsassist_runtime.models.store import ResolvedModel

__all__ = ["calibration_report", "progress"]


def progress(calibration: Calibration) -> None:
    """Take all steps of a calibration, with a bar on a terminal."""
    from tqdm import tqdm

    # disable=None: no bar where stderr is no terminal.
    with tqdm(desc="calibrate", unit=" functions", total=calibration.step.wanted, disable=None, leave=False) as bar:
        while (step := calibration.next_step()) is not None:
            bar.update(step.done - bar.n)


def calibration_report(loaded: LoadedConfig, model: ResolvedModel, step: Step) -> str:
    """What was learnt from all functions that were ever measured with a model, and what it changes."""
    shipped = shipped_thresholds(model.name, loaded.config.review.threshold_nats)
    record = read_record(model.path, model.lora)
    lines = []
    if step.done < step.wanted:
        lines.append(f"HEAD has only {step.done} of {step.wanted} functions with something to ask about")
    if not record.functions:
        return "\n".join([*lines, f"nothing was learnt; findings need {shipped.threshold_nats:g} nats as before"])
    found = fitted_thresholds(record, shipped)
    alarms = fit(list(record.functions.values()), shipped.threshold_nats)
    lines.append(
        f"findings with {model.title if model.kind == 'file' else model.name} need {found.threshold_nats:g} nats "
        f"({shipped.threshold_nats:g} {shipped.source}): "
        f"{alarms.alarms} of {alarms.functions} unchanged functions raise one"
    )
    lines += [f"  {family}: {factor:g} times that" for family, factor in sorted(found.factors.items())]
    if alarms.functions < LEAST_FUNCTIONS:
        lines.append(f"with fewer than {LEAST_FUNCTIONS} functions the threshold can only be raised")
    if (used := thresholds_for(loaded, model)).source != found.source:
        lines.append(f"not used: {used.source} is set to {used.threshold_nats:g}")
    return "\n".join(lines)
