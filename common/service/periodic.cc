#include "common/service/periodic.h"

#include <utility>

namespace penstock::service {

Periodic::Periodic(std::string name, absl::Duration interval, std::function<void()> fn)
    : name_(std::move(name)), interval_(interval), fn_(std::move(fn)) {}

Periodic::~Periodic() { Stop(); }

void Periodic::Start() {
  loop_.Start(name_, [this](StopToken token) {
    while (token.Wait(interval_)) fn_();
  });
}

}  // namespace penstock::service
