(import_declaration) @tree
