"""The language server: handlers that delegate to dsassist."""
