"""The first source: a file of a Hugging Face repository, resumed where an earlier pull stopped.

`huggingface_hub` says where the file is, which token to show, and speaks the hub's errors. The bytes are ours to fetch:
its `hf_hub_download` (2.4: `_download_to_tmp_and_move`) writes to a temporary file of a random name and deletes it on
any error, so ten gigabytes that break off at nine would begin again.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from dsassist_runtime.models.catalogue import CatalogueEntry
from dsassist_runtime.models.writing import PartialFile, SourceError

__all__ = ["HubFile", "fetch", "look_up"]

_CONNECT_TIMEOUT_S = 8.0
_READ_TIMEOUT_S = 30.0
_FRUITLESS_TRIES = 3  # in a row, without a single new byte
_DEFAULT_ENDPOINT = "https://huggingface.co"


@dataclass(frozen=True)
class HubFile:
    """A file as the hub states it; `sha256` is None for the rare one that is not stored by its digest."""

    url: str
    etag: str
    bytes: int | None
    sha256: str | None
    source: str  # for the record: repository, revision and file


def look_up(entry: CatalogueEntry) -> HubFile:
    """Ask the hub for an entry's file; `SourceError` within seconds when it cannot be reached, is off, or refuses."""
    if _is_true(os.environ.get("HF_HUB_OFFLINE")) or _is_true(os.environ.get("TRANSFORMERS_OFFLINE")):
        raise SourceError("Hugging Face was not asked, as HF_HUB_OFFLINE is set")
    _keep_quiet()
    import httpx2
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT or _DEFAULT_ENDPOINT).rstrip("/")
    url = hf_hub_url(entry.repository, entry.file, revision=entry.revision, endpoint=endpoint)
    try:
        found = get_hf_file_metadata(url, timeout=_CONNECT_TIMEOUT_S, endpoint=endpoint, library_name="dsassist")
    except HfHubHTTPError as error:
        raise _refused(endpoint, entry, error) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OfflineModeIsEnabled, OSError) as error:
        raise SourceError(f"{endpoint} cannot be reached ({_reason(error)})") from error
    if found.etag is None or found.commit_hash is None:
        raise SourceError(f"{endpoint} does not answer as a Hugging Face hub; check HF_ENDPOINT and the proxy")
    sha256 = found.etag if re.fullmatch(r"[0-9a-f]{64}", found.etag) else None
    return HubFile(url, found.etag, found.size, sha256, f"{entry.repository}@{found.commit_hash}:{entry.file}")


def fetch(file: HubFile, part: PartialFile, progress: Callable[[int], object]) -> None:
    """Append what is missing in `part`; a broken connection is taken up again, `SourceError` after a few vain tries.

    `progress` gets the bytes of each block, and a negative number when the server made us begin again.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    fruitless = 0
    while file.bytes is None or part.size < file.bytes:
        before, reason = part.size, "it gave less than the whole file"
        try:
            _get_rest(file, part, progress)
            if file.bytes is None:
                return
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status not in (408, 429, 500, 502, 503, 504):
                raise SourceError(f"{file.url} refused the download ({status})") from error
            reason = f"it answered {status}"
        except httpx2.HTTPError as error:
            reason = _reason(error)
        fruitless = 0 if part.size > before else fruitless + 1
        if fruitless == _FRUITLESS_TRIES:
            raise SourceError(f"the download from {httpx2.URL(file.url).host} broke off ({reason})")
        time.sleep(fruitless)


def _get_rest(file: HubFile, part: PartialFile, progress: Callable[[int], object]) -> None:
    import httpx2
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    headers = build_hf_headers(library_name="dsassist")
    headers["Accept-Encoding"] = "identity"  # positions are those of the file, not of a compressed stream
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
    timeout = httpx2.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
    # The client drops the authorization header when the hub sends it on to a storage host.
    with get_session().stream("GET", file.url, headers=headers, timeout=timeout, follow_redirects=True) as response:
        if part.size and response.status_code in (200, 416):
            progress(-part.size)
            part.begin_again()
            if response.status_code == 416:
                _get_rest(file, part, progress)
                return
        hf_raise_for_status(response)
        for block in response.iter_bytes():
            part.write(block)
            progress(len(block))


def _keep_quiet() -> None:
    # Before the library is imported, as it reads this once. Else it tells the hub what else is installed here, and
    # fetches a list of programs to recognise first (`utils/_detect_agent.py`), outside our time limits.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def _is_true(value: str | None) -> bool:
    return value is not None and value.upper() in {"1", "ON", "YES", "TRUE"}


def _refused(endpoint: str, entry: CatalogueEntry, error: Exception) -> SourceError:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RemoteEntryNotFoundError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return SourceError(
            f"{entry.repository} asks for a licence to be accepted; do that at {endpoint}, then `hf auth login`"
        )
    if isinstance(error, RepositoryNotFoundError):
        return SourceError(f"{endpoint} has no repository {entry.repository}, or shows it only to its members")
    if isinstance(error, RemoteEntryNotFoundError):
        return SourceError(f"{endpoint} has no file {entry.file} in {entry.repository}")
    assert isinstance(error, HfHubHTTPError)
    return SourceError(f"{endpoint} answered {error.response.status_code} for {entry.repository}")


def _reason(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return text or type(error).__name__
