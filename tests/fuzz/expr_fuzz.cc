// Any text compiles or says where it is wrong; evaluating it ends, within its bounds.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/dag/expr.h"

namespace penstock::dag {
namespace {

Context FuzzContext() {
  Context context;
  context.run_id = "1";
  context.run_key = "k";
  context.logical_date = "2024-02-29T23:59:59Z";
  context.params = *Value::FromJson(
      R"({"s":"text","i":-9223372036854775808,"n":1.5,"b":true,"z":null,"l":[1,"a",[2]],
          "m":{"k":{"x":9223372036854775807}}})");
  context.outputs["t"] = *Value::FromJson(R"({"o":"v"})");
  return context;
}

void Check(std::string_view text) {
  static const Context context = FuzzContext();
  const ExprLimits limits;
  Template compiled;
  if (const auto error = Template::Check(text, limits, &compiled)) {
    PENSTOCK_CHECK(error->offset <= text.size() && !error->message.empty(), "an error has a place");
    return;
  }
  for (const Reference& reference : compiled.References()) {
    PENSTOCK_CHECK(reference.offset < text.size(), "a reference has a place");
  }
  const auto rendered = compiled.Render(context);
  if (rendered.ok()) PENSTOCK_CHECK(rendered->size() <= limits.max_value_bytes, "bounded");
  const auto value = compiled.Evaluate(context);
  if (!value.ok() || value->type() == Value::Type::kArray) return;
  const auto again = Value::FromJson(value->ToJson());
  PENSTOCK_CHECK(!again.ok() || *again == *value, "values survive JSON");
}

}  // namespace
}  // namespace penstock::dag

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::dag::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
