#include "common/http/endpoint.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "common/http/health.h"
#include "common/service/event.h"
#include "common/service/executor.h"
#include "common/service/loopback.h"
#include "common/testing/status_matchers.h"

namespace penstock::http {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::StartsWith;
using testing::StatusIs;

int Connect(const std::string& address) {
  const int port = service::ParseLoopbackAddress(address)->port;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
  return fd;
}

// Sends `request` as it is and returns everything until the server closes.
std::string Exchange(const std::string& address, const std::string& request) {
  const int fd = Connect(address);
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd, buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  return answer;
}

std::string Get(const std::string& address, const std::string& target) {
  return Exchange(address, "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

TEST(EndpointTest, AnswersOnThePathsThatItKnows) {
  Endpoint endpoint({});
  endpoint.Handle("GET", "/a.b", [](const Request& request) {
    return Response{201, "application/json", request.method + request.query.at("q")};
  });
  ASSERT_THAT(endpoint.Start(), IsOk());
  const std::string answer = Get(endpoint.address(), "/a.b?q=x%20y");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 201"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nGETx y"));
  EXPECT_THAT(Get(endpoint.address(), "/aXb?q="), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get(endpoint.address(), "/a.b/../../etc/passwd"), StartsWith("HTTP/1.1 404"));
}

TEST(EndpointTest, TakesBodiesUpToItsLimit) {
  Endpoint::Options options;
  options.max_body_bytes = 10;
  Endpoint endpoint(options);
  endpoint.Handle("POST", "/in", [](const Request& request) {
    return Response{200, "text/plain", request.body};
  });
  ASSERT_THAT(endpoint.Start(), IsOk());
  const std::string head = "POST /in HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n";
  EXPECT_THAT(Exchange(endpoint.address(), head + "Content-Length: 4\r\n\r\nbody"),
              HasSubstr("\r\n\r\nbody"));
  EXPECT_THAT(Exchange(endpoint.address(), head + "Content-Length: 11\r\n\r\nbody4567890"),
              StartsWith("HTTP/1.1 413"));
}

TEST(EndpointTest, SurvivesRubbish) {
  Endpoint endpoint({});
  endpoint.Handle("GET", "/ok", [](const Request&) { return Response{}; });
  ASSERT_THAT(endpoint.Start(), IsOk());
  EXPECT_THAT(Exchange(endpoint.address(), "\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  Exchange(endpoint.address(), std::string("GET /\0 HTTP/9\r\n\r\n", 17));
  Exchange(endpoint.address(), "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n");
  EXPECT_THAT(Get(endpoint.address(), "/ok"), StartsWith("HTTP/1.1 200"));
}

TEST(EndpointTest, ServesMoreClientsThanThreads) {
  Endpoint endpoint({});
  endpoint.Handle("GET", "/ok", [](const Request&) { return Response{}; });
  ASSERT_THAT(endpoint.Start(), IsOk());
  service::Executor clients({"clients", 8, 100});
  for (int i = 0; i < 64; ++i) {
    ASSERT_TRUE(clients.TryPost(
        [&] { EXPECT_THAT(Get(endpoint.address(), "/ok"), StartsWith("HTTP/1.1 200")); }));
  }
  clients.Shutdown();
}

TEST(EndpointTest, StopWaitsForRequestsUnderWayAndMayComeTwice) {
  Endpoint endpoint({});
  service::Event entered;
  service::Event release;
  endpoint.Handle("GET", "/slow", [&](const Request&) {
    entered.Set();
    release.Wait();
    return Response{};
  });
  ASSERT_THAT(endpoint.Start(), IsOk());
  service::Executor others({"others", 2, 2});
  ASSERT_TRUE(others.TryPost(
      [&] { EXPECT_THAT(Get(endpoint.address(), "/slow"), StartsWith("HTTP/1.1 200")); }));
  entered.Wait();
  ASSERT_TRUE(others.TryPost([&] { release.Set(); }));
  endpoint.Stop();
  endpoint.Stop();
  EXPECT_TRUE(release.IsSet());
}

TEST(EndpointTest, StopsRightAfterStartAndWithoutIt) {
  for (int i = 0; i < 20; ++i) {
    Endpoint endpoint({});
    ASSERT_THAT(endpoint.Start(), IsOk());
  }
  Endpoint never({});
  never.Stop();
}

TEST(EndpointTest, RefusesBusyPortsAndOtherHosts) {
  Endpoint first({});
  ASSERT_THAT(first.Start(), IsOk());
  Endpoint::Options options;
  options.address = first.address();
  EXPECT_THAT(Endpoint(options).Start(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(first.address())));
  options.address = "0.0.0.0:0";
  EXPECT_THAT(Endpoint(options).Start(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loopback")));
}

TEST(HealthTest, ServesHealthAndMetrics) {
  obs::Registry registry;
  registry.AddGauge("x_up", "Up.").Set(1);
  Health health;
  Endpoint endpoint({});
  ServeHealth(&endpoint, "/healthz", [&] { return health; });
  ServeHealth(&endpoint, "/readyz", [] { return Health{false, "no domain loaded yet"}; });
  ServeMetrics(&endpoint, &registry);
  ASSERT_THAT(endpoint.Start(), IsOk());
  const std::string healthy = Get(endpoint.address(), "/healthz");
  EXPECT_THAT(healthy, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(healthy, HasSubstr("\r\n\r\nok\n"));
  const std::string ready = Get(endpoint.address(), "/readyz");
  EXPECT_THAT(ready, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(ready, HasSubstr("no domain loaded yet\n"));
  const std::string metrics = Get(endpoint.address(), "/metrics");
  EXPECT_THAT(metrics, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, HasSubstr("x_up 1\n"));
}

}  // namespace
}  // namespace penstock::http
