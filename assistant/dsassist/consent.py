"""To which addresses the code of a repository may be sent: none, until its user says so for each repository and host.

What stays on this machine (a loopback address) needs no consent. Recorded are the repository's root, and scheme, host
and port of the address: a consent to https is none to http, where everybody on the way can read along.
"""

from __future__ import annotations

from pathlib import Path

from dsassist.records import read_record, write_record
from dsassist_runtime.errors import NotDone
from dsassist_runtime.remote.address import Address

__all__ = ["ConsentMissing", "allow_remote", "check_consent", "keep_local", "may_be_sent"]

_RECORD = "remote"


class ConsentMissing(NotDone):
    """The code of this repository may not be sent to this address."""


def allow_remote(root: Path, address: Address) -> None:
    """Consent that the code of the repository at `root` is sent to an address."""
    allowed = _read()
    origins = allowed.setdefault(_name(root), [])
    if address.origin not in origins:
        origins.append(address.origin)
    write_record(_RECORD, allowed)


def keep_local(root: Path) -> list[str]:
    """Take every consent for a repository back; gives the addresses that there were."""
    allowed = _read()
    origins = allowed.pop(_name(root), [])
    if origins:
        write_record(_RECORD, allowed)
    return origins


def may_be_sent(root: Path | None, address: Address) -> bool:
    """Whether the code of the repository at `root` may be sent to an address; None is a repository nobody knows."""
    return address.is_loopback or (root is not None and address.origin in _read().get(_name(root), []))


def check_consent(root: Path | None, address: Address) -> None:
    """`ConsentMissing`, with the command to type, unless the code may be sent there."""
    if not may_be_sent(root, address):
        raise ConsentMissing(
            f"the code in {root or 'this folder'} is not sent to {address.origin} without your consent; "
            f"`dsassist config --allow-remote {address.origin}` there gives it"
        )


def _name(root: Path) -> str:
    return str(root.resolve())


def _read() -> dict[str, list[str]]:
    return {
        root: [origin for origin in origins if isinstance(origin, str)]
        for root, origins in read_record(_RECORD).items()
        if isinstance(origins, list)
    }
