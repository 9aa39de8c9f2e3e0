#pragma once
// What a handler works with: its command line, the world around the process, and the cluster.
#include <functional>
#include <istream>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/format.h"
#include "client/cli/parse.h"
#include "client/cli/refs.h"
#include "client/cli/table.h"
#include "client/lib/client.h"
#include "client/lib/config.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"

namespace penstock::client {

// The process's surroundings; tests give their own. Nothing here is owned.
struct Environment {
  std::istream* in = nullptr;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool out_is_terminal = false;
  std::function<size_t()> columns;    // of the terminal, now; > 0
  std::function<bool()> interrupted;  // Ctrl-C since InterruptGuard began
  GetEnv get_env;
  const Clock* clock = nullptr;
};

// One command's run. Not thread-safe.
class Session {
 public:
  Session(const Invocation& call, const Environment& env, Settings settings);

  const Invocation& call() const { return call_; }
  const Environment& env() const { return env_; }
  const Settings& settings() const { return settings_; }
  const std::string& name_space() const { return settings_.name_space; }
  Format format() const { return format_; }
  bool color() const { return color_; }
  std::ostream& out() const { return *env_.out; }
  std::ostream& err() const { return *env_.err; }
  absl::Time now() const { return env_.clock->Wall(); }
  // Connects when first used.
  Client& client();

  // `-o table`: prints `human()`; else the message.
  void Show(const google::protobuf::Message& message, const std::function<std::string()>& human);
  // A sentence for people, only with `-o table`.
  void Say(std::string_view text);
  // A remark on stderr, whatever the format.
  void Note(std::string_view text) const;

  // "penstock run show 42", with the connection flags that this command was given.
  std::string Suggest(std::string_view command) const;

 private:
  const Invocation& call_;
  const Environment& env_;
  const Settings settings_;
  const Format format_;
  const bool color_;
  std::unique_ptr<Client> client_;
};

// A request about the run that the command's first argument names.
template <typename Request>
absl::StatusOr<Request> ForRun(Session& session) {
  Request request;
  request.set_namespace_(session.name_space());
  PENSTOCK_ASSIGN_OR_RETURN(
      *request.mutable_run(),
      ResolveRun(session.client(), session.name_space(), session.call().args[0]));
  return request;
}

// Lists: `-o table` prints `table`, or "nothing found" on stderr when it is empty.
template <typename Items>
void ShowList(Session& session, const Items& items, const Table& table) {
  if (session.format() == Format::kTable) {
    if (table.empty()) return session.Note("nothing found");
    session.out() << table.Render(session.color());
    return;
  }
  std::vector<const google::protobuf::Message*> messages;
  messages.reserve(static_cast<size_t>(items.size()));
  for (const auto& item : items) messages.push_back(&item);
  session.out() << RenderList(messages, session.format());
}

}  // namespace penstock::client
