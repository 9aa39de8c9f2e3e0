// Reading JSON text into values.
#include <fmt/format.h>

#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status.h"
#include "common/dag/scalars.h"
#include "common/dag/value.h"

namespace penstock::dag {
namespace {

constexpr size_t kMaxNesting = 64;

// Receives nlohmann's events; false stops the parser.
class ValueBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Put(Value()); }
  bool boolean(bool value) override { return Put(Value::Bool(value)); }
  bool number_integer(number_integer_t value) override { return Put(Value::Int(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<int64_t>::max())) {
      return Fail(fmt::format("the integer {} does not fit 64 bits", value));
    }
    return Put(Value::Int(static_cast<int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    if (text.find_first_of(".eE") == string_t::npos) {
      return Fail(fmt::format("the integer {:.40} does not fit 64 bits", text));
    }
    return Put(Value::Number(value));
  }
  bool string(string_t& value) override { return Put(Value::String(std::move(value))); }
  bool binary(binary_t&) override { return Fail("not JSON"); }
  bool start_object(std::size_t) override { return Open(true); }
  bool start_array(std::size_t) override { return Open(false); }
  bool end_object() override {
    return Close([](Frame& frame) { return Value::Map(std::move(frame.object)); });
  }
  bool end_array() override {
    return Close([](Frame& frame) { return Value::List(std::move(frame.array)); });
  }
  bool key(string_t& value) override {
    if (frames_.back().object.contains(value)) {
      return Fail(fmt::format("the key \"{}\" comes twice", ShownText(value)));
    }
    frames_.back().key = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return Fail(fmt::format("not valid JSON at byte {}", position));
  }

  Value Take() { return std::move(result_); }
  const std::string& error() const { return error_; }

 private:
  struct Frame {
    bool is_object;
    std::string key;
    Value::Object object;
    Value::Array array;
  };

  bool Fail(std::string text) {
    error_ = std::move(text);
    return false;
  }
  bool Open(bool is_object) {
    if (frames_.size() >= kMaxNesting) {
      return Fail(fmt::format("JSON nested deeper than {} levels", kMaxNesting));
    }
    frames_.push_back({is_object, {}, {}, {}});
    return true;
  }
  template <typename Make>
  bool Close(Make make) {
    Value value = make(frames_.back());
    frames_.pop_back();
    return Put(std::move(value));
  }
  bool Put(Value value) {
    if (frames_.empty()) {
      result_ = std::move(value);
    } else if (frames_.back().is_object) {
      Frame& frame = frames_.back();
      frame.object.emplace_hint(frame.object.end(), std::move(frame.key), std::move(value));
    } else {
      frames_.back().array.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Frame> frames_;
  Value result_;
  std::string error_;
};

}  // namespace

absl::StatusOr<Value> Value::FromJson(std::string_view json) {
  ValueBuilder builder;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &builder)) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, builder.error());
  }
  return builder.Take();
}

}  // namespace penstock::dag
