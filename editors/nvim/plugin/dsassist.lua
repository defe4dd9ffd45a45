if vim.g.loaded_dsassist or vim.fn.has('nvim-0.11') == 0 then
  return
end
vim.g.loaded_dsassist = true
require('dsassist.commands').define()
require('dsassist.ghost').follow_clients()
