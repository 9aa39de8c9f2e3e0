#include "scheduler/api/bundle_sender.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/status.h"
#include "scheduler/api/validate.h"

namespace penstock::api {
namespace {
constexpr size_t kChunkBytes = 256 << 10;
}

BundleSender::BundleSender(const Services& services, std::string hash,
                           std::shared_ptr<Stream> stream)
    : s_(services), hash_(std::move(hash)), stream_(std::move(stream)), strand_(services.work, 8) {}

void BundleSender::Begin() { Post(&BundleSender::Load); }
void BundleSender::OnWritable() { Post(&BundleSender::SendMore); }

void BundleSender::Post(void (BundleSender::*step)()) {
  if (strand_.TryPost([self = shared_from_this(), step] { ((*self).*step)(); })) return;
  stream_->Close(absl::ResourceExhaustedError("the scheduler is busy; try again"));
}

void BundleSender::Load() {
  Checker check;
  check.Name("hash", hash_);
  if (!check.ok()) return stream_->Close(check.Result());
  auto bytes = s_.catalog.GetBundle(hash_);
  if (absl::IsNotFound(bytes.status())) {
    return stream_->Close(
        MakeStatus(absl::StatusCode::kNotFound, fmt::format("there is no bundle {}", hash_)));
  }
  if (!bytes.ok()) return stream_->Close(bytes.status());
  bytes_ = *std::move(bytes);
  SendMore();
}

void BundleSender::SendMore() {
  while (sent_ < bytes_.size()) {
    v1::BundleChunk chunk;
    chunk.set_data(bytes_.substr(sent_, kChunkBytes));
    const size_t size = chunk.data().size();
    if (!stream_->Send(std::move(chunk))) return;
    sent_ += size;
  }
  stream_->Close(absl::OkStatus());
}

}  // namespace penstock::api
