--- The face of the plug-in: what an init.lua, a mapping or a statusline may call.
---
--- The plug-in finds the server, starts it, shows what it offers and says how it is; what is offered is the server's.

local M = {}

--- Take the user's options and start the server for every file that is opened.
---@param options? dsassist.Options
function M.setup(options)
  local message = require('dsassist.message')
  if vim.fn.has('nvim-0.11') == 0 then
    message.error('Neovim 0.11 or newer is needed')
    return
  end
  vim.cmd.runtime('plugin/dsassist.lua') -- who puts the plug-in on the path once Neovim runs has not had it sourced
  require('dsassist.options').take(options or {})
  require('dsassist.keys').map()
  local cmd = require('dsassist.options').current.cmd
  if vim.fn.executable(cmd[1]) == 0 then
    message.error(("%s was not found; install dsassist, or set `cmd` in its setup (:checkhealth dsassist)"):format(cmd[1]))
    return
  end
  vim.lsp.enable('dsassist')
end

--- Take the whole text that is shown. False, and nothing done, when none is.
---@return boolean
function M.accept()
  return require('dsassist.ghost').accept('whole')
end

--- Take the next word of it.
---@return boolean
function M.accept_word()
  return require('dsassist.ghost').accept('word')
end

--- Take the rest of its line.
---@return boolean
function M.accept_line()
  return require('dsassist.ghost').accept('line')
end

--- Take the text off the screen. False when none was there.
---@return boolean
function M.dismiss()
  return require('dsassist.ghost').dismiss()
end

--- Show the next text; the server is asked for more of them the first time.
---@return boolean
function M.next()
  return require('dsassist.ghost').step(1)
end

--- Show the previous text.
---@return boolean
function M.previous()
  return require('dsassist.ghost').step(-1)
end

--- Ask for a text here by hand: nothing is hidden as unlikely, and there may be several.
---@return boolean
function M.suggest()
  return require('dsassist.ghost').ask()
end

--- How the server is, as it last said itself; nil where none runs.
---@return dsassist.Status?
function M.status()
  return require('dsassist.status').now()
end

--- A few words for a statusline: "dsassist qwen2.5-coder-0.5b", "dsassist loading 40%"; empty where no server runs.
---@return string
function M.statusline()
  return require('dsassist.status').words()
end

return M
