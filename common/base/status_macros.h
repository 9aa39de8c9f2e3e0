#pragma once
// PENSTOCK_RETURN_IF_ERROR(expr) and PENSTOCK_ASSIGN_OR_RETURN(lhs, expr) for absl::Status(Or).
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define PENSTOCK_CONCAT_INNER(a, b) a##b
#define PENSTOCK_CONCAT(a, b) PENSTOCK_CONCAT_INNER(a, b)

#define PENSTOCK_RETURN_IF_ERROR(expr)                                  \
  do {                                                                  \
    if (absl::Status penstock_status = (expr); !penstock_status.ok()) { \
      return penstock_status;                                           \
    }                                                                   \
  } while (false)

#define PENSTOCK_ASSIGN_OR_RETURN(lhs, expr) \
  PENSTOCK_ASSIGN_OR_RETURN_IMPL(PENSTOCK_CONCAT(penstock_statusor_, __LINE__), lhs, expr)
#define PENSTOCK_ASSIGN_OR_RETURN_IMPL(var, lhs, expr) \
  auto var = (expr);                                   \
  if (!var.ok()) return std::move(var).status();       \
  lhs = *std::move(var)
