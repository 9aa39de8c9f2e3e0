#include "worker/session/bundle.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <limits>
#include <vector>

#include "common/base/status.h"
#include "penstock/v1/worker.pb.h"

namespace penstock::worker {

std::string Sha256Hex(std::string_view bytes) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                     bytes.size());
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

absl::StatusOr<std::shared_ptr<const exec::SealedBundle>> ReadBundle(std::string_view hash,
                                                                     std::string_view bytes) {
  if (Sha256Hex(bytes) != hash) {
    return MakeStatus(absl::StatusCode::kDataLoss,
                      "the bundle that arrived does not have the hash it was asked for by");
  }
  v1::Bundle wire;
  if (bytes.size() > std::numeric_limits<int>::max() ||
      !wire.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, "the bundle is not a Bundle message");
  }
  std::vector<exec::BundleEntry> entries;
  for (const v1::Bundle::File& file : wire.files()) {
    entries.push_back({file.path(), file.executable(), file.content()});
  }
  return exec::SealedBundle::Make(entries);
}

}  // namespace penstock::worker
