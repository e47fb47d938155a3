-- Health of an MCPServer in Argo CD, from its conditions:
--   Healthy      AWS holds this generation of the spec, and the target is READY
--   Progressing  the operator is at work, or waits for AWS, or tries a failed target again
--   Suspended    somebody has to say go on: paused, observed only, or consent not given yet
--   Degraded     it will not get well without somebody's help, or has failed again and again
-- Repairs of a failed target that count as progress: a server may come up minutes after its target.
local patience = 3

local function health(status, message)
  return { status = status, message = message or "" }
end

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local ready = conditions.Ready
if ready == nil then
  return health("Progressing", "Waiting for the MCP gateway operator")
end
local message = ready.reason .. ": " .. (ready.message or "")

local generation = obj.metadata.generation
local observed = ready.observedGeneration or status.observedGeneration
if generation ~= nil and observed ~= nil and observed ~= generation then
  return health("Progressing", "Waiting for the MCP gateway operator to see the latest change")
end

if conditions.Paused ~= nil and conditions.Paused.status == "True" then
  return health("Suspended", "Paused: " .. (conditions.Paused.message or ""))
end
local suspended = { Paused = true, Observed = true, PendingAuthorization = true }
if suspended[ready.reason] and ready.status ~= "True" then
  return health("Suspended", message)
end
-- AWS has not been heard of for long. Gateways keep serving without its control plane, so nothing is degraded.
if ready.status == "Unknown" then
  return health("Progressing", message)
end
if conditions.Stalled ~= nil and conditions.Stalled.status == "True" then
  return health("Degraded", message)
end
if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", message)
end
if ready.status == "True" then
  return health("Healthy", ready.message)
end
if status.failure ~= nil and (status.failure.attempts or 0) >= patience then
  return health("Degraded", message)
end
return health("Progressing", message)
