#include "common/obs/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/obs/log_format.h"

namespace penstock::obs {
namespace {

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> write) : write_(std::move(write)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override {
    write_({msg.payload.data(), msg.payload.size()});
  }
  void flush_() override {}

 private:
  const std::function<void(std::string_view)> write_;
};

spdlog::sink_ptr MakeSink(const LogOptions& options) {
  if (options.write) return std::make_shared<FunctionSink>(options.write);
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_pattern("%v");
  return sink;
}

// One configuration of logging. Immutable: InitLog replaces it as a whole.
class Logger {
 public:
  explicit Logger(const LogOptions& options)
      : format_(options.format),
        role_(options.role),
        node_(options.node),
        logger_("penstock", MakeSink(options)) {
    logger_.set_level(spdlog::level::trace);  // levels are judged in LogEnabled
  }

  void Write(LogLevel level, std::string_view message, LogFields fields) {
    const LogEntry entry{RealClock().Wall(), level, role_, node_, message, fields};
    const std::string line = format_ == LogFormat::kJson ? FormatJson(entry) : FormatText(entry);
    logger_.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }
  void Flush() { logger_.flush(); }

 private:
  const LogFormat format_;
  const std::string role_;
  const std::string node_;
  spdlog::logger logger_;
};

// The one global of the program: a log that had to be passed around would not be used.
struct Current {
  std::atomic<LogLevel> level{LogLevel::kInfo};
  Mutex mu;
  // Shared: a line may be under way in another thread while InitLog replaces the logger.
  std::shared_ptr<Logger> logger ABSL_GUARDED_BY(mu);

  std::shared_ptr<Logger> Get() {
    MutexLock lock(&mu);
    if (logger == nullptr) logger = std::make_shared<Logger>(LogOptions{});
    return logger;
  }
};

// Never destroyed: threads may log until the very end.
Current& TheLog() {
  static Current* const current = new Current;
  return *current;
}

}  // namespace

void InitLog(const LogOptions& options) {
  auto logger = std::make_shared<Logger>(options);
  Current& current = TheLog();
  current.level = options.level;
  MutexLock lock(&current.mu);
  current.logger = std::move(logger);
}

bool LogEnabled(LogLevel level) { return level >= TheLog().level.load(std::memory_order_relaxed); }

void Log(LogLevel level, std::string_view message, LogFields fields) {
  if (LogEnabled(level)) TheLog().Get()->Write(level, message, fields);
}

void FlushLog() { TheLog().Get()->Flush(); }

}  // namespace penstock::obs
