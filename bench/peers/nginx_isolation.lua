-- Tenant isolation of a token route for nginx with lua-cjson: what one would write by hand instead of Tidegate.
local cjson, unb64 = require "cjson.safe", require "ngx.base64".decode_base64url
local M, allowed = {}

function M.setup(policy) allowed = dofile(policy) end

local function refuse(message)
  ngx.status = 403
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Cache-Control"] = "no-store"
  ngx.print(cjson.encode { error = "access_denied", error_description = message })
  return ngx.exit(403)
end

local function claims(token)
  local payload = type(token) == "string" and token:match "^[%w_-]+%.([%w_-]+)%."
  return payload and cjson.decode(unb64(payload) or "")
end

function M.token()
  ngx.req.read_body()
  local r = ngx.location.capture("/_provider" .. ngx.var.uri,
    { method = ngx.HTTP_POST, args = ngx.var.args, always_forward_body = true })
  if r.truncated then return ngx.exit(502) end
  if r.status == 200 then
    local reply = cjson.decode(r.body)
    local c = reply and (claims(reply.access_token) or claims(reply.id_token))
    local tid = c and c.tid
    if tid then
      local creator = ngx.var.http_x_ms_client_tenant_id
      if not creator then return refuse "no client tenant id" end
      local ok, side = allowed(creator, tid)
      if not ok then return refuse("tenant isolation: " .. side .. " blocked: " .. creator .. " -> " .. tid) end
    end
  end
  ngx.status = r.status
  for name, value in pairs(r.header) do ngx.header[name] = value end
  ngx.print(r.body)
end
return M
