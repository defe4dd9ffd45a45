--- Keys in insert mode that act on the ghost text where there is one, and do what they did before where there is none.

local api = vim.api

local M = {}

---@type table<string, string> by action, the key that was mapped
M.mapped = {}

---@type table<string, table|false> by key, its mapping before it was ours
local before_ours = {}

---@param text string
---@return string
local function keycodes(text)
  return api.nvim_replace_termcodes(text, true, true, true)
end

---@param key string
---@return table? mapping
local function mapping_of(key)
  for _, mapping in ipairs(api.nvim_get_keymap('i')) do
    if mapping.lhsraw == keycodes(key) or mapping.lhsrawalt == keycodes(key) then
      return mapping
    end
  end
end

--- The keys that a mapping stands for; nil where it has done its work by itself.
---@param mapping table as `maparg` gives it
---@return string?
local function keys_of(mapping)
  if mapping.expr == 1 then
    local keys = mapping.callback and mapping.callback() or api.nvim_eval(mapping.rhs)
    keys = type(keys) == 'string' and keys or ''
    return mapping.replace_keycodes == 1 and keycodes(keys) or keys
  elseif mapping.callback then
    mapping.callback()
    return nil
  end
  return keycodes((mapping.rhs or ''):gsub('<SID>', ('<SNR>%d_'):format(mapping.sid or 0)))
end

--- What the key did before it was ours.
---@param key string
---@param before table?
local function fall_back(key, before)
  local keys, flags = keycodes(key), 'in'
  if before then
    keys, flags = keys_of(before), before.noremap == 1 and 'in' or 'im'
  end
  if keys and keys ~= '' then
    api.nvim_feedkeys(keys, flags, false) -- i: before what was typed meanwhile
  end
end

--- Map what the options name.
function M.map()
  local dsassist = require('dsassist')
  for action, key in pairs(M.mapped) do
    pcall(vim.keymap.del, 'i', key)
    M.mapped[action] = nil
  end
  for action, key in pairs(require('dsassist.options').current.keys) do
    if key then
      if before_ours[key] == nil then -- else it is ours by now
        before_ours[key] = mapping_of(key) or false
      end
      M.mapped[action] = key
      vim.keymap.set('i', key, function()
        if not dsassist[action]() then
          fall_back(key, before_ours[key] or nil)
        end
      end, { desc = 'dsassist: ' .. action:gsub('_', ' ') })
    end
  end
end

return M
