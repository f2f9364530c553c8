-- Run by Neovim (0.7 and later): starts `cds lsp` for the file that is open, and prints what its user would see.
local function shown()
  return vim.tbl_map(function(one)
    return { line = one.lnum + 1, code = one.code, message = one.message, severity = one.severity }
  end, vim.diagnostic.get(0))
end

local function at(text)
  vim.fn.cursor(1, 1)
  vim.fn.search(text, "ceW")
  return vim.lsp.util.make_position_params(0, "utf-16")
end

local function asked(method, params)
  for _, answer in pairs(vim.lsp.buf_request_sync(0, method, params, 60000) or {}) do
    return answer.result
  end
end

local client = vim.lsp.start_client({
  name = "thirdline",
  cmd = { vim.env.CDS, "lsp" },
  root_dir = vim.fn.getcwd(),
  init_options = { decideCases = false },
})
vim.lsp.buf_attach_client(0, client)
local seen = {}
vim.wait(90000, function() return #vim.diagnostic.get(0) > 0 end, 100)
seen.before = shown()
seen.hover = asked("textDocument/hover", at("any: \\[ketamine_al"))
seen.actions = asked("textDocument/codeAction", {
  textDocument = vim.lsp.util.make_text_document_params(0),
  range = vim.lsp.util.make_range_params(0, "utf-16").range,
  context = { diagnostics = {} },
})
vim.cmd("%s/ketamine_alergy/ketamine_allergy/")
vim.wait(90000, function() return #vim.diagnostic.get(0) == 0 end, 100)
seen.after = shown()
seen.hover = asked("textDocument/hover", at("any: \\[ketamine_al"))
seen.definition = asked("textDocument/definition", at("any: \\[ketamine_al"))
seen.completion = #(asked("textDocument/completion", at("any: \\[ketamine_al")) or {})
io.stdout:write(vim.fn.json_encode(seen) .. "\n")
vim.cmd("qa!")
