#include "worker/guard/request.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

namespace penstock::worker::guard {
namespace {

using process::UniqueFd;

constexpr size_t kMaxBodyBytes = size_t{8} << 20;

// Cuts NUL-terminated texts off the front of a body.
class TextReader {
 public:
  explicit TextReader(const std::string& texts) : next_(texts.data()), end_(next_ + texts.size()) {}
  // nullptr: there is none left.
  const char* Next() {
    const void* const nul = std::memchr(next_, '\0', static_cast<size_t>(end_ - next_));
    if (nul == nullptr) return nullptr;
    return std::exchange(next_, static_cast<const char*>(nul) + 1);
  }
  bool NextArray(uint32_t count, std::vector<const char*>* array) {
    for (uint32_t i = 0; i < count; ++i) {
      const char* const text = Next();
      if (text == nullptr) return false;
      array->push_back(text);
    }
    array->push_back(nullptr);
    return true;
  }

 private:
  const char* next_;
  const char* const end_;
};

// Reads what a descriptor holds from its start; shorter than `bytes` if it holds less.
std::string ReadFrom(int fd, size_t bytes) {
  std::string text(bytes, '\0');
  size_t got = 0;
  while (got < bytes) {
    const ssize_t part = pread(fd, text.data() + got, bytes - got, static_cast<off_t>(got));
    if (part <= 0) break;
    got += static_cast<size_t>(part);
  }
  text.resize(got);
  return text;
}

// The descriptors come in the order of the flags.
bool TakeFds(std::vector<UniqueFd>* fds, Request* request, UniqueFd* body) {
  const size_t expected =
      2 + (request->head.body_in_memfd != 0 ? 1 : 0) + (request->head.has_bundle != 0 ? 1 : 0);
  if (fds->size() != expected) return false;
  size_t next = 0;
  request->out = std::move((*fds)[next++]);
  request->err = std::move((*fds)[next++]);
  if (request->head.body_in_memfd != 0) *body = std::move((*fds)[next++]);
  if (request->head.has_bundle != 0) request->bundle = std::move((*fds)[next++]);
  return true;
}

bool ParseTexts(Request* request) {
  TextReader reader(request->texts);
  const char* const work_dir = reader.Next();
  const char* const output_name = reader.Next();
  if (work_dir == nullptr || output_name == nullptr) return false;
  request->work_dir = work_dir;
  request->output_name = output_name;
  return request->head.argument_count > 0 &&
         reader.NextArray(request->head.argument_count, &request->argv) &&
         reader.NextArray(request->head.variable_count, &request->envp);
}

void Append(std::string_view text, std::string* body) { body->append(text).push_back('\0'); }

std::string BodyOf(const RequestPlan& plan) {
  std::string body;
  Append(plan.work_dir, &body);
  Append(plan.output_name, &body);
  for (const std::string& text : *plan.argv) Append(text, &body);
  for (const std::string& text : *plan.env) Append(text, &body);
  return body;
}

UniqueFd BodyFile(std::string_view body) {
  UniqueFd fd(memfd_create("penstock-request", MFD_CLOEXEC));
  return fd && process::WriteAll(fd.get(), body) ? std::move(fd) : UniqueFd();
}

}  // namespace

std::optional<Request> ParseRequest(Packet packet) {
  Request request;
  request.head = packet.As<Run>();
  UniqueFd body;
  if (!TakeFds(&packet.fds, &request, &body)) return std::nullopt;
  request.texts =
      body ? ReadFrom(body.get(), request.head.body_bytes) : std::string(packet.BodyAfter<Run>());
  if (!ParseTexts(&request)) return std::nullopt;
  return request;
}

bool SendRequest(int socket, const RequestPlan& plan) {
  const std::string body = BodyOf(plan);
  if (body.size() > kMaxBodyBytes) {
    errno = E2BIG;
    return false;
  }
  Run head = plan.head;
  head.kind = MessageKind::kRun;
  head.argument_count = static_cast<uint32_t>(plan.argv->size());
  head.variable_count = static_cast<uint32_t>(plan.env->size());
  head.body_bytes = static_cast<uint32_t>(body.size());
  head.body_in_memfd = body.size() > kMaxInlineBody ? 1 : 0;
  head.has_bundle = plan.bundle_fd >= 0 ? 1 : 0;
  std::vector<int> fds = {plan.out_fd, plan.err_fd};
  UniqueFd file;
  if (head.body_in_memfd != 0) {
    file = BodyFile(body);
    if (!file) return false;
    fds.push_back(file.get());
  }
  if (plan.bundle_fd >= 0) fds.push_back(plan.bundle_fd);
  return Send(socket, head, head.body_in_memfd != 0 ? std::string_view() : body, fds);
}

}  // namespace penstock::worker::guard
