#pragma once
// What the handlers of the control API work with. Handlers are plain classes: they take checked
// messages and a Done, know nothing of gRPC, and run where blocking is allowed.
#include <functional>
#include <string>

#include "common/base/clock.h"
#include "common/logstore/log_store.h"
#include "common/service/executor.h"
#include "scheduler/api/caches.h"
#include "scheduler/api/delay_queue.h"
#include "scheduler/api/isolation.h"
#include "scheduler/api/open_streams.h"
#include "scheduler/api/router.h"
#include "scheduler/api/views.h"
#include "scheduler/engine/engine.h"
#include "scheduler/peer/client.h"
#include "scheduler/store/catalog.h"

namespace penstock::api {

// Everything outlives the handlers and is thread-safe.
struct Services {
  engine::Engine& engine;
  DomainViews& views;
  store::Catalog& catalog;
  peer::Client& peers;
  logstore::LogStore& logs;
  const Clock& clock;
  service::Executor& work;     // begins requests; refuses when it is full
  service::Executor& answers;  // goes on with requests that were begun; never full
  service::Executor& files;    // log files, reading logs from peers
  service::Executor& watches;  // run watches: many, and nobody's request waits behind them
  DelayQueue& timers;
  const Isolation& isolation;
  Router& router;
  NamespaceCache& namespaces;
  VersionCache& versions;
  DagCache& dags;
  OpenStreams& streams;
};

// Executes a command in a domain of this process. `then` comes on a thread that may block.
void Execute(const Services& services, DomainId domain, core::CommandBody command,
             const std::string& actor, std::function<void(core::Reply)> then);

// The run that a reference names within a namespace. NOT_FOUND with a sentence for the client.
absl::StatusOr<store::RunRecord> FindRun(store::Catalog& catalog, const store::NamespaceRecord& ns,
                                         const v1::RunRef& ref);

}  // namespace penstock::api
