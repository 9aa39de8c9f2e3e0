#include "client/cli/session.h"

#include <fmt/format.h>

#include <utility>

#include "client/cli/text.h"

namespace penstock::client {
namespace {

bool WantsColor(const Invocation& call, const Environment& env) {
  if (!env.out_is_terminal || call.Has("no-color")) return false;
  if (const auto no_color = env.get_env("NO_COLOR"); no_color && !no_color->empty()) return false;
  return env.get_env("TERM").value_or("") != "dumb";
}

}  // namespace

Session::Session(const Invocation& call, const Environment& env, Settings settings)
    : call_(call),
      env_(env),
      settings_(std::move(settings)),
      format_(ParseFormat(call.Text("output"))),
      color_(WantsColor(call, env)) {}

Client& Session::client() {
  if (client_ == nullptr) {
    ClientOptions options;
    options.addresses = settings_.addresses;
    options.retry_for = call_.Duration("retry-for", options.retry_for);
    options.on_retry = [this](const std::string& reason) {
      Note(fmt::format("no answer yet ({}), trying again ...", reason));
    };
    client_ = std::make_unique<Client>(std::move(options), *env_.clock);
  }
  return *client_;
}

void Session::Show(const google::protobuf::Message& message,
                   const std::function<std::string()>& human) {
  out() << (format_ == Format::kTable ? human() : Render(message, format_));
}

void Session::Say(std::string_view text) {
  if (format_ == Format::kTable) out() << PrintableLines(text) << "\n";
}

void Session::Note(std::string_view text) const {
  err() << "penstock: " << PrintableLines(text) << "\n" << std::flush;
}

std::string Session::Suggest(std::string_view command) const {
  std::string line = fmt::format("penstock {}", command);
  for (const std::string_view flag : {"address", "namespace", "context"}) {
    if (const auto value = call_.Find(flag)) {
      line += fmt::format(" --{} {}", flag, ShellQuote(*value));
    }
  }
  return line;
}

}  // namespace penstock::client
