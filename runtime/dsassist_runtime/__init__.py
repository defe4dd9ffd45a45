"""How tokens are made: model files, the engine, the server, the client."""
