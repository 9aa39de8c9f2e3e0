#pragma once
// Figures of several rounds and what is printed of them.
#include <map>
#include <string>
#include <vector>

namespace penstock::bench {

// Sorts a copy. 0 when there is nothing; `part` from 0 to 1.
double Quantile(std::vector<double> values, double part);

// Collects values by name, in the order of first mention. Not thread-safe.
class Report {
 public:
  void Add(const std::string& name, const std::string& unit, double value);
  // The goal of issue or paper: shown beside the figure; nothing fails by it.
  void Goal(const std::string& name, std::string text) { goals_[name] = std::move(text); }
  double Median(const std::string& name) const;
  std::string Table() const;
  std::string Json() const;  // {"name": {"unit": .., "median": .., "values": [..]}}

 private:
  struct Figure {
    std::string unit;
    std::vector<double> values;
  };
  std::vector<std::string> order_;
  std::map<std::string, Figure> figures_;
  std::map<std::string, std::string> goals_;
};

}  // namespace penstock::bench
