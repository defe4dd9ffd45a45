--- How the server is, by its `dsassist/status` notifications, and in words for a statusline.

local M = {}

---@class dsassist.Status
---@field kind 'starting'|'loading'|'ready'|'busy'|'off'|'snoozed'|'error'|'stopped'
---@field message string
---@field model string
---@field percent? integer
---@field latencyMs? integer
---@field reason string
---@field hints string[]

---@type dsassist.Status?
local status

local function tell()
  vim.api.nvim_exec_autocmds('User', { pattern = 'DsassistStatus', modeline = false })
  vim.cmd.redrawstatus({ bang = true })
end

--- The handler of `dsassist/status`.
---@param _ any
---@param params dsassist.Status
function M.took(_, params)
  status = params
  for name, value in pairs(status) do
    if value == vim.NIL then
      status[name] = nil
    end
  end
  vim.schedule(tell)
end

--- The server has ended; `message` says why if that was not meant.
---@param message? string
function M.ended(message)
  status = message and { kind = 'stopped', message = message, model = '', reason = '', hints = {} } or nil
  vim.schedule(tell)
end

---@return dsassist.Status?
function M.now()
  return status
end

--- A few words; the model's name when there is nothing else to tell.
---@return string
function M.words()
  if not status then
    return ''
  end
  local words = {
    loading = status.percent and ('loading %d%%'):format(status.percent) or 'loading',
    ready = status.model,
    busy = status.model .. ' …',
  }
  return 'dsassist ' .. (words[status.kind] or status.kind)
end

return M
