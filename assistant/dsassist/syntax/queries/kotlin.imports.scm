(import) @tree
