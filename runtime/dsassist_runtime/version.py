"""The version of dsassist; the one place where it stands."""

__version__ = "0.1.0"

# Every request to the server names the client's version in this header.
VERSION_HEADER = "Dsassist-Version"
