#include "worker/session/version_library.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "worker/session/bundle.h"

namespace penstock::worker {

VersionLibrary::VersionLibrary(Options options, VersionSource& source, service::Executor& executor,
                               const Clock& clock)
    : options_(options), source_(source), executor_(executor), clock_(clock) {}

bool VersionLibrary::IsFinal(const absl::Status& status) {
  return status.code() == absl::StatusCode::kNotFound ||
         status.code() == absl::StatusCode::kInvalidArgument ||
         status.code() == absl::StatusCode::kDataLoss;
}

std::shared_ptr<const LoadedVersion> VersionLibrary::Find(VersionId id) {
  MutexLock lock(&mu_);
  return FindLocked(id);
}

std::shared_ptr<const LoadedVersion> VersionLibrary::FindLocked(VersionId id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return nullptr;
  if (it->second.used != by_use_.begin()) {
    by_use_.splice(by_use_.begin(), by_use_, it->second.used);
  }
  return it->second.loaded;
}

void VersionLibrary::Load(VersionId id, Callback callback) {
  absl::StatusOr<LoadedVersion> known = absl::UnknownError("");
  {
    MutexLock lock(&mu_);
    const auto failure = failures_.find(id);
    if (const auto loaded = FindLocked(id); loaded != nullptr) {
      known = *loaded;
    } else if (failure != failures_.end() && clock_.Steady() < failure->second.until) {
      known = failure->second.status;
    } else {
      auto& waiting = waiting_[id];
      waiting.push_back(std::move(callback));
      if (waiting.size() > 1) return;
      callback = nullptr;
    }
  }
  if (callback != nullptr) return callback(std::move(known));
  if (!executor_.TryPost([this, id] { Fetched(id, Fetch(id)); })) {
    Fetched(id, MakeStatus(absl::StatusCode::kResourceExhausted, "too many versions are loading"));
  }
}

absl::StatusOr<LoadedVersion> VersionLibrary::Fetch(VersionId id) {
  const std::string context = fmt::format("version {}", id.value());
  auto raw = source_.GetVersion(id);
  if (!raw.ok()) return Annotate(raw.status(), context);
  LoadedVersion loaded;
  auto version =
      Version::Make(id, std::move(raw->namespace_name), raw->canonical_json, raw->bundle_hash);
  if (!version.ok()) return Annotate(version.status(), context);
  loaded.version = *std::move(version);
  if (raw->bundle_hash.empty()) return loaded;
  auto bytes = source_.GetBundle(raw->bundle_hash);
  if (!bytes.ok()) return Annotate(bytes.status(), context + ", files");
  auto bundle = ReadBundle(raw->bundle_hash, *bytes);
  if (!bundle.ok()) return Annotate(bundle.status(), context + ", files");
  loaded.bundle = *std::move(bundle);
  return loaded;
}

void VersionLibrary::Fetched(VersionId id, absl::StatusOr<LoadedVersion> loaded) {
  std::vector<Callback> callbacks;
  {
    MutexLock lock(&mu_);
    callbacks = std::move(waiting_[id]);
    waiting_.erase(id);
    if (loaded.ok()) {
      failures_.erase(id);
      Keep(id, *loaded);
    } else if (IsFinal(loaded.status())) {
      const SteadyTime now = clock_.Steady();
      absl::erase_if(failures_, [&](const auto& f) { return f.second.until <= now; });
      failures_[id] = {loaded.status(), now + options_.remember_failure};
    }
  }
  for (const Callback& callback : callbacks) callback(loaded);
}

void VersionLibrary::Keep(VersionId id, const LoadedVersion& loaded) {
  if (entries_.contains(id)) return;
  by_use_.push_front(id);
  Entry entry;
  entry.loaded = std::make_shared<const LoadedVersion>(loaded);
  entry.bytes = loaded.version->bytes() + (loaded.bundle != nullptr ? loaded.bundle->bytes() : 0);
  entry.used = by_use_.begin();
  bytes_ += entry.bytes;
  entries_.emplace(id, std::move(entry));
  while (bytes_ > options_.max_bytes && by_use_.size() > 1) {
    const auto oldest = entries_.find(by_use_.back());
    bytes_ -= oldest->second.bytes;
    entries_.erase(oldest);
    by_use_.pop_back();
  }
}

size_t VersionLibrary::bytes() const {
  MutexLock lock(&mu_);
  return bytes_;
}

}  // namespace penstock::worker
