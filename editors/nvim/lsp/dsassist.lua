-- What `vim.lsp.enable('dsassist')` starts. `require('dsassist').setup()` does that by itself.
return require('dsassist.server').config()
