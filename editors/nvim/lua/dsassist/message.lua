--- The one door through which the plug-in speaks to the user.

local M = {}

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

return M
