#pragma once
// The files that travel with a version, from the wire's form.
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "worker/exec/sealed_bundle.h"

namespace penstock::worker {

// Takes apart the serialised Bundle message and seals its files. DataLoss for a wrong hash,
// InvalidArgument for a wrong message or path, ResourceExhausted.
absl::StatusOr<std::shared_ptr<const exec::SealedBundle>> ReadBundle(std::string_view hash,
                                                                     std::string_view bytes);

// Hex SHA-256.
std::string Sha256Hex(std::string_view bytes);

}  // namespace penstock::worker
