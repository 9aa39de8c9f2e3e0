#pragma once
// Checks of what clients send: every problem of a request at once, each a sentence.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "penstock/v1/control.pb.h"

namespace penstock::api {

inline constexpr size_t kMaxNameBytes = 200;
inline constexpr size_t kMaxKeyBytes = 500;  // run keys, idempotency keys
inline constexpr size_t kMaxNoteBytes = 4 << 10;
inline constexpr int kMaxRunsPerRequest = 1000;
inline constexpr int32_t kMaxPageSize = 1000;
inline constexpr int32_t kDefaultPageSize = 100;
inline constexpr int32_t kMaxPoolSlots = 1'000'000;
inline constexpr int32_t kMaxWeight = 1000;

// Collects problems. `field` is the request's field as the client knows it.
class Checker {
 public:
  // Texts: at most `max_bytes`, valid UTF-8 without NUL.
  void Text(std::string_view field, std::string_view value, size_t max_bytes);
  // The name of something that exists: a Text that is not empty.
  void Name(std::string_view field, std::string_view value);
  // A name about to be given: a letter or _, then letters, digits, _ . -
  void NewName(std::string_view field, std::string_view value);
  void Range(std::string_view field, int64_t value, int64_t low, int64_t high);
  // The reference must name a run by its id, or by DAG and key.
  void Run(const v1::RunRef& run);
  void Problem(std::string_view field, std::string_view sentence);

  // OK, or INVALID_ARGUMENT with every problem.
  absl::Status Result() const;
  bool ok() const { return problems_.empty(); }

 private:
  std::vector<std::string> problems_;
};

// The namespace that a request means: empty = "default".
std::string NamespaceOf(std::string_view given);
// 0 = the default, above the most = the most.
int PageSize(int32_t given);

// Texts that come from workers are repaired rather than refused: invalid UTF-8 and NUL become
// U+FFFD, and the end is cut (at a character) beyond `max_bytes`.
std::string RepairText(std::string_view text, size_t max_bytes);
bool IsCleanText(std::string_view text);

}  // namespace penstock::api
