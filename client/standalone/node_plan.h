#pragma once
// The command lines of a standalone cluster's schedulers and workers.
#include <vector>

#include "client/standalone/layout.h"
#include "client/standalone/node.h"
#include "client/standalone/ports.h"
#include "client/standalone/standalone.h"

namespace penstock::client {

std::vector<Node::Spec> PlanSchedulers(const StandaloneOptions& options, const Layout& layout,
                                       const PortPlan& ports);
std::vector<Node::Spec> PlanWorkers(const StandaloneOptions& options, const Layout& layout,
                                    const PortPlan& ports);

// FAILED_PRECONDITION when a program that the plans name cannot be executed.
absl::Status CheckPrograms(const std::vector<Node::Spec>& specs);

}  // namespace penstock::client
