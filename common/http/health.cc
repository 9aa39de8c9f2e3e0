#include "common/http/health.h"

#include <utility>

namespace penstock::http {
namespace {

Response ToResponse(const Health& health) {
  Response response;
  response.status = health.ok ? 200 : 503;
  response.body = health.reason;
  if (response.body.empty()) response.body = health.ok ? "ok" : "unhealthy";
  response.body += '\n';
  return response;
}

}  // namespace

void ServeHealth(Endpoint* endpoint, const std::string& path, HealthCheck check) {
  endpoint->Handle("GET", path,
                   [check = std::move(check)](const Request&) { return ToResponse(check()); });
}

void ServeMetrics(Endpoint* endpoint, obs::Registry* registry) {
  endpoint->Handle("GET", "/metrics", [registry](const Request&) {
    return Response{200, std::string(obs::kMetricsContentType), registry->Render()};
  });
}

}  // namespace penstock::http
