#include "common/service/thread.h"

#include <pthread.h>

#include <utility>

namespace penstock::service {
namespace {

constexpr size_t kLongestName = 15;  // the kernel's limit, without the closing NUL

void NameThisThread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, kLongestName).c_str());
}

}  // namespace

Thread::Thread(const std::string& name, std::function<void()> body)
    : thread_([name, run = std::move(body)] {
        NameThisThread(name);
        run();
      }) {}

Thread::~Thread() { Join(); }

void Thread::Join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace penstock::service
