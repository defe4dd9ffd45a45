(import_spec !name path: (_) @module)
(import_spec name: (_) @module_alias path: (_) @module)
