// pool list, set, delete; queue list; worker list, drain; namespace list, create.
#include <fmt/format.h>

#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/cli/text.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

using Result = absl::StatusOr<ExitCode>;

constexpr int64_t kMaxSlots = 1'000'000;

Result PoolList(Session& session) {
  v1::ListPoolsRequest request;
  request.set_namespace_(session.name_space());
  PENSTOCK_ASSIGN_OR_RETURN(const auto response, session.client().ListPools(request));
  Table table({"NAME", ">SLOTS", ">USED", ">WAITING", "DESCRIPTION"});
  for (const v1::Pool& pool : response.pools()) {
    const bool full = pool.used() >= pool.slots();
    table.Add({pool.name(), std::to_string(pool.slots()),
               Cell(std::to_string(pool.used()), full ? Style::kBusy : Style::kPlain),
               std::to_string(pool.waiting()), pool.description()});
  }
  ShowList(session, response.pools(), table);
  return ExitCode::kSuccess;
}

Result PoolSet(Session& session) {
  const int64_t slots = std::stoll(session.call().args[1]);
  if (slots > kMaxSlots) return UsageError(fmt::format("SLOTS: at most {}", kMaxSlots));
  v1::SetPoolRequest request;
  request.set_namespace_(session.name_space());
  request.set_name(session.call().args[0]);
  request.set_slots(static_cast<int32_t>(slots));
  request.set_description(session.call().Text("description"));
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Pool pool, session.client().SetPool(request));
  session.Show(pool, [&] {
    return Printable(fmt::format("Pool {} has {}", pool.name(), Count(pool.slots(), "slot"))) +
           "\n";
  });
  return ExitCode::kSuccess;
}

Result PoolDelete(Session& session) {
  v1::DeletePoolRequest request;
  request.set_namespace_(session.name_space());
  request.set_name(session.call().args[0]);
  PENSTOCK_ASSIGN_OR_RETURN(const auto response, session.client().DeletePool(request));
  session.Show(response, [&] { return fmt::format("Pool {} deleted\n", request.name()); });
  return ExitCode::kSuccess;
}

Result QueueList(Session& session) {
  v1::ListQueuesRequest request;
  request.set_namespace_(session.name_space());
  PENSTOCK_ASSIGN_OR_RETURN(const auto response, session.client().ListQueues(request));
  Table table({"NAME", ">READY", ">RUNNING", ">WORKERS", ">FREE SLOTS"});
  for (const v1::Queue& queue : response.queues()) {
    const bool stuck = queue.ready() > 0 && queue.workers() == 0;
    table.Add({queue.name(), std::to_string(queue.ready()), std::to_string(queue.leased()),
               Cell(std::to_string(queue.workers()), stuck ? Style::kBad : Style::kPlain),
               std::to_string(queue.free_credits())});
  }
  ShowList(session, response.queues(), table);
  return ExitCode::kSuccess;
}

Cell WorkerState(const v1::Worker& worker) {
  if (!worker.connected()) return {"disconnected", Style::kBad};
  if (worker.draining()) return {"draining", Style::kBusy};
  return {"connected", Style::kGood};
}

Result WorkerList(Session& session) {
  v1::ListWorkersRequest request;
  request.set_namespace_(session.name_space());
  PENSTOCK_ASSIGN_OR_RETURN(const auto response, session.client().ListWorkers(request));
  Table table({"NAME", "GROUP", "STATE", ">SLOTS", ">RUNNING", "QUEUES", "STARTED", "VERSION"});
  for (const v1::Worker& worker : response.workers()) {
    table.Add({worker.name(), worker.group(), WorkerState(worker), std::to_string(worker.slots()),
               std::to_string(worker.running()),
               fmt::format("{}", fmt::join(worker.queues(), ", ")),
               AgeText(worker.started_at(), session.now()), worker.version()});
  }
  ShowList(session, response.workers(), table);
  return ExitCode::kSuccess;
}

Result WorkerDrain(Session& session) {
  v1::DrainWorkerRequest request;
  request.set_name(session.call().args[0]);
  PENSTOCK_ASSIGN_OR_RETURN(const auto response, session.client().DrainWorker(request));
  session.Show(response, [&] {
    return fmt::format("{} of {} told to drain: running tasks finish, nothing new is taken\n",
                       Count(response.sessions(), "session"), request.name());
  });
  return ExitCode::kSuccess;
}

Result NamespaceList(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto response,
                            session.client().ListNamespaces(v1::ListNamespacesRequest()));
  Table table({"NAME", ">DOMAIN", ">WEIGHT", "CREATED"});
  for (const v1::Namespace& entry : response.namespaces()) {
    table.Add({entry.name(), std::to_string(entry.domain()), std::to_string(entry.weight()),
               AgeText(entry.created_at(), session.now())});
  }
  ShowList(session, response.namespaces(), table);
  return ExitCode::kSuccess;
}

Result NamespaceCreate(Session& session) {
  v1::CreateNamespaceRequest request;
  request.set_name(session.call().args[0]);
  request.set_share_domain_with(session.call().Text("share-domain-with"));
  request.set_weight(static_cast<int32_t>(session.call().Number("weight", 0)));
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Namespace created, session.client().CreateNamespace(request));
  session.Show(created, [&] {
    return Printable(
               fmt::format("Namespace {} created, domain {}", created.name(), created.domain())) +
           "\n";
  });
  return ExitCode::kSuccess;
}

}  // namespace

std::vector<CommandSpec> FleetCommands() {
  const ArgSpec pool{"POOL", ValueKind::kPool, "name of the pool"};
  return {
      {"pool", "list", "list pools and their use", "", {}, {}, {"pool list"}, PoolList},
      {"pool",
       "set",
       "create a pool or change its slots",
       "Fewer slots than are in use end nothing: the surplus drains. 0 stops everything in it.",
       {pool, {"SLOTS", ValueKind::kNumber, "how many"}},
       {{"description", 0, ValueKind::kText, "TEXT", "for people"}},
       {"pool set warehouse 20 --description 'connections of the warehouse'"},
       PoolSet},
      {"pool", "delete", "delete a pool", "", {pool}, {}, {"pool delete warehouse"}, PoolDelete},
      {"queue",
       "list",
       "list queues: what is ready, what runs, who takes it",
       "",
       {},
       {},
       {"queue list"},
       QueueList},
      {"worker", "list", "list workers", "", {}, {}, {"worker list"}, WorkerList},
      {"worker",
       "drain",
       "let a worker finish and take nothing new",
       "",
       {{"WORKER", ValueKind::kWorker, "name of the worker"}},
       {},
       {"worker drain worker-1"},
       WorkerDrain},
      {"namespace", "list", "list namespaces", "", {}, {}, {"namespace list"}, NamespaceList},
      {"namespace",
       "create",
       "create a namespace",
       "Namespaces that share pools share a domain: one scheduler decides for all of them.",
       {{"NAME", ValueKind::kText, "name of the new namespace"}},
       {{"share-domain-with", 0, ValueKind::kNamespace, "NAME", "whose domain to join (its own)"},
        {"weight", 0, ValueKind::kNumber, "N", "its fair share within the domain (1)"}},
       {"namespace create sales", "namespace create sales-test --share-domain-with sales"},
       NamespaceCreate},
  };
}

}  // namespace penstock::client
