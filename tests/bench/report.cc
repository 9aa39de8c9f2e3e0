#include "tests/bench/report.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace penstock::bench {

double Quantile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = std::ceil(part * static_cast<double>(values.size())) - 1;
  return values[static_cast<size_t>(std::max(0.0, at))];
}

void Report::Add(const std::string& name, const std::string& unit, double value) {
  if (!figures_.contains(name)) order_.push_back(name);
  figures_[name].unit = unit;
  figures_[name].values.push_back(value);
}

double Report::Median(const std::string& name) const {
  const auto it = figures_.find(name);
  return it == figures_.end() ? 0 : Quantile(it->second.values, 0.5);
}

std::string Report::Table() const {
  std::string out =
      fmt::format("{:34} {:>12} {:>12} {:>12}  {:8} {}\n", "", "median", "min", "max", "", "goal");
  for (const std::string& name : order_) {
    const Figure& figure = figures_.at(name);
    const auto goal = goals_.find(name);
    out += fmt::format("{:34} {:>12.3f} {:>12.3f} {:>12.3f}  {:8} {}\n", name, Median(name),
                       *std::min_element(figure.values.begin(), figure.values.end()),
                       *std::max_element(figure.values.begin(), figure.values.end()), figure.unit,
                       goal == goals_.end() ? "" : goal->second);
  }
  return out;
}

std::string Report::Json() const {
  nlohmann::ordered_json json;
  for (const std::string& name : order_) {
    const Figure& figure = figures_.at(name);
    json[name] = {{"unit", figure.unit}, {"median", Median(name)}, {"values", figure.values}};
  }
  return json.dump(2);
}

}  // namespace penstock::bench
