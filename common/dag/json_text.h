#pragma once
// Writing JSON text piece by piece.
#include <string>
#include <string_view>

namespace penstock::dag {

// Appends `text` (UTF-8) as a JSON string with its quotes. Only what must be escaped is escaped.
void AppendQuoted(std::string* out, std::string_view text);
std::string Quoted(std::string_view text);

// Appends a finite number so that it stays a non-integer when it is read back: 1 -> "1.0".
void AppendNumber(std::string* out, double value);

// Writes one JSON object; the caller gives the keys in the order wanted. The object is closed by
// the destructor.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string* out) : out_(*out) { out_ += '{'; }
  ~ObjectWriter() { out_ += '}'; }
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  // Writes the key; the caller appends the value's text to the returned string.
  std::string* Key(std::string_view key) {
    if (!first_) out_ += ',';
    first_ = false;
    AppendQuoted(&out_, key);
    out_ += ':';
    return &out_;
  }
  void Text(std::string_view key, std::string_view value) { AppendQuoted(Key(key), value); }
  void Raw(std::string_view key, std::string_view json) { Key(key)->append(json); }

 private:
  std::string& out_;
  bool first_ = true;
};

// Writes one JSON list; each Next() is followed by the element's text. Closed by the destructor.
class ListWriter {
 public:
  explicit ListWriter(std::string* out) : out_(*out) { out_ += '['; }
  ~ListWriter() { out_ += ']'; }
  ListWriter(const ListWriter&) = delete;
  ListWriter& operator=(const ListWriter&) = delete;
  std::string* Next() {
    if (!first_) out_ += ',';
    first_ = false;
    return &out_;
  }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace penstock::dag
