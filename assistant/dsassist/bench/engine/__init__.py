"""`dsassist bench engine`: our server beside llama-server, in one run, the arms taking turns.

`run` holds the bench together; each group of figures is a module with one function `measure(Trial) -> Measured`. The
same requests go to both servers over TCP, and only one of them works at a time.
"""
