--- The plug-in's own options, declared once as data; the help file's section is made from the same table.
---
--- What the server can be told stands in `settings`; the server checks it, not this module.

local M = {}

---@class dsassist.Options
---@field cmd? string[]
---@field ghost? 'auto'|'native'|'own'
---@field keys? table<string, string|false>
---@field settings? table<string, any>

---@class dsassist.Declaration
---@field name string
---@field type string[]
---@field default any
---@field choices? string[]
---@field description string

---@type dsassist.Declaration[]
M.DECLARED = {
  {
    name = 'cmd',
    type = { 'table' },
    default = { 'dsassist', 'lsp' },
    description = 'The command that starts the language server. It is not looked for in a workspace: a repository\n'
      .. 'could bring a program of its own.',
  },
  {
    name = 'ghost',
    type = { 'string' },
    default = 'auto',
    choices = { 'auto', 'native', 'own' },
    description = 'Who draws ghost text: "native" is |vim.lsp.inline_completion| (Neovim 0.12), "own" the\n'
      .. 'plug-in; "auto" takes the native one where there is one. "own" asks at every key, the native one\n'
      .. 'when nothing was typed for 200 ms.',
  },
  {
    name = 'keys.accept',
    type = { 'string', 'boolean' },
    default = '<Tab>',
    description = 'Take the whole text. As with the other keys: without a text, the key does what it did before;\n'
      .. '`false` maps nothing.',
  },
  { name = 'keys.accept_word', type = { 'string', 'boolean' }, default = '<M-Right>', description = 'Take its next word.' },
  {
    name = 'keys.accept_line',
    type = { 'string', 'boolean' },
    default = '<M-C-Right>',
    description = 'Take the rest of its line; at a line\'s end, the next line.',
  },
  { name = 'keys.next', type = { 'string', 'boolean' }, default = '<M-n>', description = 'Show another text.' },
  { name = 'keys.previous', type = { 'string', 'boolean' }, default = '<M-p>', description = 'Show the one before.' },
  {
    name = 'keys.dismiss',
    type = { 'string', 'boolean' },
    default = '<C-]>',
    description = 'Take the text off the screen. Leaving insert mode does so too.',
  },
  {
    name = 'keys.suggest',
    type = { 'string', 'boolean' },
    default = '<M-s>',
    description = 'Ask for a text by hand: nothing is hidden as unlikely.',
  },
  {
    name = 'settings',
    type = { 'table' },
    default = {},
    description = 'What the server is told, nested: `{ completion = { max_lines = 8 } }`. |dsassist-settings| lists\n'
      .. 'all of it. It wins over dsassist\'s configuration files.',
  },
}

---@param path string
---@param from table
local function value_at(path, from)
  return vim.tbl_get(from, unpack(vim.split(path, '.', { plain = true })))
end

---@param path string
---@param value any
---@param into table
local function set_at(path, value, into)
  local names = vim.split(path, '.', { plain = true })
  for i = 1, #names - 1 do
    into[names[i]] = into[names[i]] or {}
    into = into[names[i]]
  end
  into[names[#names]] = value
end

---@param declared dsassist.Declaration
---@param value any
---@return string? problem
local function problem_with(declared, value)
  if not vim.list_contains(declared.type, type(value)) or value == true then
    return ('%s must be a %s'):format(declared.name, declared.type[2] and 'string or false' or declared.type[1])
  end
  if declared.choices and not vim.list_contains(declared.choices, value) then
    return ('%s must be one of %s'):format(declared.name, table.concat(declared.choices, ', '))
  end
  if declared.name == 'cmd' and type(value[1]) ~= 'string' then
    return 'cmd must be a list: the program and its arguments'
  end
end

---@param given table
---@param prefix string
---@return string[]
local function unknown(given, prefix)
  local found = {}
  for name, value in pairs(given) do
    local path = prefix .. name
    if path == 'keys' and type(value) == 'table' then
      vim.list_extend(found, unknown(value, 'keys.'))
    elseif not vim.iter(M.DECLARED):any(function(each)
      return each.name == path
    end) then
      found[#found + 1] = path
    end
  end
  table.sort(found)
  return found
end

---@return table
local function defaults()
  local made = {}
  for _, declared in ipairs(M.DECLARED) do
    set_at(declared.name, vim.deepcopy(declared.default), made)
  end
  return made
end

--- What holds now.
---@type dsassist.Options
M.current = defaults()

--- Take what the user wrote. What is wrong is said once, and the default used in its place.
---@param given table
function M.take(given)
  local message = require('dsassist.message')
  M.current = defaults()
  for _, name in ipairs(unknown(given, '')) do
    message.warn(('there is no option `%s` (:help dsassist-options)'):format(name))
  end
  for _, declared in ipairs(M.DECLARED) do
    local value = value_at(declared.name, given)
    if value ~= nil then
      local problem = problem_with(declared, value)
      if problem then
        message.warn(problem .. ' (:help dsassist-options)')
      else
        set_at(declared.name, value, M.current)
      end
    end
  end
end

return M
