"""The version of dsassist; the one place where it stands."""

__version__ = "0.1.0"

# Beside the version: which engine a request over the Unix socket wants, as JSON of `api.EngineSettings`.
ENGINE_HEADER = "x-dsassist-engine"

# Every request to the server names the client's version in this header.
VERSION_HEADER = "Dsassist-Version"
