"""An address in the engine's place: any server that speaks OpenAI's protocol, reached over HTTP."""
