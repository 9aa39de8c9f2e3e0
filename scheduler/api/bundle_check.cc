#include "scheduler/api/bundle_check.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "common/dag/scalars.h"
#include "penstock/v1/worker.pb.h"
#include "scheduler/api/validate.h"

namespace penstock::api {
namespace {

constexpr size_t kMaxPathBytes = 1024;
constexpr size_t kMaxPartBytes = 255;

std::string Sha256Hex(std::string_view bytes) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                     bytes.size());
  std::string hex;
  for (unsigned char byte : hash) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string TooLarge(size_t bytes, size_t most) {
  return fmt::format(
      "{} bytes are too many, at most {} are allowed: let tasks fetch large files "
      "themselves",
      bytes, most);
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool SafePath(std::string_view path) {
  if (path.empty() || path.size() > kMaxPathBytes || HasControl(path) || !IsCleanText(path)) {
    return false;
  }
  for (size_t start = 0; start <= path.size();) {
    const size_t slash = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, slash - start);
    if (part.empty() || part == "." || part == ".." || part.size() > kMaxPartBytes) return false;
    start = slash + 1;
  }
  return true;
}

// Sorted by bytes, "a" comes before "a/b" but "a.txt" lies between: so look for every parent.
void CheckParents(const v1::Bundle& bundle, Checker* check) {
  absl::flat_hash_set<std::string_view> files;
  for (const v1::Bundle::File& file : bundle.files()) files.insert(file.path());
  for (const v1::Bundle::File& file : bundle.files()) {
    const std::string_view path = file.path();
    for (size_t at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1)) {
      if (!files.contains(path.substr(0, at))) continue;
      check->Problem("bundle", fmt::format("\"{}\" is both a file and a directory",
                                           dag::ShownText(path.substr(0, at))));
      return;
    }
  }
}

void CheckFiles(const v1::Bundle& bundle, Checker* check) {
  check->Range("bundle: number of files", bundle.files_size(), 1, kMaxBundleFiles);
  size_t contents = 0;
  for (const v1::Bundle::File& file : bundle.files()) contents += file.content().size();
  if (contents > kMaxBundleBytes) check->Problem("bundle", TooLarge(contents, kMaxBundleBytes));
  for (int i = 0; i < bundle.files_size(); ++i) {
    const std::string& path = bundle.files(i).path();
    if (!SafePath(path)) {
      check->Problem("bundle", fmt::format("path \"{}\" is not safe: it must be relative, divided "
                                           "by '/', without empty parts, \".\" or \"..\"",
                                           dag::ShownText(path)));
    } else if (i > 0 && bundle.files(i - 1).path() >= path) {
      check->Problem("bundle", fmt::format("path \"{}\" is repeated or not in the order of bytes",
                                           dag::ShownText(path)));
    }
  }
  if (check->ok()) CheckParents(bundle, check);
}

}  // namespace

absl::StatusOr<std::string> CheckBundle(std::string_view bytes) {
  if (bytes.empty()) return std::string();
  Checker check;
  v1::Bundle bundle;
  if (bytes.size() > kMaxBundleBytes + kMaxBundleFraming) {
    check.Problem("bundle", TooLarge(bytes.size(), kMaxBundleBytes));
  } else if (!bundle.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
             bundle.SerializeAsString() != bytes) {
    check.Problem("bundle", "not a Bundle message written field by field in order");
  } else {
    CheckFiles(bundle, &check);
  }
  if (!check.ok()) return check.Result();
  return Sha256Hex(bytes);
}

}  // namespace penstock::api
