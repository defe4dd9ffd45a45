"""Whether the machine runs on its battery, as far as Linux tells."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_on_battery"]

_SUPPLIES = Path("/sys/class/power_supply")


def is_on_battery(supplies: Path = _SUPPLIES) -> bool:
    """Is there a battery that is used up? False where nothing is known of it."""
    return any(_read(each / "type") == "Battery" and _read(each / "status") == "Discharging" and
               _read(each / "scope") != "Device" for each in _folders(supplies))  # fmt: skip


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
