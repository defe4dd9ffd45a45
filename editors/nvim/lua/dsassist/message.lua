--- The one door through which the plug-in speaks to the user.

local M = {}

local LOOK_AGAIN_MS = 20

---@param text string
---@param level integer
local function say(text, level)
  vim.notify('dsassist: ' .. text, level, { title = 'dsassist' })
end

---@param text string
function M.info(text)
  say(text, vim.log.levels.INFO)
end

---@param text string
function M.warn(text)
  say(text, vim.log.levels.WARN)
end

---@param text string
function M.error(text)
  say(text, vim.log.levels.ERROR)
end

--- Call back at once, or where a message stands in the way, when that is gone: for as long as 'messagesopt' has one wait,
--- the editor is in no mode to show a text in, and what the server says first comes with the first text.
---@param act fun()
function M.behind(act)
  if vim.api.nvim_get_mode().mode:sub(1, 1) == 'r' then
    vim.defer_fn(function()
      M.behind(act)
    end, LOOK_AGAIN_MS)
  else
    act()
  end
end

return M
