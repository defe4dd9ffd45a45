(use_declaration argument: (_) @tree)
(mod_item name: (identifier) @module !body)
