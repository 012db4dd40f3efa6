-- Tenant isolation of a connection route for nginx with lua-cjson and luaossl: what one would write by hand instead of
-- Tidegate. Keys are read at its start.
local cjson, pkey, digest = require "cjson.safe", require "openssl.pkey", require "openssl.digest"
local lru, unb64 = require "resty.lrucache", require "ngx.base64".decode_base64url
local M, keys, audience, allowed, remembered = {}, {}

-- run: the run's directory; keys: the names of its keys, in order; remember: how many verified tokens.
function M.setup(options)
  audience, allowed = options.audience, dofile(options.run .. "/policy.lua")
  for i, kid in ipairs(options.keys) do
    local f = assert(io.open(options.run .. "/signing-" .. i - 1 .. ".pem"))
    keys[kid] = pkey.new(f:read "*a")
    f:close()
  end
  if options.remember > 0 then remembered = lru.new(options.remember) end
end

local function refuse(status, code, message)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Cache-Control"] = "no-store"
  ngx.print(cjson.encode { error = code, error_description = message })
  return ngx.exit(status)
end

local function verify(token)
  local head, body, signature = token:match "^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$"
  local header = head and cjson.decode(unb64(head) or "")
  local key = header and header.alg == "RS256" and keys[header.kid]
  if not key then return end
  local hash = digest.new "sha256"
  hash:update(head .. "." .. body)
  if not key:verify(unb64(signature) or "", hash) then return end
  local c = cjson.decode(unb64(body) or "")
  if c and c.aud == audience and c.tid and c.iss == "https://login.microsoftonline.com/" .. c.tid .. "/v2.0" then
    return { tid = c.tid, exp = c.exp, nbf = c.nbf }
  end
end

function M.check()
  local token = (ngx.var.http_authorization or ""):match "^[Bb]earer (.+)$"
  local claims = token and remembered and remembered:get(token)
  if token and not claims then
    claims = verify(token)
    if claims and remembered then remembered:set(token, claims) end
  end
  local now = ngx.time()
  if not claims or (claims.exp or 0) < now or (claims.nbf or 0) > now then
    return refuse(401, "invalid_token", "token missing or not valid")
  end
  local creator = ngx.var.http_x_ms_creator_tenant_id
  if not creator then return refuse(403, "access_denied", "no creator tenant id") end
  local ok, side = allowed(creator, claims.tid)
  if not ok then
    return refuse(403, "access_denied", "tenant isolation: " .. side .. " blocked: " .. creator .. " -> " .. claims.tid)
  end
end
return M
