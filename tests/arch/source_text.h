#pragma once
// What the checks need to know of a C++ source: its includes and its text without comments.
#include <string>
#include <string_view>
#include <vector>

namespace penstock::arch {

// The text with comments and the contents of string and character literals blanked out; line breaks
// stay, so that line numbers do. Raw strings are known.
std::string CodeOnly(std::string_view text);

struct Include {
  int line = 0;  // from 1
  std::string header;
};

// All #include lines outside comments, with "" or <>.
std::vector<Include> Includes(std::string_view text);

// Lines (from 1) on which `token` stands in `code` as a whole: not as part of a longer name.
std::vector<int> LinesWith(std::string_view code, std::string_view token);

int CountLines(std::string_view text);

}  // namespace penstock::arch
