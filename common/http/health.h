#pragma once
// The plain HTTP paths that every node serves: /metrics, /healthz and /readyz.
#include <functional>
#include <string>

#include "common/http/endpoint.h"
#include "common/obs/metrics.h"

namespace penstock::http {

struct Health {
  bool ok = true;
  std::string reason;  // for people; empty = "ok" or "unhealthy"
};

// Called at each request, on the endpoint's thread: cheap and without blocking.
using HealthCheck = std::function<Health()>;

// GET `path` answers 200 or 503 with the reason as text.
void ServeHealth(Endpoint* endpoint, const std::string& path, HealthCheck check);

// GET /metrics answers with the registry's metrics. `registry` outlives the endpoint.
void ServeMetrics(Endpoint* endpoint, obs::Registry* registry);

}  // namespace penstock::http
