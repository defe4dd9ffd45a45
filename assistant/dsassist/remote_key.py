"""The key that a model's address asks for: from an environment variable, else from the system's keyring.

Never from a configuration file: those are copied, shown and committed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

from dsassist_runtime.errors import RemoteFailed
from dsassist_runtime.remote.address import Address

__all__ = ["KEYRING_SERVICE", "find_api_key"]

KEYRING_SERVICE = "dsassist"
"""The service in the keyring; the user name is the address's origin: `keyring set dsassist https://llm.example`."""


def find_api_key(address: Address, variable: str) -> str | None:
    """The key for an address, or None; the keyring is an optional extra, and is not asked for this machine's own.

    `RemoteFailed` when the keyring has been locked or is broken.
    """
    if key := os.environ.get(variable, "").strip():
        return key
    if address.is_loopback or importlib.util.find_spec("keyring") is None:
        return None
    keyring: Any = importlib.import_module("keyring")
    errors: Any = importlib.import_module("keyring.errors")
    try:
        key = keyring.get_password(KEYRING_SERVICE, address.origin)
    except errors.NoKeyringError:
        return None
    except errors.KeyringError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RemoteFailed(
            f"the keyring does not give the key for {address.origin} ({reason}); set {variable}"
        ) from error
    return key or None
